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
from convolens.effects.pictures.laplace import difference_of_gaussians, laplacian_of_gaussian
from convolens.effects.pictures.picture import in_dtype_of
from convolens.errors import need_one_of
from convolens.shapes import Boundary

METHODS = (*GRADIENTS, "canny", "log", "dog")


def edge_picture(
    image: Num[np.ndarray, "height width *channels"],
    *,
    method: str = "sobel",
    gain: Real = 1.0,
    sigma: Real = 1.0,
    low: Real = 0.1,
    high: Real = 0.2,
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
    pixels = np.asarray(image)
    if method in GRADIENTS:
        return _in_dtype_of(pixels, _steepness(pixels, method, boundary) * gain)
    if method == "canny":
        return _in_dtype_of(pixels, canny(pixels, sigma, low=low, high=high, boundary=boundary).astype(np.float32))
    gray = brightness(pixels)
    if method == "log":
        detail = laplacian_of_gaussian(gray, sigma, boundary=boundary) * as_real(sigma, "sigma") ** 2
    else:
        detail = difference_of_gaussians(gray, sigma, boundary=boundary)
    return _in_dtype_of(pixels, 0.5 + gain * detail)


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


def _white_of(pixels: NDArray[Any]) -> int:
    return int(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1
