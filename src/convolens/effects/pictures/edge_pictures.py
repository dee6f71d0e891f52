"""Edges as grey pictures to look at, by any of the methods."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.effects.pictures.brightness import brightness
from convolens.effects.pictures.canny import canny
from convolens.effects.pictures.edges import GRADIENTS, gradient_magnitude
from convolens.effects.pictures.laplace import (
    difference_of_gaussians,
    laplacian_of_gaussian,
    reach_of_difference,
    reach_of_log,
)
from convolens.effects.pictures.picture import check_picture, in_dtype_of
from convolens.errors import need_one_of
from convolens.shapes import Boundary
from convolens.strips import Rows, in_strips, need_all

METHODS = (*GRADIENTS, "canny", "log", "dog")


def edge_picture(
    image: Num[Any, "height width *channels"],
    *,
    method: str = "sobel",
    gain: Real = 1.0,
    sigma: Real = 1.0,
    low: Real = 0.1,
    high: Real = 0.2,
    quantiles: bool = False,
    boundary: Boundary = "symmetric",
) -> Num[Any, "height width"]:
    """The picture's edges in grey.

    Args:
        image: `(H, W)`, RGB or RGBA; uint8, uint16 or floats in [0, 1]. Transparency does not count.
        method: `sobel`, `scharr`, `prewitt`: how steep, at gain 1 a step of height h has brightness h, and the
            strongest of the colours counts. `canny`: white lines. `log`, `dog`: detail of the size sigma about a middle
            grey, by the Laplacian of a Gaussian times sigma², and by the difference of two Gaussians.
        gain: brightness, but for `canny`; what passes white is clipped.
        sigma: size in pixels, for `canny`, `log` and `dog`.
        low: thresholds of `canny`.
        high: see `low`.
        quantiles: whether these are fractions of the pixels.
        boundary: one of `numpy.pad`'s names.

    Returns:
        `(H, W)` in the image's dtype.

    Raises:
        ArgumentError: gain is negative or not a number, or no such method; and errors of the method.

    >>> edge_picture(np.uint8([[0, 0, 100, 100]]))
    array([[  0, 100, 100,   0]], dtype=uint8)
    """
    gain = as_real(gain, "gain", "a finite number of at least 0", lambda g: g >= 0)
    need_one_of("method", method, METHODS)
    pixels = image if isinstance(image, Rows) else np.asarray(image)
    check_picture(pixels)
    if method == "canny":
        need_all(pixels, "canny, whose lines may cross all of it")
        lines = canny(pixels, sigma, low=low, high=high, quantiles=quantiles, boundary=boundary)
        return lines * pixels.dtype.type(_white_of(pixels))
    width = as_real(sigma, "sigma")

    def drawn(rows: NDArray[Any]) -> NDArray[Any]:
        if method in GRADIENTS:
            return _in_dtype_of(rows, _steepness(rows, method, boundary) * gain)
        return _in_dtype_of(rows, 0.5 + gain * _detail(brightness(rows), method, width, boundary))

    return in_strips(drawn, pixels, reach=_reach(pixels, method, width), boundary=boundary)


def _detail(gray: NDArray[Any], method: str, sigma: float, boundary: Boundary) -> NDArray[Any]:
    """Light and dark of the size sigma, about 0."""
    if method == "log":
        curved: NDArray[Any] = laplacian_of_gaussian(gray, sigma, boundary=boundary)
        return curved * sigma**2
    found: NDArray[Any] = difference_of_gaussians(gray, sigma, boundary=boundary)
    return found


def _reach(pixels: NDArray[Any] | Rows, method: str, sigma: float) -> int:
    if method in GRADIENTS:
        return 1
    return reach_of_log(sigma) if method == "log" else reach_of_difference(pixels, sigma)


def _steepness(pixels: NDArray[Any], method: str, boundary: Boundary) -> NDArray[Any]:
    """The gradient of the strongest colour, 1 for a step from black to white."""
    colors = pixels[:, :, :-1] if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else pixels
    magnitude: Any = gradient_magnitude(colors, boundary, GRADIENTS[method])
    steep: NDArray[Any] = magnitude if magnitude.ndim == 2 else magnitude.max(axis=2)
    return np.asarray(steep / steep.dtype.type(GRADIENTS[method].step * _white_of(pixels)))


def _in_dtype_of(pixels: NDArray[Any], levels: NDArray[Any]) -> NDArray[Any]:
    """Levels from 0 to 1 as pixels of this dtype."""
    drawn: NDArray[Any] = in_dtype_of(pixels, levels.clip(0, 1) * _white_of(pixels))
    return drawn


def _white_of(pixels: NDArray[Any] | Rows) -> int:
    return int(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1
