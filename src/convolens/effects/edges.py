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
from convolens.arrays import Real, as_array, empty, is_tensor
from convolens.effects import tensors
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary, boundary_map, check_boundary

# (side, middle, side) smoothing across the derivative [-1, 0, 1]; not normalised.
SOBEL = (1.0, 2.0)
SOBEL_STEP = 4.0  # the magnitude of a step of height 1

_NATIVE = (np.uint8, np.uint16, np.float32, np.float64)


def sobel(
    image: Num[Any, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> Float[Any, "height width *channels"]:
    """Gradient magnitude √(gx² + gy²) by Sobel's 3×3 kernels, colour per channel.

    Args:
        image: `(H, W)` or `(H, W, C)`; a torch tensor gives a tensor, with gradients.
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
    if is_tensor(image):
        return tensors.magnitude(*_tensor_gradients(image, boundary))
    picture = _picture(image)
    magnitude: Any = empty(picture.shape, _result_dtype(picture))
    _run(picture, boundary, magnitude)
    return magnitude.reshape(np.shape(image))


def sobel_gradients(
    image: Num[Any, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> tuple[Float[Any, "height width *channels"], Float[Any, "height width *channels"]]:
    """The two gradients `(gx, gy)`: gx > 0 where brightness grows to the right, gy > 0 where it grows downwards.

    Arguments, dtype and errors as in `sobel`.

    >>> gx, gy = sobel_gradients(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))
    >>> gx[1], gy[1]
    (array([0., 4., 4., 0.]), array([0., 0., 0., 0.]))
    """
    if is_tensor(image):
        return _tensor_gradients(image, boundary)
    picture = _picture(image)
    gx: Any = empty(picture.shape, _result_dtype(picture))
    gy: Any = empty(picture.shape, _result_dtype(picture))
    _run(picture, boundary, gx, gy)
    return gx.reshape(np.shape(image)), gy.reshape(np.shape(image))


def edge_picture(
    image: Num[np.ndarray, "height width *channels"], *, gain: Real = 1.0, boundary: Boundary = "symmetric"
) -> Num[Any, "height width"]:
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
    magnitude: Any = sobel(colours, boundary=boundary)
    grey: Any = (magnitude if magnitude.ndim == 2 else magnitude.max(axis=2)) * (gain / SOBEL_STEP)
    white = 1 if colours.dtype.kind == "f" else np.iinfo(colours.dtype).max
    bright = grey.clip(0, white)
    return bright if colours.dtype.kind == "f" else np.rint(bright).astype(colours.dtype)


def _picture(image: object) -> NDArray[np.generic]:
    """The image as rows × columns × channels in a dtype the core reads, its rows contiguous."""
    array = as_array(image, "image")
    if array.ndim not in (2, 3) or array.size == 0:
        raise _not_a_picture(array.shape)
    if array.dtype.kind == "c":
        raise DtypeError(f"image: need real numbers, got {array.dtype}")
    if array.dtype not in _NATIVE:
        array = array.astype(np.float64 if array.dtype.itemsize > 4 and array.dtype.kind == "f" else np.float32)
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))


def _tensor_gradients(image: Any, boundary: str) -> tuple[Any, Any]:
    known = check_boundary(boundary)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise _not_a_picture(tuple(image.shape))
    if image.is_complex():
        raise DtypeError(f"image: need real numbers, got {image.dtype}")
    work = image if image.is_floating_point() else image.float()
    side, middle = SOBEL
    gx = tensors.correlate_axis(
        tensors.correlate_axis(work, (side, middle, side), 0, known), (-1.0, 0.0, 1.0), 1, known
    )
    gy = tensors.correlate_axis(
        tensors.correlate_axis(work, (side, middle, side), 1, known), (-1.0, 0.0, 1.0), 0, known
    )
    return gx, gy


def _not_a_picture(shape: tuple[int, ...]) -> ShapeError:
    return ShapeError(f"image: need (height, width) or (height, width, channels), not empty, got {shape}")


def _result_dtype(picture: NDArray[np.generic]) -> type[Any]:
    return np.float64 if picture.dtype == np.float64 else np.float32


def _run(picture: NDArray[np.generic], boundary: str, first: NDArray[Any], second: NDArray[Any] | None = None) -> None:
    known = check_boundary(boundary)
    rows, columns = (boundary_map(size, 1, 1, known) for size in picture.shape[:2])
    side, middle = SOBEL
    _core.gradient(picture, rows, columns, 0.0, side, middle, first, second)
