"""Examples run through a model in parts, by whoever there is, and what was found put together in order.

Parts are cut where batches end, so that the numbers are those of one process that does all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from convolens.clusters.blocks import Block, Report, size_of_blocks
from convolens.clusters.ray_workers import Cluster
from convolens.clusters.running import reports
from convolens.data import Example
from convolens.distributed import current_world
from convolens.loading import SentModel
from convolens.progress import watching

# A model, examples, the batch, whether to show a bar → lists; of all parts they become the lists of the whole. The last
# is of the examples that could not be used.
Task = Callable[[Any, Sequence[Example], int, bool], tuple[list[Any], ...]]
InParts = Callable[[Task, Any, Sequence[Example], int, bool], tuple[list[Any], ...]]


def by_processes(
    task: Task, model: Any, examples: Sequence[Example], batch: int, progress: bool
) -> tuple[list[Any], ...]:
    """By the processes that were joined, each of which is given all; or by this one alone."""
    world = current_world()
    mine = examples[world.part(len(examples), batch)]
    return _together(world.gathered(task(model, mine, batch, progress and world.leads)))


@dataclass(frozen=True)
class ByCluster:
    """By the workers of a cluster, which are sent the model once, and then examples: paths and answers, no pixels."""

    cluster: Cluster

    def __call__(
        self, task: Task, model: Any, examples: Sequence[Example], batch: int, progress: bool
    ) -> tuple[list[Any], ...]:
        """Errors as of `Cluster.joined` and `done_by`."""
        size = size_of_blocks(batch)
        starts = range(0, len(examples), size)
        blocks = (Block(number, tuple(examples[start : start + size])) for number, start in enumerate(starts))
        work = _TaskOfBlocks(task, SentModel.of(model, self.cluster.device), batch)
        with watching("pictures", len(examples), show=progress) as watched:
            found = {block.number: report.value for block, report in reports(self.cluster, work, blocks, watched)}
        return _together([found[number] for number in sorted(found)] or [task(model, [], batch, False)])


@dataclass(frozen=True)
class _TaskOfBlocks:
    """What a worker is sent once."""

    task: Task
    model: SentModel
    batch: int

    def begin(self) -> Callable[[Block], Report]:
        """Loads the model."""
        return partial(self._do, self.model.load())

    def _do(self, model: Any, block: Block) -> Report:
        found = self.task(model, block.items, self.batch, False)  # type: ignore[arg-type]
        failed = len(found[-1])
        return Report(len(block.items) - failed, failed, value=found)


def _together(parts: Sequence[tuple[list[Any], ...]]) -> tuple[list[Any], ...]:
    return tuple(list(chain.from_iterable(lists)) for lists in zip(*parts, strict=True))
