"""From a map's cells back to the picture's pixels: the network's resizing and cropping undone."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from convolens.trunks import Preprocessing


def to_input(grid: Float[Tensor, "batch rows columns"], height: int, width: int) -> Float[Tensor, "batch height width"]:
    """A map stretched to the network's input, bilinearly, cell centres on the centres of their areas."""
    if grid.shape[1:] == (height, width):
        return grid
    return interpolate(grid[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]


def to_picture(
    heat: Float[Tensor, "height width"], preprocessing: Preprocessing, picture_size: tuple[int, int]
) -> Float32[np.ndarray, "picture_height picture_width"]:
    """A map of the network's input as a map of the picture: put where the crop was, 0 around it, resized back."""
    resized = preprocessing.resized(*picture_size)
    left, right, top, bottom = _margins(preprocessing, heat.shape, resized)
    whole = pad(heat[None, None], (left, right, top, bottom))
    if resized != picture_size:
        whole = interpolate(whole, picture_size, mode="bilinear", align_corners=False)
    found: NDArray[Any] = whole[0, 0].float().cpu().numpy()
    return found


def _margins(
    preprocessing: Preprocessing, shown: tuple[int, ...], resized: tuple[int, int]
) -> tuple[int, int, int, int]:
    """How much was cut off at the left, right, top and bottom."""
    if preprocessing.crop is None:
        return 0, 0, 0, 0
    top, left = (round((size - preprocessing.crop) / 2) for size in resized)
    return left, resized[1] - left - shown[1], top, resized[0] - top - shown[0]
