"""Light, and the numbers that pictures keep of it: sRGB's curve, by which one half is a fifth of the light."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRAIGHT = 0.04045  # below, the curve is a line (IEC 61966-2-1)
_SLOPE = 12.92


def to_light(pixels: NDArray[Any]) -> NDArray[Any]:
    """The light of pixels, white at 1; integers by a table.

    >>> to_light(np.array([0.0, 0.5, 1.0])).round(3)
    array([0.   , 0.214, 1.   ])
    """
    if pixels.dtype.kind in "iu":
        by_table: NDArray[Any] = _table(pixels.dtype.name)[pixels]
        return by_table
    light = np.where(pixels <= _STRAIGHT, pixels / _SLOPE, ((np.maximum(pixels, 0) + 0.055) / 1.055) ** 2.4)
    found: NDArray[Any] = light.astype(pixels.dtype, copy=False)
    return found


@lru_cache(maxsize=4)
def _table(dtype: str) -> NDArray[np.float32]:
    white = np.iinfo(dtype).max
    table: NDArray[np.float32] = to_light(np.arange(white + 1) / white).astype(np.float32)
    return table


def from_light(light: NDArray[Any], like: np.dtype[Any]) -> NDArray[Any]:
    """The numbers of such light, white as `like` has it; still floats."""
    white = np.iinfo(like).max if like.kind in "iu" else 1
    curve = 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    found: NDArray[Any] = np.where(light <= _STRAIGHT / _SLOPE, light * _SLOPE, curve) * light.dtype.type(white)
    return found
