"""Edges by gradient filters: how fast brightness changes at a pixel, to the right and downwards.

One fused pass in the core: each pixel is read from memory once and the magnitude written once, where three separate
passes move five times as much. Time: memory speed. Scratch: a few kilobytes a thread.

Sobel & Feldman, "A 3×3 isotropic gradient operator for image processing", Stanford AI Project, 1968.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens import _core
from convolens.arrays import as_array, empty
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary, boundary_map, check_boundary

# (side, middle, side) smoothing across the derivative [-1, 0, 1]; not normalised.
SOBEL = (1.0, 2.0)
SOBEL_STEP = 4.0  # the magnitude of a step of height 1

_NATIVE = (np.uint8, np.uint16, np.float32, np.float64)


def sobel(
    image: Num[np.ndarray, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> Float[np.ndarray, "height width *channels"]:
    """Gradient magnitude √(gx² + gy²) by Sobel's 3×3 kernels, colour per channel.

    Args:
        image: `(H, W)` or `(H, W, C)`.
        boundary: one of `numpy.pad`'s names.

    Returns:
        Same shape. float64 for float64, otherwise float32, in the image's own units (weights 1-2-1, not normalised:
        a step of height h gives 4h).

    Raises:
        ShapeError: not two or three dimensions, or empty.
        DtypeError: complex or not numbers.

    >>> step = np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0)
    >>> sobel(step)[1]
    array([0., 4., 4., 0.])
    """
    picture = _picture(image)
    magnitude = empty(picture.shape, _result_dtype(picture))
    _run(picture, boundary, magnitude)
    return magnitude.reshape(np.shape(image))


def sobel_gradients(
    image: Num[np.ndarray, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> tuple[Float[np.ndarray, "height width *channels"], Float[np.ndarray, "height width *channels"]]:
    """The two gradients `(gx, gy)`: gx > 0 where brightness grows to the right, gy > 0 where it grows downwards.

    Arguments, dtype and errors as in `sobel`.

    >>> gx, gy = sobel_gradients(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))
    >>> gx[1], gy[1]
    (array([0., 4., 4., 0.]), array([0., 0., 0., 0.]))
    """
    picture = _picture(image)
    gx, gy = (empty(picture.shape, _result_dtype(picture)) for _ in range(2))
    _run(picture, boundary, gx, gy)
    return gx.reshape(np.shape(image)), gy.reshape(np.shape(image))


def edge_picture(
    image: Num[np.ndarray, "height width *channels"], *, gain: float = 1.0, boundary: Boundary = "symmetric"
) -> Num[np.ndarray, "height width"]:
    """Sobel's magnitude as a grey picture to look at: at gain 1 a step of height h has brightness h.

    The strongest of the colour channels counts; transparency does not.

    Args:
        image: `(H, W)`, RGB or RGBA; uint8, uint16 or floats in [0, 1].
        gain: brightness; what passes white is clipped.
        boundary: one of `numpy.pad`'s names.

    Returns:
        `(H, W)` in the image's dtype.

    Raises:
        ArgumentError: gain is negative or not a number.

    >>> edge_picture(np.uint8([[0, 0, 100, 100]]))
    array([[  0, 100, 100,   0]], dtype=uint8)
    """
    if not 0 <= gain < np.inf:
        raise ArgumentError(f"gain: need a finite number of at least 0, got {gain}")
    colours = np.asarray(image)
    if colours.ndim == 3 and colours.shape[2] in (2, 4):
        colours = colours[:, :, :-1]
    magnitude = sobel(colours, boundary=boundary)
    grey = (magnitude if magnitude.ndim == 2 else magnitude.max(axis=2)) * (gain / SOBEL_STEP)
    if colours.dtype.kind == "f":
        return grey.clip(0, 1)
    return np.round(grey.clip(0, np.iinfo(colours.dtype).max)).astype(colours.dtype)


def _picture(image: object) -> NDArray[np.generic]:
    """The image as rows × columns × channels in a dtype the core reads, its rows contiguous."""
    array = as_array(image, "image")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ShapeError(f"image: need (height, width) or (height, width, channels), not empty, got {array.shape}")
    if array.dtype.kind == "c":
        raise DtypeError(f"image: need real numbers, got {array.dtype}")
    if array.dtype not in _NATIVE:
        array = array.astype(np.float64 if array.dtype.itemsize > 4 and array.dtype.kind == "f" else np.float32)
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))


def _result_dtype(picture: NDArray[np.generic]) -> type[Any]:
    return np.float64 if picture.dtype == np.float64 else np.float32


def _run(picture: NDArray[np.generic], boundary: str, first: NDArray[Any], second: NDArray[Any] | None = None) -> None:
    known = check_boundary(boundary)
    rows, columns = (boundary_map(size, 1, 1, known) for size in picture.shape[:2])
    side, middle = SOBEL
    _core.gradient(picture, rows, columns, 0.0, side, middle, first, second)
