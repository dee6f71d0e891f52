"""Kernels by name, which one would otherwise type by hand.

All are for convolution, which rotates a kernel by 180°: the derivatives are positive where brightness grows to the
right or downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.convolution.gaussian import laplacian, radius_within
from convolens.convolution.named import NamedKernel, named
from convolens.convolution.product import Product, gaussian_product
from convolens.effects.sound_kernels import FILTERS, filter_weights
from convolens.errors import ArgumentError, need_one_of
from convolens.media.kernels import read_kernel

_MAX_SIDE = 1001  # weights along a side
_MIN_SIZE = 0.01  # pixels, below which nothing is seen but the pixel itself
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
    n = _in_whole_pixels("box", size)
    return np.full((n, n), 1 / n**2)


def _gaussian(sigma: float) -> Product:
    radius = radius_within(sigma, 1e-4)
    return gaussian_product((sigma, sigma), (radius, radius))


def _log(sigma: float) -> NDArray[np.float64]:
    """The kernel of `laplacian_of_gaussian`, cut at four sigmas."""
    radius = max(1, int(4 * sigma + 0.5))
    return laplacian((sigma, sigma), (radius, radius))


def _motion(length: float, angle: float = 0.0) -> NDArray[np.float64]:
    """A camera that moved: how much of a line of this length each pixel holds, by 64 points a pixel."""
    if angle == 0 and length == int(length):
        return np.full((1, int(length)), 1 / length)
    points = (np.arange(count := int(np.ceil(64 * length))) + 0.5) / count * length - length / 2
    turned = np.deg2rad(angle)
    down, across = (np.floor(points * part + 0.5 - 1e-9).astype(int) for part in (-np.sin(turned), np.cos(turned)))
    half_down, half_across = abs(down).max(), abs(across).max()
    held = np.zeros((2 * half_down + 1, 2 * half_across + 1))
    np.add.at(held, (half_down + down, half_across + across), 1 / count)
    return (held + held[::-1, ::-1]) / 2  # what lies on a border between two pixels falls to both


def _disk(radius: float) -> NDArray[np.float64]:
    """A lens out of focus: each pixel weighs as much as the disk covers of it, by 8 × 8 points."""
    half = int(np.ceil(radius))
    points = (np.arange(-8 * half - 4, 8 * half + 4) + 0.5) / 8
    inside = np.add.outer(points**2, points**2) <= radius**2
    covered = inside.reshape(2 * half + 1, 8, 2 * half + 1, 8).sum(axis=(1, 3))
    disk: NDArray[np.float64] = covered / covered.sum()
    return disk


# With a size in pixels: the side, the width, the length, the radius.
SIZED: dict[str, Callable[[float], NDArray[np.float64] | Product]] = {
    "box": _box,
    "gaussian": _gaussian,
    "log": _log,
    "motion": _motion,
    "disk": _disk,
}


def kernel(
    name: str,
    size: Real | Sequence[Real] | None = None,
    *,
    rate: Real | None = None,
    width: Real | None = None,
    gain: Real | None = None,
    angle: Real | None = None,
) -> NamedKernel:
    """The weights of a kernel by its name for `convolve`: two axes of a picture's, one of a sound's.

    An array that knows its `name`, `number` (the size), `sigma` (of a Gaussian), `radius` and `nonzeros`, and tells the
    planner. What is made of it is a plain array. It cannot be written to, a copy can.

    Args:
        name: `sobel-x sobel-y scharr-x scharr-y prewitt-x prewitt-y laplace laplace-8 sharpen emboss`; or, with a size,
            `box gaussian log motion disk`, `log` being the Laplacian of a Gaussian. For sounds, with their rate:
            `lowpass highpass bandpass notch lowshelf highshelf a-weighting`, of linear phase and odd length, for mode
            `same` and `axes=0`; 80 dB down where they let nothing through.
        size: in pixels: the side of `box`, the width (sigma) of `gaussian` and `log`, the length of `motion`, the
            radius of `disk`. Of a sound's the frequency in Hz, of `bandpass` and `notch` the lower and the higher one.
            The others have one size.
        rate: the sound's frames a second.
        width: Hz in which a filter goes from letting through to keeping out, around its frequency; a quarter of its
            lowest one by default. The narrower, the longer the kernel.
        gain: of a shelf, in dB.
        angle: of a motion, its direction in degrees, counterclockwise from the right; 0 by default.

    Raises:
        ArgumentError: no such kernel, no size that it can have, no rate for a sound's, a rate, width, gain or angle for
            what has none, or a width too narrow for a million weights.

    >>> np.asarray(kernel("sobel-x"))
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.],
           [ 1.,  0., -1.]])
    >>> kernel("gaussian", 2)
    <kernel 'gaussian', 2: 17 × 17, 289 not zero>
    """
    need_one_of("kernel", name, (*KERNELS, *SIZED, *FILTERS))
    if angle is not None and name != "motion":
        raise ArgumentError(f"angle: need none for {name}, which has no direction, got {angle}")
    if name in FILTERS:
        weights = filter_weights(name, size, rate, width, gain)
        several = size is None or isinstance(size, tuple | list)
        return named(weights, name, None if several else as_real(size, "size"))
    for option, value in (("rate", rate), ("width", width), ("gain", gain)):
        if value is not None:
            raise ArgumentError(f"{option}: need none for {name}, which is no filter of sounds, got {value}")
    if name in SIZED:
        number = _checked(name, size)
        made = SIZED[name](number) if angle is None else _motion(number, as_real(angle, "angle"))
        return named(np.asarray(made), name, number, made if isinstance(made, Product) else None)
    if size is not None:
        raise ArgumentError(f"kernel {name}: has one size only, got {size}")
    return named(KERNELS[name], name)


def named_or_read(word: str) -> NDArray[np.float64]:
    """The kernel of this name, with its size after a colon (`gaussian:2.5`), or the one in this file.

    A motion's direction stands after a comma (`motion:15,30`).

    Raises:
        ArgumentError: neither a file nor a name.
        FileError, FormatError: as in `read_kernel`.
    """
    path, (name, colon, number) = Path(word), word.partition(":")
    looks_like_a_file = path.suffix or len(path.parts) > 1
    if path.exists() or (looks_like_a_file and name not in (*KERNELS, *SIZED)):
        return read_kernel(path)
    if not colon and name in SIZED:
        raise ArgumentError(f"kernel {name}: need its size in pixels after a colon, as in {name}:5")
    size, comma, angle = number.partition(",")
    direction = _parsed(word, angle) if comma else None
    return kernel(name, _parsed(word, size) if colon else None, angle=direction)


def _parsed(word: str, number: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise ArgumentError(f"kernel {word}: need a number after the colon, got {number!r}") from None


def _checked(name: str, size: Any) -> float:
    need = f"a size in pixels from {_MIN_SIZE:g} to {_MAX_SIDE // 2}"
    return as_real(size, f"kernel {name}", need, lambda s: s >= _MIN_SIZE and 2 * s + 1 <= _MAX_SIDE)


def _in_whole_pixels(word: str, size: Any) -> int:
    if size != int(size):
        raise ArgumentError(f"kernel {word}: need a size in whole pixels, got {size:g}")
    return int(size)
