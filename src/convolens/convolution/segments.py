"""A stream's later weights by the planner: growing pieces of the kernel, each on blocks as long as it can wait.

The weights [P, 16P) meet blocks of P samples, [16P, 256P) blocks of 16P, and so on. Any kernel, any axes, any dtype;
each piece's blocks are problems of one shape, so that one algorithm does them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.aside import Aside
from convolens.convolution.delay_line import DelayLine, PendingSums
from convolens.convolution.spec import Shape, Window
from convolens.convolution.windows import windows

_GROWTH = 16  # of blocks from one piece to the next


@dataclass(frozen=True)
class Segment:
    """Weights from the `start`-th on, for blocks of as many samples."""

    weights: NDArray[Any]
    start: int
    window: Window

    def convolved(self, block: NDArray[Any]) -> NDArray[Any]:
        """What a block adds to outputs from its end on."""
        return windows(block, self.weights, self.window)


@dataclass
class Segments:
    """What the weights from `start` on add to a stream's outputs."""

    pieces: tuple[Segment, ...]
    pending: PendingSums
    done: int = 0  # blocks of the first piece

    @classmethod
    def of(cls, weights: NDArray[Any], start: int, aside: Aside, rest: Shape) -> Segments:
        """The pieces of a canonical kernel, from `start` on along the last axis; `rest`: an output's other axes."""
        found, length = [], weights.shape[-1]
        while start < length:
            stop = min(_GROWTH * start, length)
            part = np.ascontiguousarray(weights[..., length - stop : length - start])
            found.append(Segment(part, start, aside.within(stop - start - 1)))
            start = stop
        reach = max(piece.start + piece.weights.shape[-1] for piece in found)
        return cls(tuple(found), PendingSums(reach, rest, weights.dtype))

    @property
    def start(self) -> int:
        """Samples of a block."""
        return self.pieces[0].start

    @property
    def reach(self) -> int:
        """Samples that must be kept."""
        return self.pieces[-1].start

    def take(self, count: int) -> NDArray[Any]:
        """What is added to the next outputs, a view."""
        return self.pending.take(count)

    def complete(self, line: DelayLine) -> None:
        """A block is complete: the line's latest `start` samples."""
        self.done += 1
        for piece in self.pieces:
            if self.done * self.start % piece.start == 0:
                self.pending.add(piece.convolved(line.latest(piece.start)))

    def copy(self) -> Segments:
        """The same, which goes on by itself."""
        return replace(self, pending=self.pending.copy())
