"""Pictures from file to file, one or many: profile, metadata and depth stay with each.

Many are done by as many threads as there are cores; one that cannot be read is reported, and the others are done.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from convolens.errors import ConvolensError, FileError
from convolens.media.files import AnyPath
from convolens.media.images import SUFFIXES, read_picture, write_picture
from convolens.settings import threads

Change = Callable[[NDArray[Any]], NDArray[Any]]


class Outcome(NamedTuple):
    """What became of a picture: where it was written, or why not."""

    source: Path
    target: Path
    failure: ConvolensError | None


def change_picture_file(source: AnyPath, target: AnyPath, change: Change) -> None:
    """Reads a picture, changes it and writes it with its colour profile and metadata.

    Raises:
        FileError, FormatError: it cannot be read or written, or the output is the input.
    """
    picture = read_picture(source)
    write_picture(target, picture.with_pixels(change(picture.pixels)), keeping=(source,))


def is_many(source: AnyPath) -> bool:
    """Whether it names a folder or a pattern rather than a file."""
    path = Path(source)
    return path.is_dir() or (not path.exists() and glob.has_magic(str(path)))


def pictures_in(source: AnyPath) -> list[Path]:
    """The pictures of a folder, or those that a pattern such as `holiday/*.jpg` matches, in order.

    Raises:
        FileError: there are none, or two of the same name in different folders.
    """
    folder = Path(source)
    matching = folder.iterdir() if folder.is_dir() else map(Path, glob.glob(str(source), recursive=True))  # noqa: PTH207 - absolute
    found = sorted(p for p in matching if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file())
    if not found:
        raise FileError(f"{source}: need pictures ({' '.join(SUFFIXES)}), found none there")
    seen: dict[str, Path] = {}
    for path in found:
        other = seen.setdefault(path.name, path)
        if other != path:
            raise FileError(f"{source}: need names that differ, as all go to one folder, got {other} and {path}")
    return found


def change_picture_files(
    sources: Sequence[Path], folder: AnyPath, change: Change, *, progress: Callable[[int], Any] = lambda count: None
) -> list[Outcome]:
    """Changes many pictures into a folder, under their own names; the folder is made if it is missing.

    Args:
        sources: what to read.
        folder: where to write.
        change: makes the new pixels of the old; called from several threads.
        progress: told 1 after each picture.

    Returns:
        What became of each, in order.

    Raises:
        FileError: the folder cannot be made.
    """
    target = Path(folder)
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(f"{target}: need a folder to write into: {error.strerror}") from error
    outcomes = []
    with ThreadPoolExecutor(threads()) as pool:
        try:
            for outcome in pool.map(partial(_one, folder=target, change=change), sources):
                outcomes.append(outcome)
                progress(1)
        except BaseException:  # asked to end: what has not begun is left
            pool.shutdown(cancel_futures=True)
            raise
    return outcomes


def _one(source: Path, folder: Path, change: Change) -> Outcome:
    target = folder / source.name
    try:
        change_picture_file(source, target, change)
    except ConvolensError as error:
        return Outcome(source, target, error)
    except MemoryError:
        return Outcome(source, target, FileError(f"{source}: need more memory than this machine has"))
    return Outcome(source, target, None)
