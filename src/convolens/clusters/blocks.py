"""A run cut into blocks, which anybody does anywhere, in any order: each whole, or not at all.

    BLOCKS/00000012-5f0c….jsonl   the lines of a block that is done

A block is some files of the source, or one shard of it; its name says which number it has and, by a digest, of what.
So a run that is begun anew knows by names alone what is done: a worker or a driver that was lost costs the blocks that
it had in hand. At the end the blocks' lines become one file, in order, and the blocks go. Memory: the blocks in hand,
and a name for each.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from convolens.errors import ConvolensError, FileError, TrainingError
from convolens.media.files import make_folder, writing

FILES = 256  # of a block: some seconds of work; what a block costs beside, which is some milliseconds, is then little
IN_HAND = 2  # blocks of a worker: it begins the second without asking
MOST_LOSSES = 10  # of workers on one block, after which it is the block that ends them

Item = TypeVar("Item")


@dataclass(frozen=True)
class Block:
    """Some files, or one shard.

    Attributes:
        number: in the order of the source, from 0.
        items: the files, or the shard alone.
        is_shard: which of both.
        skip: names of files in a shard that are done.
        key: what else tells it from others, such as how many go through the network at once.
    """

    number: int
    items: tuple[object, ...]
    is_shard: bool = False
    skip: frozenset[str] = frozenset()
    key: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        names = (self.key, str(self.is_shard), *map(str, self.items), *sorted(self.skip))
        digest = hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()
        return f"{self.number:08d}-{digest[:16]}.jsonl"


@dataclass(frozen=True)
class Report:
    """What became of a block: how many were done, how many failed, what was noted, and what it gives but lines."""

    done: int
    failed: int
    notes: tuple[str, ...] = ()
    value: Any = None


def size_of_blocks(batch: int) -> int:
    """How many files a block has, so that its batches are those of one machine."""
    return max(FILES // batch, 1) * batch


def cut(
    items: Iterable[tuple[Item, bool]], size: int, key: str = "", skip: Callable[[Item], frozenset[str]] | None = None
) -> Iterator[Block]:
    """Cuts a source into blocks as it is listed.

    Args:
        items: files, and shards, each with whether it is one.
        size: files of a block, at most; a shard is one by itself.
        key: of every block.
        skip: a shard → names of what in it is done.

    >>> [block.items for block in cut([("a", False), ("b", False), ("c", False), ("d.tar", True)], 2)]
    [('a', 'b'), ('c',), ('d.tar',)]
    """
    number, waiting = 0, list[Item]()
    for item, is_shard in items:
        if waiting and (is_shard or len(waiting) == size):
            yield Block(number, tuple(waiting), key=key)
            number, waiting = number + 1, []
        if is_shard:
            yield Block(number, (item,), True, skip(item) if skip else frozenset(), key)
            number += 1
        else:
            waiting.append(item)
    if waiting:
        yield Block(number, tuple(waiting), key=key)


class WorkerLost(Exception):  # noqa: N818 - what happened to it
    """A worker ended before its block was done."""


Worker = TypeVar("Worker")
Ticket = TypeVar("Ticket")


class Workers(Protocol[Worker, Ticket]):
    """Who does blocks."""

    def start(self) -> Worker:
        """Starts one more."""

    def give(self, worker: Worker, block: Block) -> Ticket:
        """Gives it a block to do, after those that it has in hand."""

    def first_done(self, tickets: Sequence[Ticket]) -> Ticket:
        """Waits until one of them is done, or its worker lost."""

    def report(self, ticket: Ticket) -> Report:
        """What became of it.

        Raises:
            WorkerLost: its worker ended.
            ConvolensError: none of the blocks can be done.
        """


def done_by(workers: Workers[Worker, Ticket], count: int, blocks: Iterable[Block]) -> Iterator[tuple[Block, Report]]:
    """Has workers do blocks, and yields each with its report as it is done. What a lost worker had goes to others.

    Args:
        workers: who does them.
        count: how many workers.
        blocks: taken as they are needed.

    Raises:
        TrainingError: a block ended its worker `MOST_LOSSES` times.
        ConvolensError: as in `Workers.report`.
    """
    coming, again = iter(blocks), deque[Block]()
    hands: dict[int, tuple[Worker, dict[Ticket, Block]]] = {}  # each worker's, oldest first
    losses: Counter[int] = Counter()
    while True:
        _fill(workers, count, hands, coming, again)
        tickets = [ticket for _, mine in hands.values() for ticket in mine]
        if not tickets:
            return
        ticket = workers.first_done(tickets)
        at = next(number for number, (_, mine) in hands.items() if ticket in mine)
        mine = hands[at][1]
        try:
            report = workers.report(ticket)
        except WorkerLost as loss:
            del hands[at]
            again.extendleft(reversed(mine.values()))
            losses[again[0].number] += 1
            if losses[again[0].number] >= MOST_LOSSES:
                raise _hopeless(again[0], loss) from loss
            continue
        yield mine.pop(ticket), report


def _fill(
    workers: Workers[Worker, Ticket],
    count: int,
    hands: dict[int, tuple[Worker, dict[Ticket, Block]]],
    coming: Iterator[Block],
    again: deque[Block],
) -> None:
    """Gives blocks to workers that have too few, to those first that have none, and starts workers for what is left."""
    for wanted in range(IN_HAND):
        for number in range(count):
            if number in hands and len(hands[number][1]) > wanted:
                continue
            block = again.popleft() if again else next(coming, None)
            if block is None:
                return
            if number not in hands:
                hands[number] = workers.start(), {}
            worker, mine = hands[number]
            mine[workers.give(worker, block)] = block


def _hopeless(block: Block, loss: WorkerLost) -> ConvolensError:
    first = str(block.items[0])
    return TrainingError(
        f"{first}: need a worker that lasts, got {MOST_LOSSES} that ended on the block of {len(block.items):,} files "
        f"that begins with it ({loss}); take it out, or give workers more memory, and run the same again"
    )


@dataclass(frozen=True)
class BlockFiles:
    """The files of blocks that are done, in a folder of their own."""

    folder: Path

    def make(self) -> None:
        """Makes the folder. Raises a `FileError` where it cannot be."""
        make_folder(self.folder)

    def of(self, block: Block) -> Path:
        """The block's file, there or not."""
        return self.folder / block.name

    def write(self, block: Block, lines: Iterable[str]) -> None:
        """Writes a block's lines, whole or not at all. Raises a `FileError` where that fails."""
        with writing(self.of(block)) as draft, draft.open("w", encoding="utf-8") as stream:
            stream.writelines(lines)

    def counts(self, block: Block) -> tuple[int, int]:
        """How many of a block that is done were done, and how many failed."""
        with self.of(block).open("rb") as lines:
            failed = [b'"error"' in line and "error" in json.loads(line) for line in lines]
        return len(failed) - sum(failed), sum(failed)

    def need(self, block: Block) -> None:
        """Raises a `FileError` where a worker wrote a block's file and it is not here."""
        if not self.of(block).exists():
            raise FileError(
                f"{self.folder.parent}: need a folder that every machine of the cluster sees, got one where a worker's "
                f"{self.folder.name}/{block.name} is not; give one on a shared file system"
            )

    def lines(self, names: Iterable[str]) -> Iterator[bytes]:
        """The lines of blocks, one after another."""
        for name in names:
            with (self.folder / name).open("rb") as stream:
                yield from stream

    def remove(self) -> None:
        """Removes all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)
