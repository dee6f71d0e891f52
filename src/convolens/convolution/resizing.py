"""An axis brought to another number of samples: a convolution with a step that need be no whole number.

Output i looks at the samples around `(i + 1/2) · size / outputs - 1/2`, weighted by an interpolating kernel; where the
axis shrinks, the kernel is as much wider, so that no sample is passed over (antialiasing). At the ends it is cut off,
and what is left of it scaled to a sum of 1. `area` weighs each sample by how much of it the output covers.

Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP 29(6), 1981; Duchon, "Lanczos filtering
in one and two dimensions", Journal of Applied Meteorology 18(8), 1979.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.gaussian import rounded
from convolens.convolution.resampling import Windows

Interpolation = Literal["area", "linear", "cubic", "lanczos"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)

_KEYS = -0.5  # the slope at 1 that makes cubic interpolation exact for parabolas
_LOBES = 3


class _Kernel(NamedTuple):
    """An interpolating kernel, and how far it reaches in samples."""

    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    radius: float


def _triangle(at: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.maximum(1 - np.abs(at), 0)
    return weights


def _cubic(at: NDArray[np.float64]) -> NDArray[np.float64]:
    d = np.abs(at)
    near, far = ((_KEYS + 2) * d - (_KEYS + 3)) * d**2 + 1, (((d - 5) * d + 8) * d - 4) * _KEYS
    weights: NDArray[np.float64] = np.where(d < 1, near, np.where(d < 2, far, 0))
    return weights


def _lanczos(at: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.where(np.abs(at) < _LOBES, np.sinc(at) * np.sinc(at / _LOBES), 0)
    return weights


_KERNELS = {"linear": _Kernel(_triangle, 1), "cubic": _Kernel(_cubic, 2), "lanczos": _Kernel(_lanczos, _LOBES)}


@lru_cache(maxsize=64)
def resized(
    size: int, outputs: int, interpolation: Interpolation, antialias: bool, dtype: np.dtype[Any], start: int, stop: int
) -> Windows:
    """Outputs `start` to `stop` of an axis of `size` samples that is brought to so many.

    >>> resized(4, 2, "linear", False, np.dtype(float), 0, 2).weights
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    at, scale = np.arange(start, stop), size / outputs
    if interpolation == "area":
        begin, end = at * scale, (at + 1) * scale
        low, high = np.floor(begin + 1e-9).astype(np.int64), np.ceil(end - 1e-9).astype(np.int64)
    else:
        kernel, wide = _KERNELS[interpolation], max(scale, 1.0) if antialias else 1.0
        centers, radius = (at + 0.5) * scale, kernel.radius * wide
        low, high = (np.floor(centers + side + 0.5).astype(np.int64) for side in (-radius, radius))
    low, high = low.clip(0, size - 1), high.clip(1, size)
    high = np.maximum(high, low + 1)
    length = int((high - low).max())
    first = np.minimum(low, size - length)
    samples = first[:, None] + np.arange(length)
    if interpolation == "area":
        weights = np.minimum(samples + 1, end[:, None]) - np.maximum(samples, begin[:, None])
    else:
        weights = kernel.weight((samples + 0.5 - centers[:, None]) / wide)
    weights = np.where((samples >= low[:, None]) & (samples < high[:, None]), weights, 0)
    if interpolation == "area":
        weights = weights.clip(0)
    weights /= weights.sum(axis=1, keepdims=True)
    return Windows(np.arange(size), first, np.arange(len(at)), rounded(weights, dtype))


def applied(x: NDArray[Any], windows: Windows, axis: int) -> NDArray[Any]:
    """The windows along one axis by NumPy, sample by sample: what has weight 0 does not count, NaN or not."""
    lines = np.moveaxis(x, axis, -1)
    total = np.zeros((*lines.shape[:-1], len(windows.first)), windows.weights.dtype)
    for number in range(windows.weights.shape[1]):
        weights = windows.weights[:, number]
        counting = np.flatnonzero(weights)
        total[..., counting] += lines[..., windows.first[counting] + number] * weights[counting]
    return np.moveaxis(total, -1, axis)


def as_matrix(windows: Windows) -> NDArray[Any]:
    """The windows as a matrix, outputs × samples."""
    matrix = np.zeros((len(windows.first), len(windows.map)), windows.weights.dtype)
    columns = windows.first[:, None] + np.arange(windows.weights.shape[1])
    np.add.at(matrix, (np.arange(len(columns))[:, None], columns), windows.weights)
    return matrix
