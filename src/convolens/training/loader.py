"""Minibatches for the loop, read ahead by threads. What one holds is a function of seed, epoch and step alone.

Threads are enough: decoding and resizing release the interpreter. Two batches are held besides the one in use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from convolens.training.order import shuffled
from convolens.training.task import Sample, TrainingSet

AHEAD = 2
# Tells generators apart that share seed and epoch: of the order, of a picture, of a whole batch.
_ORDER, _PICTURE, _BATCH = range(3)


@dataclass(frozen=True)
class Minibatch:
    """The pictures of one step: their numbers, and the samples of those that can be used."""

    step: int
    numbers: Sequence[int]
    samples: Sequence[Sample]


def parts_of_epoch(
    count: int, batch: int, seed: int, epoch: int, least: int = 1, shards: Sequence[int] | None = None
) -> list[list[int]]:
    """Cuts the shuffled numbers of an epoch's pictures into steps that differ by one picture at most.

    A step that would have fewer than `least` is merged with the others, which then may have more than `batch`. Pictures
    that lie in `shards`, of so many each, are shuffled as in `training.order`.

    >>> [len(part) for part in parts_of_epoch(10, 4, 0, 0)]
    [4, 3, 3]
    >>> [len(part) for part in parts_of_epoch(5, 2, 0, 0)], [len(part) for part in parts_of_epoch(5, 2, 0, 0, least=2)]
    ([2, 2, 1], [3, 2])
    """
    order = shuffled(count, np.random.default_rng([seed, epoch, _ORDER]), shards)
    return [part.tolist() for part in np.array_split(order, max(min(-(-count // batch), count // least), 1))]


def batch_generator(seed: int, epoch: int, step: int, rank: int = 0) -> np.random.Generator:
    """Makes the generator for what is random about a whole batch."""
    return np.random.default_rng([seed, epoch, _BATCH, step, rank])


def minibatches(
    training_set: TrainingSet, parts: Sequence[Sequence[int]], first: int, seed: int, epoch: int, workers: int
) -> Iterator[Minibatch]:
    """Yields the steps of an epoch at and after `first`, each read while those before are computed with."""

    def read(number: int) -> Sample | None:
        return training_set.sample(number, np.random.default_rng([seed, epoch, _PICTURE, number]))

    waiting: deque[tuple[int, list[Future[Sample | None]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for step in range(first, len(parts) + AHEAD):
                if step < len(parts):
                    waiting.append((step, [pool.submit(read, number) for number in parts[step]]))
                if waiting and (len(waiting) > AHEAD or step >= len(parts)):
                    yield _taken(*waiting.popleft(), parts)
            while waiting:
                yield _taken(*waiting.popleft(), parts)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _taken(step: int, reading: Sequence[Future[Sample | None]], parts: Sequence[Sequence[int]]) -> Minibatch:
    found = [one.result() for one in reading]
    return Minibatch(step, parts[step], [one for one in found if one is not None])
