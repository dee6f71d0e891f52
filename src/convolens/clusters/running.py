"""What a driver does: gives workers the blocks of a source as it is listed, and shows how many of its files are done.

What most commands make of a file is a line (`in_lines`): the workers write a file of them for each block, and the
driver, which then goes through all in order, holds a name for each block. A driver that was killed leaves the blocks
that are done; the same run goes on with the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from convolens.clusters.blocks import Block, BlockFiles, Report, cut, done_by, size_of_blocks
from convolens.clusters.ray_workers import Cluster, Work
from convolens.errors import FileError
from convolens.media.found_pictures import File, find_pictures
from convolens.media.notes import note
from convolens.progress import Watched, watching

Line = dict[str, Any]


class Lines(Protocol):
    """What is to become of files; sent to each worker once."""

    def begin(self) -> Callable[[Iterator[File]], Iterator[Line]]:
        """Makes what turns files into lines, each with the file's `path` and perhaps an `error`: a model is loaded."""


@dataclass(frozen=True)
class _LinesOfBlocks:
    """What a worker is sent once: from where, into which folder, and what."""

    here: str
    files: BlockFiles
    lines: Lines

    def begin(self) -> Callable[[Block], Report]:
        """Goes where the driver is. Raises a `FileError` where this machine has not its folder."""
        try:
            os.chdir(self.here)
        except OSError as error:
            raise FileError(f"{self.here}: need it on every machine of the cluster: {error.strerror}") from error
        lines_of = self.lines.begin()
        return lambda block: self._write(lines_of, block)

    def _write(self, lines_of: Callable[[Iterator[File]], Iterator[Line]], block: Block) -> Report:
        failures: list[bool] = []

        def lines() -> Iterator[str]:
            for line in lines_of(_pictures_of(block)):
                failures.append("error" in line)
                yield json.dumps(line) + "\n"

        self.files.write(block, lines())
        return Report(len(failures) - sum(failures), sum(failures))


def _pictures_of(block: Block) -> Iterator[File]:
    if not block.is_shard:
        return iter(block.items)  # type: ignore[arg-type]
    (shard,) = block.items
    return (one for one in find_pictures([str(shard)]) if str(one) not in block.skip)


@dataclass
class Run:
    """What became of a run: the names of its blocks' files in order, how many files were done now, failed, before."""

    names: list[str]
    done: int = 0
    failed: int = 0
    before: int = 0


def in_lines(
    cluster: Cluster, lines: Lines, items: Iterable[tuple[File, bool]], files: BlockFiles,
    *, batch: int, key: str, skip: Callable[[File], frozenset[str]] | None = None, total: int | None, progress: bool,
) -> Run:  # fmt: skip
    """Has workers make lines of files, and waits until all are done.

    Args:
        cluster: where workers are.
        lines: what they do.
        items: files, and shards, with whether it is one; taken as they are needed.
        files: of the blocks, below a folder that all machines see.
        batch: files that are worked on at once.
        key: what else the lines depend on: blocks that an earlier run left with another are done again.
        skip: a shard → names of what in it is done.
        total: how many pictures there are, where that is known.
        progress: shows a bar.

    Errors as of `Cluster.joined` and `done_by`; and a `FileError` where the folder is not seen by all.
    """
    files.make()
    run, here = Run([]), os.getcwd()  # noqa: PTH109

    def to_do(watched: Watched) -> Iterator[Block]:
        for block in cut(items, size_of_blocks(batch), key, skip):
            run.names.append(block.name)
            if files.of(block).exists():
                counted = sum(files.counts(block))
                run.before += counted
                watched.advance(counted)
            else:
                yield block

    with watching("pictures", total, show=progress) as watched:
        for block, report in reports(cluster, _LinesOfBlocks(here, files, lines), to_do(watched), watched):
            files.need(block)
            run.done, run.failed = run.done + report.done, run.failed + report.failed
    return run


def reports(cluster: Cluster, work: Work, blocks: Iterable[Block], watched: Watched) -> Iterator[tuple[Block, Report]]:
    """Each block with its report as it is done, in any order; what workers noted is noted here, once."""
    noted: set[str] = set()
    with cluster.joined(work) as (workers, count):
        for block, report in done_by(workers, count, blocks):
            watched.advance(report.done + report.failed)
            for sentence in report.notes:
                if sentence not in noted:
                    noted.add(sentence)
                    note(sentence)
            yield block, report
