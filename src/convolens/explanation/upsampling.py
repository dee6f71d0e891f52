"""Upsampling: from a map's cells to the picture's pixels, with the network's resizing and cropping undone.

Each cell is put in the middle of its receptive field. Where strides are taken by windows of an odd size, as in ResNet,
that is not where an even distribution puts it: a map with a stride of S would be (S - 1) / 2 pixels too far right and
down.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from convolens.memory import need_memory
from convolens.trunks import Preprocessing
from convolens.trunks.receptive import ReceptiveField

_BYTES_A_PIXEL = 16  # the map, it from 0 to 1, and what is made on the way


def to_input(
    grid: Float[Tensor, "batch rows columns"], height: int, width: int, field: ReceptiveField | None = None
) -> Float[Tensor, "batch height width"]:
    """A map upsampled to the network's input, bilinearly, each cell in the middle of its receptive field.

    Args:
        grid: the map.
        height: of the input in pixels.
        width: of the input in pixels.
        field: of cell (0, 0), with the stride; None where that is not known: cells are distributed evenly.
    """
    if field is None and grid.shape[1:] == (height, width):
        return grid
    down, across = (_blend(grid, axis, size, field) for axis, size in ((1, height), (2, width)))
    return down @ grid @ across.T


def _blend(grid: Tensor, axis: int, pixels: int, field: ReceptiveField | None) -> Float[Tensor, "pixels cells"]:
    """Interpolation weights of each pixel: of its two nearest cells; beyond the outermost cells, of that one alone."""
    cells = grid.shape[axis]
    step = pixels / cells if field is None else field.stride
    first = step / 2 if field is None else field.offset + field.size / 2
    middles = torch.arange(pixels, dtype=grid.dtype, device=grid.device) + 0.5
    at = ((middles - first) / step).clamp(0, cells - 1)
    return (1 - (at[:, None] - torch.arange(cells, dtype=grid.dtype, device=grid.device)).abs()).clamp(min=0)


def to_picture(
    heat: Float[Tensor, "height width"], preprocessing: Preprocessing, picture_size: tuple[int, int]
) -> Float32[np.ndarray, "picture_height picture_width"]:
    """A map of the network's input as a map of the picture: put where the crop was, 0 around it, resized back."""
    need_memory(_BYTES_A_PIXEL * math.prod(picture_size), f"picture of {picture_size}", "make it smaller")
    resized = preprocessing.resized(*picture_size)
    left, right, top, bottom = _margins(preprocessing, heat.shape, resized)
    whole = pad(heat[None, None], (left, right, top, bottom))
    if resized != picture_size:
        whole = interpolate(whole, picture_size, mode="bilinear", align_corners=False)
    found: NDArray[Any] = whole[0, 0].float().cpu().numpy()
    return found


def _margins(
    preprocessing: Preprocessing, inputs: tuple[int, ...], resized: tuple[int, int]
) -> tuple[int, int, int, int]:
    """How much was cut off at the left, right, top and bottom."""
    if preprocessing.crop is None:
        return 0, 0, 0, 0
    top, left = (round((size - preprocessing.crop) / 2) for size in resized)
    return left, resized[1] - left - inputs[1], top, resized[0] - top - inputs[0]
