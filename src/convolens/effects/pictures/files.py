"""Pictures from file to file, one or many: profile, metadata and depth stay with each.

Many are done by as many threads as there are cores; one that cannot be read is reported, and the others are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from convolens.media.files import AnyPath
from convolens.media.images import read_pages, read_picture, write_pages, write_picture
from convolens.media.inputs import reads
from convolens.media.one_writer import only_writer
from convolens.media.picture_files import Outcome, ResultPaths, attempt
from convolens.media.read_ahead import read_ahead
from convolens.media.weighing import picture_weight
from convolens.settings import threads

Change = Callable[[NDArray[Any]], NDArray[Any]]


Page = int | Literal["all"] | None


@reads("source")
def change_picture_file(source: AnyPath, target: AnyPath, change: Change, *, page: Page = None) -> None:
    """Reads a picture, changes it and writes it with its colour profile and metadata.

    Args:
        source: what to read.
        target: where to write.
        change: makes the new pixels of the old.
        page: of several pages or frames, which one, counted from 1; "all" writes all of them, with their times; None
            takes the first, with a note where there are more.

    Raises:
        FileError, FormatError: it cannot be read or written, or the output is the input.
        ArgumentError: no such page.
    """
    if page == "all":
        return write_pages(target, read_pages(source).changed(change))
    return write_picture(target, read_picture(source, page=page).changed(change))  # the old pixels are let go first


def change_picture_files(
    sources: Iterable[Path], results: ResultPaths, change: Change, *, page: Page = None
) -> Iterator[Outcome[Path]]:
    """Changes many pictures into a folder, under their own names.

    Args:
        sources: what to read.
        results: where to write.
        change: makes the new pixels of the old; called from several threads.
        page: as in `change_picture_file`.

    Yields:
        What became of each, in order: where it was written, or why not.

    Raises:
        FileError: another process is writing into the folder.
    """

    def one(job: tuple[Path, Path]) -> Outcome[Path]:
        source, target = job
        return attempt(source, partial(_changed, source, target, change, page))

    jobs = ((source, results(source)) for source in sources)
    with only_writer(results.folder):
        for _, outcome in read_ahead(one, jobs, ahead=2 * threads(), weigh=lambda job: picture_weight(job[0])):
            yield outcome


def _changed(source: Path, target: Path, change: Change, page: Page) -> Path:
    change_picture_file(source, target, change, page=page)
    return target
