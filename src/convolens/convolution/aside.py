"""How a stream's blocks are extended on the axes beside the one along which they follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.spec import Shape, Window
from convolens.shapes import Boundaries, Boundary, boundary_along, boundary_map


@dataclass(frozen=True)
class Aside:
    """How blocks are extended on the axes beside the stream's."""

    before: Shape
    after: Shape
    boundary: tuple[Boundary, ...]
    fill: Any

    @classmethod
    def of(cls, window: Window, axis: int) -> Aside:
        """That part of a window."""
        others = [at for at in range(len(window.before)) if at != axis]
        return cls(
            tuple(window.before[at] for at in others),
            tuple(window.after[at] for at in others),
            tuple(boundary_along(window.boundary, at) for at in others),
            window.fill,
        )

    @property
    def filled(self) -> bool:
        """Whether some of it is another constant than the zeros beyond a block's ends."""
        sides = zip(self.before, self.after, self.boundary, strict=True)
        return self.fill != 0 and any(b == "constant" and (before or after) for before, after, b in sides)

    def within(self, margin: int) -> Window:
        """A block's window: with zeros, so many as margin, before and after it."""
        boundary: Boundaries = (*self.boundary, "constant") if any(self.before + self.after) else "constant"
        return Window((*self.before, margin), (*self.after, margin), boundary)

    def none(self) -> Aside:
        """Nothing, for blocks that are extended already."""
        return replace(self, before=(0,) * len(self.before), after=(0,) * len(self.after))

    def extended(self, block: NDArray[Any]) -> NDArray[Any]:
        """A block with what lies beyond its sides."""
        if not self.before:
            return block
        for axis, (before, after, boundary) in enumerate(zip(self.before, self.after, self.boundary, strict=True)):
            if not before and not after:
                continue
            source = boundary_map(block.shape[axis], before, after, boundary)
            block = block.take(np.maximum(source, 0), axis) if block.shape[axis] else block
            block[(slice(None),) * axis + (source < 0,)] = self.fill
        return block
