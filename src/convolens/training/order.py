"""The order of an epoch: every picture once, a function of seed, epoch and of how the pictures are stored, and no more.

Single files are shuffled whole. Of shards and tables that would ask for a piece here and a piece there, over a network
each at the price of a whole block. So they are cut into runs of `RUN` pictures that lie together, the runs are shuffled
over all shards, and the pictures of `BUFFER` at a time, of as many runs, among themselves:

    stored    a0 a1 a2 a3 | b0 b1 b2 b3        shards a and b
    runs      (b2 b3) (a0 a1) (b0 b1) (a2 a3)  shuffled
    buffers   a1 b3 b2 a0 | b1 a3 a2 b0        each shuffled

What is read at one time is then a buffer's runs, each as one piece. An order is drawn again until its rank correlation
with how the pictures are stored is below `CORRELATION`, which a handful of runs would miss now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

RUN, BUFFER = 64, 4096  # pictures; a run of photos is about a block of `sources.blocks`
CORRELATION = 0.03
_DRAWS = 50  # at most; the best of them is taken


@runtime_checkable
class Sharded(Protocol):
    """A training set of which pictures lie together in shards or tables."""

    @property
    def shards(self) -> Sequence[int] | None:
        """How many of the pictures, in their order, lie in each; None where they are single files."""


def shards_of(training_set: object) -> Sequence[int] | None:
    """How many pictures of a training set lie together, shard by shard; None where they are single files."""
    return training_set.shards if isinstance(training_set, Sharded) else None


def shuffled(count: int, generator: np.random.Generator, shards: Sequence[int] | None = None) -> NDArray[np.int64]:
    """The numbers of pictures in an order to be learned in.

    Args:
        count: how many there are.
        generator: of what is random, from seed and epoch.
        shards: how many of them lie in each shard, in order.

    >>> sorted(map(int, shuffled(5, np.random.default_rng(0), [3, 2])))
    [0, 1, 2, 3, 4]
    """
    if shards is None or count <= BUFFER:
        return generator.permutation(count)
    ends = np.cumsum(shards)
    pieces = (np.arange(end - size, end) for size, end in zip(shards, ends, strict=True))
    runs = [run for piece in pieces for run in np.array_split(piece, max(-(-len(piece) // RUN), 1))]
    best, found = np.inf, np.arange(count)
    for _ in range(_DRAWS):
        order = np.concatenate([runs[at] for at in generator.permutation(len(runs))])
        order = np.concatenate([generator.permutation(one) for one in np.array_split(order, -(-count // BUFFER))])
        if abs(rank_correlation(order)) < best:
            best, found = abs(rank_correlation(order)), order
        if best < CORRELATION:
            break
    return found


def rank_correlation(order: NDArray[np.int64]) -> float:
    """Spearman's coefficient of an order and the one that things are stored in: 1 as stored, 0 without relation.

    >>> rank_correlation(np.arange(9)), rank_correlation(np.arange(9)[::-1])
    (1.0, -1.0)
    """
    count = len(order)
    differences = order - np.arange(count, dtype=np.float64)
    return 1 - 6 * float(differences @ differences) / (count * (count**2 - 1.0)) if count > 1 else 0.0
