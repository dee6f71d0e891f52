"""Pictures as exported models take them: 8 bits, of a number of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ShapeError
from convolens.media.pixels import CHANNELS, as_pixels, from_unit, over_white, to_unit


def as_eight_bit(picture: Any, channels: int, least_side: int = 1) -> NDArray[np.uint8]:
    """The picture as uint8 `(H, W, C)`: gray repeated, what is transparent over white, more bits rounded to 8.

    Args:
        picture: a path, bytes, an open file, a Pillow picture, an array or a tensor.
        channels: as the model wants them.
        least_side: pixels that each side must have.

    Raises:
        FileError: it cannot be read.
        ShapeError, DtypeError, ArgumentError: no picture, of other channels, or too small.
    """
    array = as_pixels(picture, channels=sorted({*CHANNELS, channels}))
    pixels = array if channels == 4 else over_white(array)
    if pixels.dtype != np.uint8:
        pixels = from_unit(to_unit(pixels), np.uint8)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, channels, axis=2)
    if pixels.shape[2] != channels:
        raise ShapeError(f"picture: need {channels} channels, got {pixels.shape[2]}")
    if min(pixels.shape[:2]) < least_side:
        raise ShapeError(
            f"picture: need at least {least_side}×{least_side} pixels for this network, "
            f"got {pixels.shape[0]}×{pixels.shape[1]}; give a larger one"
        )
    return np.ascontiguousarray(pixels)
