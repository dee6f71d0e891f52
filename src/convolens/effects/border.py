"""What lies beyond a picture's borders: a boundary, or one for each axis, and what a constant one is filled with."""

from __future__ import annotations

from typing import Any, NamedTuple

from convolens.arrays import as_real
from convolens.errors import BoundaryError
from convolens.shapes import Boundaries, check_boundaries


class Border(NamedTuple):
    """A boundary that was checked."""

    boundary: Boundaries
    fill: float

    @classmethod
    def of(cls, boundary: Any, fill_value: Any, axes: int) -> Border:
        """The border of so many axes.

        Raises:
            BoundaryError: not one of `numpy.pad`'s names, or not one for each axis.
            ArgumentError: a fill value that is not finite.
        """
        known = check_boundaries(boundary)
        if isinstance(boundary, tuple | list) and len(boundary) != axes:
            raise BoundaryError(f"boundary: need one, or one for each of {axes} axes, got {len(boundary)}")
        fill = as_real(fill_value, "fill_value")
        return cls(known, int(fill) if fill.is_integer() else fill)

    def for_axes(self, count: int) -> Boundaries:
        """The boundary of more axes, of which the others are never left."""
        if isinstance(self.boundary, str):
            return self.boundary
        return (*self.boundary, *(self.boundary[-1],) * (count - len(self.boundary)))
