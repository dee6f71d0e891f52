"""Pictures changed by the workers of a cluster: each reads and writes its own, the driver learns what became of them.

Blocks that are done are told of in `OUT/.blocks` until all are; hidden, as no picture's result ever lies there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from convolens.clusters.blocks import BlockFiles
from convolens.clusters.ray_workers import Cluster
from convolens.clusters.running import Line, in_lines
from convolens.effects.pictures.files import LINES, Change, Page, changed_ahead, line_of
from convolens.media.files import AnyPath, writing
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer
from convolens.media.parts import part_in
from convolens.media.picture_files import File, ResultPaths, count_pictures, find_closed
from convolens.sources import Share
from convolens.sources.addresses import shown_address

BLOCKS = ".blocks"


class Changed(NamedTuple):
    """How many pictures were changed, now and by earlier runs that were not done; and why others were not."""

    done: int
    failed: list[str]


@dataclass(frozen=True)
class ChangedLines:
    """What a worker is sent once: what `change_picture_files` takes."""

    source: AnyPath
    folder: str
    change: Change
    page: Page

    def begin(self) -> Callable[[Iterator[File]], Iterator[Line]]:
        """Finds out where results go."""
        return partial(self._lines, ResultPaths([self.source], self.folder))

    def _lines(self, results: ResultPaths, files: Iterator[File]) -> Iterator[Line]:
        return map(line_of, changed_ahead(files, results, self.change, self.page))


def change_on_cluster(
    cluster: Cluster, source: AnyPath, folder: AnyPath, command: str, options: Mapping[str, Any], change: Change,
    *, page: Page = None, share: Share | None = None, progress: bool = True,
) -> Changed:  # fmt: skip
    """Has a cluster's workers change many pictures into a folder, under their own names.

    Args:
        cluster: where they are.
        source: a folder, a pattern, an address, a shard or a table.
        folder: where results go, which all machines see; made where it is missing.
        command: what the command line calls the change.
        options: of the change; with others, what an unfinished run did is done again.
        change: makes the new pixels of the old; it is sent to the workers.
        page: as in `change_picture_file`.
        share: does those pictures alone, with a line for each in `pictures.jsonl`.
        progress: shows a bar.

    Raises:
        ArgumentError: the folder holds another part, or results that are no part.
        FileError: as in `find_pictures`; or another process is writing into the folder.
        TrainingError: a block of pictures ended its worker ten times.
    """
    total = count_pictures([source], folder, share)
    target, told = ResultPaths([source], folder).folder, {**options, "page": page}
    files = BlockFiles(target / BLOCKS)
    key = json.dumps([command, told, shown_address(str(source))], sort_keys=True, default=str)
    with ExitStack() as stack:
        stack.enter_context(given(source, results=target))
        stack.enter_context(only_writer(target))
        stack.enter_context(part_in(target, share, command, told, [source], LINES))
        run = in_lines(
            cluster, ChangedLines(source, str(folder), change, page),
            find_closed([source], outside=target, share=share), files,
            batch=1, key=key, total=total, progress=progress,
        )  # fmt: skip
        if share is not None:
            with writing(target / LINES) as draft, draft.open("wb") as stream:
                stream.writelines(files.lines(run.names))
        lines = (json.loads(line) for line in files.lines(run.names) if b'"error"' in line)
        failed = [line["error"] for line in lines if "error" in line]
        count = sum(1 for _ in files.lines(run.names))
        files.remove()
    return Changed(count - len(failed), failed)
