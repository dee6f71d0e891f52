"""Values on a grid of cells as a map of the picture's pixels, without torch; as `explain` places its maps.

Each cell is put in the middle of its receptive field, and what is between two cells is interpolated, see
`explanation/upsampling.py`; then the resize of the whole picture to the network's input is undone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.memory import need_memory

_BYTES_A_PIXEL = 12  # the map, and what is made on the way


@dataclass(frozen=True)
class Grid:
    """Where cells are in a network's input.

    Attributes:
        stride: pixels from one cell to the next.
        first: the middle of the first one, in pixels.
        input_size: height and width of the input.
    """

    stride: float
    first: float
    input_size: tuple[int, int]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grid:
        """The inverse of `dataclasses.asdict`, also after a trip through JSON.

        Raises:
            ArgumentError: a value is missing, or no number that can be one.
        """
        try:
            stride, first = float(values["stride"]), float(values["first"])
            height, width = values["input_size"]
            usable = math.isfinite(first) and 0 < stride < math.inf and height > 0 and width > 0
        except (LookupError, TypeError, ValueError):
            usable = False
        if not usable:
            raise ArgumentError(f"grid: need stride, first and input_size, got {dict(values)!r:.80}")
        return cls(stride, first, (int(height), int(width)))

    def in_picture(
        self, cells: Float[ndarray, "rows columns"], picture_size: tuple[int, int]
    ) -> Float32[ndarray, "height width"]:
        """The cells' values for each pixel of a picture that was resized, all of it, to the input."""
        need_memory(_BYTES_A_PIXEL * math.prod(picture_size), f"picture of {picture_size}", "make it smaller")
        down, across = (self._weights(*one) for one in zip(cells.shape, self.input_size, picture_size, strict=True))
        found: NDArray[np.float32] = (down @ cells.astype(np.float32) @ across.T).astype(np.float32)
        return found

    def _weights(self, cells: int, inputs: int, pixels: int) -> NDArray[Any]:
        """What each pixel takes of each cell."""
        at = ((np.arange(inputs) + 0.5 - self.first) / self.stride).clip(0, cells - 1)
        resize = _between((np.arange(pixels) + 0.5) * inputs / pixels - 0.5, inputs)
        found: NDArray[np.float32] = (resize @ _between(at, cells)).astype(np.float32)
        return found


def _between(at: NDArray[Any], count: int) -> NDArray[Any]:
    """Linear interpolation: for each place its weights of `count` values at 0, 1, 2, …; beyond them, of the nearest."""
    weights: NDArray[Any] = (1 - np.abs(at.clip(0, count - 1)[:, None] - np.arange(count))).clip(0)
    return weights
