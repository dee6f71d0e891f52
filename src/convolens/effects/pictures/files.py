"""Pictures from file to file, one or many: profile, metadata and depth stay with each.

Many are done by as many threads as there are cores; one that cannot be read is reported, and the others are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convolens.media.files import AnyPath
from convolens.media.images import read_picture, write_picture
from convolens.media.picture_files import Outcome, ResultPaths, attempt
from convolens.media.read_ahead import read_ahead
from convolens.settings import threads

Change = Callable[[NDArray[Any]], NDArray[Any]]


def change_picture_file(source: AnyPath, target: AnyPath, change: Change) -> None:
    """Reads a picture, changes it and writes it with its colour profile and metadata.

    Raises:
        FileError, FormatError: it cannot be read or written, or the output is the input.
    """
    picture = read_picture(source)
    write_picture(target, picture.with_pixels(change(picture.pixels)), keeping=(source,))


def change_picture_files(sources: Iterable[Path], results: ResultPaths, change: Change) -> Iterator[Outcome[Path]]:
    """Changes many pictures into a folder, under their own names.

    Args:
        sources: what to read.
        results: where to write.
        change: makes the new pixels of the old; called from several threads.

    Yields:
        What became of each, in order: where it was written, or why not.
    """

    def one(job: tuple[Path, Path]) -> Outcome[Path]:
        source, target = job
        return attempt(source, partial(_changed, source, target, change))

    jobs = ((source, results(source)) for source in sources)
    for _, outcome in read_ahead(one, jobs, ahead=2 * threads()):
        yield outcome


def _changed(source: Path, target: Path, change: Change) -> Path:
    change_picture_file(source, target, change)
    return target
