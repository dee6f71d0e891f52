"""Kernels by name: what one would else type by hand.

All are for convolution, in which a kernel is turned by half: the derivatives are positive where brightness grows to the
right or downwards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.effects.gaussian import gaussian, radius_within
from convolens.errors import ArgumentError
from convolens.media.kernels import read_kernel

_LARGEST = 1001  # weights along a side
_ACROSS = np.array([[1.0, 0.0, -1.0]])


def _derivative(side: Real, middle: Real) -> NDArray[np.float64]:
    across: NDArray[np.float64] = np.array([[side], [middle], [side]]) @ _ACROSS
    return across


KERNELS: dict[str, NDArray[np.float64]] = {
    "sobel-x": _derivative(1, 2),
    "sobel-y": _derivative(1, 2).T,
    "scharr-x": _derivative(3, 10),
    "scharr-y": _derivative(3, 10).T,
    "prewitt-x": _derivative(1, 1),
    "prewitt-y": _derivative(1, 1).T,
    "laplace": np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "laplace-8": np.array([[1.0, 1, 1], [1, -8, 1], [1, 1, 1]]),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "emboss": np.array([[2.0, 1, 0], [1, 1, -1], [0, -1, -2]]),
}


def _box(size: float) -> NDArray[np.float64]:
    n = _whole("box", size)
    return np.full((n, n), 1 / n**2)


def _gaussian(sigma: float) -> NDArray[np.float64]:
    bell = gaussian(sigma, radius_within(sigma, 1e-4))
    return np.multiply.outer(bell, bell)


def _motion(length: float) -> NDArray[np.float64]:
    n = _whole("motion", length)
    return np.full((1, n), 1 / n)


def _disk(radius: float) -> NDArray[np.float64]:
    """A lens out of focus: each pixel weighs as much as the disk covers of it, by 8 × 8 points."""
    reach = int(np.ceil(radius))
    points = (np.arange(-8 * reach - 4, 8 * reach + 4) + 0.5) / 8
    inside = np.add.outer(points**2, points**2) <= radius**2
    covered = inside.reshape(2 * reach + 1, 8, 2 * reach + 1, 8).sum(axis=(1, 3))
    disk: NDArray[np.float64] = covered / covered.sum()
    return disk


# With a number after a colon, in pixels: the side, the width, the length, the radius.
SIZED: dict[str, Callable[[float], NDArray[np.float64]]] = {
    "box": _box,
    "gaussian": _gaussian,
    "motion": _motion,
    "disk": _disk,
}


def kernel(name: str) -> NDArray[np.float64]:
    """The weights of a kernel by its name, two axes, for `convolve`.

    Args:
        name: `sobel-x sobel-y scharr-x scharr-y prewitt-x prewitt-y laplace laplace-8 sharpen emboss`; or with a number
            of pixels, `box:5` (side), `gaussian:2.5` (width), `motion:15` (length), `disk:4` (radius).

    Raises:
        ArgumentError: no such kernel, or no size that it can have.

    >>> kernel("sobel-x")
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.],
           [ 1.,  0., -1.]])
    """
    word, colon, number = name.partition(":")
    if not colon and word in KERNELS:
        return KERNELS[word].copy()
    if not colon or word not in SIZED:
        known = [*KERNELS, *(f"{sized}:NUMBER" for sized in SIZED)]
        raise ArgumentError(f"kernel: need one of {', '.join(known)}, got {name!r}")
    return SIZED[word](_size(word, number))


def named_or_read(word: str) -> NDArray[np.float64]:
    """The kernel of this name, or the one in this file.

    Raises:
        ArgumentError: neither a file nor a name.
        FileError, FormatError: as in `read_kernel`.
    """
    path = Path(word)
    looks_like_a_file = path.suffix or len(path.parts) > 1
    known = word.partition(":")[0] in (*KERNELS, *SIZED)
    return kernel(word) if (known or not looks_like_a_file) and not path.exists() else read_kernel(path)


def _size(word: str, number: str) -> float:
    try:
        size = float(number)
    except ValueError:
        size = np.nan
    if not (size > 0 and 2 * size + 1 <= _LARGEST):
        raise ArgumentError(f"kernel: need {word}:NUMBER with pixels above 0 and up to {_LARGEST // 2}, got {number!r}")
    return size


def _whole(word: str, size: Any) -> int:
    if size != int(size):
        raise ArgumentError(f"kernel: need {word}:NUMBER with whole pixels, got {size:g}")
    return int(size)
