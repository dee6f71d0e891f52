"""What a stream keeps: its latest samples, and sums for outputs that are still to come. Time is the last axis."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convolens.convolution.spec import Shape

_ROOM = 1 << 16  # samples, until what is kept is moved to the beginning


class DelayLine:
    """The latest samples of a stream, at first zeros; moved only when the memory is full."""

    def __init__(self, length: int, rest: Shape, dtype: DTypeLike) -> None:
        self._length = length
        self._line: NDArray[np.generic] = np.zeros((*rest, length), dtype)
        self._end = length

    def append(self, block: NDArray[np.generic]) -> None:
        """Takes samples in."""
        count, room = block.shape[-1], self._line.shape[-1]
        if self._end + count > room:
            past = self.latest(self._length)
            rest = past.shape[:-1]
            more = max(_ROOM // max(prod(rest), 1), 2 * count, self._length)
            self._line = np.concatenate([past, np.empty((*rest, more), past.dtype)], axis=-1)
            self._end = self._length
        self._line[..., self._end : self._end + count] = block
        self._end += count

    def latest(self, count: int) -> NDArray[np.generic]:
        """The last samples, a view."""
        return self._line[..., self._end - count : self._end]

    def copy(self) -> DelayLine:
        """One with the same past."""
        other = DelayLine(self._length, self._line.shape[:-1], self._line.dtype)
        other._line[...] = self.latest(self._length)
        return other


class PendingSums:
    """Sums for the outputs to come, of which a fixed number is reached ahead."""

    def __init__(self, reach: int, rest: Shape, dtype: DTypeLike) -> None:
        self._reach = reach
        room = reach + max(_ROOM // max(prod(rest), 1), 2 * reach)
        self._sums: NDArray[np.generic] = np.zeros((*rest, room), dtype)
        self._begin = 0

    def take(self, count: int) -> NDArray[np.generic]:
        """The sums of the next outputs, at most `reach`, a view until the next call."""
        if self._begin + count + self._reach > self._sums.shape[-1]:
            kept = self._sums[..., self._begin : self._begin + self._reach].copy()
            self._sums[...] = 0
            self._sums[..., : self._reach] = kept
            self._begin = 0
        self._begin += count
        return self._sums[..., self._begin - count : self._begin]

    def add(self, values: NDArray[np.generic]) -> None:
        """Adds to the next outputs."""
        self._sums[..., self._begin : self._begin + values.shape[-1]] += values  # type: ignore[misc]

    def copy(self) -> PendingSums:
        """The same sums."""
        other = PendingSums(self._reach, self._sums.shape[:-1], self._sums.dtype)
        other._sums[..., : self._reach] = self._sums[..., self._begin : self._begin + self._reach]
        return other
