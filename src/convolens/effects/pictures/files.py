"""Pictures from file to file, one or many: profile, metadata and depth stay with each.

Many are done by as many threads as there are cores; one that cannot be read is reported, and the others are done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

from convolens.media.files import AnyPath, writing
from convolens.media.images import read_pages, read_picture, write_pages, write_picture
from convolens.media.inputs import reads
from convolens.media.large_pictures import change_by_rows, large_picture
from convolens.media.one_writer import only_writer
from convolens.media.parts import part_in
from convolens.media.picture_files import File, Outcome, ResultPaths, attempt, find_pictures
from convolens.media.read_ahead import read_ahead
from convolens.media.weighing import picture_weight
from convolens.settings import threads
from convolens.sources import Share, Stored
from convolens.sources.fetching import fetched_ahead

LINES = "pictures.jsonl"  # of a part, what became of each picture

Change = Callable[[Any], Any]  # of pixels; or of `Rows`, to `Strips`


Page = int | Literal["all"] | None


@reads("source")
def change_picture_file(source: AnyPath | Stored, target: AnyPath, change: Change, *, page: Page = None) -> None:
    """Reads a picture, changes it and writes it with its colour profile and metadata.

    Args:
        source: what to read.
        target: where to write.
        change: makes the new pixels of the old.
        page: of several pages or frames, which one, counted from 1; "all" writes all of them, with their times; None
            takes the first, with a note where there are more.

    A TIFF that would not fit into the memory budget is done by rows, if the change can be: `change` is then given
    `Rows` and gives `Strips`.

    Raises:
        FileError, FormatError: it cannot be read or written, or the output is the input.
        ArgumentError: no such page.
    """
    with large_picture(source, page) as large:
        if large is not None and change_by_rows(large, target, change):
            return None
    if page == "all":
        return write_pages(target, read_pages(source).changed(change))
    return write_picture(target, read_picture(source, page=page).changed(change))  # the old pixels are let go first


def change_picture_files(
    sources: Iterable[File], results: ResultPaths, change: Change, *, page: Page = None
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
    with only_writer(results.folder):
        yield from changed_ahead(sources, results, change, page)


def changed_ahead(sources: Iterable[File], results: ResultPaths, change: Change, page: Page) -> Iterator[Outcome[Path]]:
    """The same for one of several who write into the folder, each their own pictures."""

    def one(job: tuple[File, Path]) -> Outcome[Path]:
        source, target = job
        return attempt(source, partial(_changed, source, target, change, page))

    jobs = ((source, results(source)) for source in fetched_ahead(sources))
    for _, outcome in read_ahead(one, jobs, ahead=2 * threads(), weigh=lambda job: picture_weight(job[0])):
        yield outcome


def line_of(outcome: Outcome[Path]) -> dict[str, Any]:
    """What became of a picture, as it stands in `pictures.jsonl`."""
    return outcome.line() if outcome.error else outcome.line() | {"written": str(outcome.result)}


def change_share(
    source: AnyPath, folder: AnyPath, share: Share, command: str, options: Mapping[str, Any], change: Change,
    *, page: Page = None,
) -> Iterator[Outcome[Path]]:  # fmt: skip
    """Changes those pictures of a source that are in a share, into a folder that can be merged with the other shares'.

    Args:
        source: a folder, a pattern, an address, a shard or a table.
        folder: where results go, with a line for each picture in `pictures.jsonl`; made where it is missing.
        share: which pictures.
        command: what the command line calls the change.
        options: of the change, which must be the same in all parts.
        change: as in `change_picture_files`.
        page: as in `change_picture_file`.

    Yields:
        What became of each, in order.

    Raises:
        ArgumentError: the folder holds another part, or results that are no part.
        FileError: as in `find_pictures`; or another process is writing into the folder.
    """
    results = ResultPaths([source], folder)
    with ExitStack() as stack:
        stack.enter_context(part_in(results.folder, share, command, {**options, "page": page}, [source], LINES))
        draft = stack.enter_context(writing(results.folder / LINES))
        stream = stack.enter_context(draft.open("w", encoding="utf-8"))
        sources = find_pictures([source], outside=results.folder, share=share)
        for outcome in change_picture_files(sources, results, change, page=page):
            stream.write(json.dumps(line_of(outcome)) + "\n")
            yield outcome


def _changed(source: File, target: Path, change: Change, page: Page) -> Path:
    change_picture_file(source, target, change, page=page)
    return target
