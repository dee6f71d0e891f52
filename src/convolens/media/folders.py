"""Folders looked through: every file below, in order, but for what is hidden, brought along, or results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from convolens.errors import FileError
from convolens.media.files import AnyPath
from convolens.media.result_folders import is_of_results, tell_passed_over

# What other programs put among pictures: a Mac's archives, a disk station's previews, bins.
NOT_MEANT = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, or what archives and disks bring along."""
    return name.startswith(".") or name in NOT_MEANT


def files_below(folder: AnyPath, *, also: Path | None = None) -> Iterator[str]:
    """Paths of all files below, in order of path, but for what is left out and folders of results.

    A folder below that cannot be looked into is among them, with a slash at its end (`is_closed_folder`).

    Args:
        folder: which.
        also: a folder of results that is not left out; resolved.

    Raises:
        FileError: the folder itself cannot be looked into.
    """
    return _below(os.fspath(folder), also, set())


def is_closed_folder(path: str) -> bool:
    """Whether `files_below` gives a path for a folder that it could not look into."""
    return path.endswith(os.sep)


def _below(folder: str, also: Path | None, entered: set[tuple[int, int]]) -> Iterator[str]:
    is_first = not entered
    try:
        here = os.stat(folder)  # noqa: PTH116 - a Path for each of many folders takes longer
        if (here.st_dev, here.st_ino) in entered:
            return
        entered.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not is_left_out(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        if is_first:
            raise FileError(f"{folder}: need a folder that can be looked into: {error.strerror}") from error
        yield os.path.join(folder, "")  # noqa: PTH118 - a Path has no slash at its end
        return
    if not is_first and is_of_results(entry.name for entry in entries) and Path(folder).resolve() != also:
        tell_passed_over(folder)
        return
    for entry in entries:
        if _is_dir(entry):
            yield from _below(entry.path, also, entered)
        else:
            yield entry.path


def _is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or leads to one; what cannot be looked at is told when it is to be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False
