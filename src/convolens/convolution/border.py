"""How a stream is extended at its beginning and at its end, of which neither is known before it has come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.shapes import Boundary, boundary_map


@dataclass
class Border:
    """The samples before and after a stream along its last axis.

    What repeats the beginning waits until enough of it is there; of what has come as much is kept as the end repeats.
    """

    before: int
    after: int
    boundary: Boundary
    fill: Any
    waiting: NDArray[Any]  # the beginning, until it is passed on
    last: NDArray[Any]
    begun: bool = False

    @classmethod
    def of(cls, before: int, after: int, boundary: Boundary, fill: Any, like: NDArray[Any]) -> Border:
        """The border of a stream of such blocks."""
        return cls(before, after, boundary, fill, like[..., :0].copy(), like[..., :0].copy())

    def passed(self, block: NDArray[Any]) -> NDArray[Any]:
        """The block, with what comes before it if it is the first."""
        if self.boundary != "constant":
            self.last = np.concatenate([self.last, block], axis=-1)[..., -self.after - 1 :]
        if self.begun:
            return block
        self.waiting = np.concatenate([self.waiting, block], axis=-1)
        size = self.waiting.shape[-1]
        if self.boundary != "constant" and size <= self.before:
            return block[..., :0]
        first, self.waiting, self.begun = self.waiting, self.waiting[..., :0], True
        return self._gathered(first, boundary_map(size, self.before, 0, self.boundary))

    def end(self) -> NDArray[Any]:
        """What was waiting, and what comes after the end."""
        if not self.begun:
            source = boundary_map(self.waiting.shape[-1], self.before, self.after, self.boundary)
            return self._gathered(self.waiting, source)
        size = self.last.shape[-1]
        return self._gathered(self.last, boundary_map(size, 0, self.after, self.boundary)[size:])

    def copy(self) -> Border:
        """Arrays here are replaced and never written to."""
        return replace(self)

    def _gathered(self, samples: NDArray[Any], source: NDArray[np.int64]) -> NDArray[Any]:
        found = np.full((*samples.shape[:-1], len(source)), self.fill, samples.dtype)
        found[..., source >= 0] = samples[..., source[source >= 0]]
        return found
