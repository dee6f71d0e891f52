"""Pictures into the new folder, byte by byte or as hard links."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from convolens.errors import FileError
from convolens.media.images import read_header


class Placing:
    """Puts pictures into a folder.

    Args:
        folder: that is there.
        link: makes hard links in place of copies.
    """

    def __init__(self, folder: Path, link: bool) -> None:
        self._folder, self._link = str(folder), link
        self._made = {self._folder}

    def put(self, picture: Path, name: str) -> tuple[int, int]:
        """The upright picture's width and height.

        Args:
            picture: the file.
            name: its path in the folder, with `/`; nothing is there.

        Raises:
            FileError: the picture cannot be read.
            OSError: the folder cannot be written to.
        """
        size = read_header(picture).size
        target = f"{self._folder}/{name}"
        above = target.rpartition("/")[0]
        if above not in self._made:
            os.makedirs(above, exist_ok=True)  # noqa: PTH103 - a Path for each of many takes longer
            self._made.add(above)
        if self._link:
            _link(picture, target)
        else:
            _copy(picture, target)
        return size


def _link(picture: Path, target: str) -> None:
    source = os.path.realpath(picture) if picture.is_symlink() else picture
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
            raise _cannot_link(picture, error) from None
        raise


def _cannot_link(picture: Path, error: OSError) -> OSError:
    """Ends the work: copies would take room that nobody expects."""
    why = "it is on another disk" if error.errno == errno.EXDEV else error.strerror
    return OSError(error.errno, f"{picture} cannot get a hard link there, {why}; leave out link=True to copy pictures")


def _copy(picture: Path, target: str) -> None:
    try:
        source = picture.open("rb")
    except OSError as error:
        raise FileError(f"{picture}: cannot be read: {error.strerror or error}") from error
    with source, open(target, "xb") as copy:  # noqa: PTH123 - as above
        shutil.copyfileobj(source, copy, 1 << 20)
