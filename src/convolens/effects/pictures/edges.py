"""Edges by gradient filters: how fast brightness changes at a pixel, to the right and downwards.

The two gradients are correlations, each a call of the planner (`cl.plan(image, cl.kernel("sobel-x"), "same")`). Their
magnitude, √(gx² + gy²), is no convolution: of arrays one fused pass in the core, which reads each pixel from memory
once and writes the magnitude once, where three separate passes move five times as much. Time: memory speed. Scratch: a
few kilobytes a thread. Of tensors it is taken of the two gradients, as autograd needs them.

Sobel & Feldman, "A 3×3 isotropic gradient operator for image processing", Stanford AI Project, 1968. Prewitt, "Object
enhancement and extraction", Picture Processing and Psychopictorics, 1970. Scharr, "Optimal operators in digital image
processing", Heidelberg, 2000.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens import _core
from convolens.arrays import as_array, empty, is_tensor
from convolens.convolution import correlate
from convolens.effects import tensors
from convolens.errors import DtypeError, ShapeError
from convolens.shapes import Boundary, boundary_map, check_boundary


class Smoothing(NamedTuple):
    """(side, middle, side), across the derivative [-1, 0, 1]; not normalised."""

    side: float
    middle: float

    @property
    def step(self) -> float:
        """The magnitude of a step of height 1."""
        return 2 * self.side + self.middle

    @property
    def derivative(self) -> NDArray[np.float64]:
        """The kernel for `correlate` that grows with brightness to the right; its transpose, downwards."""
        return np.multiply.outer((self.side, self.middle, self.side), (-1.0, 0.0, 1.0))


SOBEL = Smoothing(1.0, 2.0)
SCHARR = Smoothing(3.0, 10.0)  # the gradient's direction is right to a degree, where Sobel's errs by three
PREWITT = Smoothing(1.0, 1.0)
GRADIENTS = {"sobel": SOBEL, "scharr": SCHARR, "prewitt": PREWITT}

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
    return gradient_magnitude(image, boundary, SOBEL)


def scharr(
    image: Num[Any, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> Float[Any, "height width *channels"]:
    """`sobel` with Scharr's weights 3-10-3, equally strong for edges in every direction: a step of height h gives 16h.

    Arguments, dtype and errors as in `sobel`.

    >>> scharr(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))[1]
    array([ 0., 16., 16.,  0.])
    """
    return gradient_magnitude(image, boundary, SCHARR)


def prewitt(
    image: Num[Any, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> Float[Any, "height width *channels"]:
    """`sobel` with Prewitt's weights 1-1-1, a plain mean along the edge: a step of height h gives 3h.

    Arguments, dtype and errors as in `sobel`.

    >>> prewitt(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))[1]
    array([0., 3., 3., 0.])
    """
    return gradient_magnitude(image, boundary, PREWITT)


def sobel_gradients(
    image: Num[Any, "height width *channels"], *, boundary: Boundary = "symmetric"
) -> tuple[Float[Any, "height width *channels"], Float[Any, "height width *channels"]]:
    """The two gradients `(gx, gy)`: gx > 0 where brightness grows to the right, gy > 0 where it grows downwards.

    Arguments, dtype and errors as in `sobel`.

    >>> gx, gy = sobel_gradients(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))
    >>> gx[1], gy[1]
    (array([0., 4., 4., 0.]), array([0., 0., 0., 0.]))
    """
    return _gradients(image, boundary, SOBEL)


def gradient_magnitude(image: Any, boundary: str, smoothing: Smoothing) -> Any:
    """`sobel` with any smoothing."""
    if is_tensor(image):
        return tensors.magnitude(*_gradients(image, boundary, smoothing))
    picture = _picture(image)
    magnitude: Any = empty(picture.shape, _result_dtype(picture))
    _run(picture, boundary, smoothing, magnitude)
    return magnitude.reshape(np.shape(image))


def _gradients(image: Any, boundary: str, smoothing: Smoothing) -> tuple[Any, Any]:
    """To the right and downwards, each a call of the planner."""
    known = check_boundary(boundary)
    if is_tensor(image):
        work = _tensor(image)
        right = work.new_tensor(smoothing.derivative)
    else:
        work = _picture(image)
        right = smoothing.derivative.astype(_result_dtype(work))
    gx, gy = (correlate(work, kernel, "same", axes=(0, 1), boundary=known) for kernel in (right, right.T))
    return gx.reshape(image.shape), gy.reshape(image.shape)


def _picture(image: object) -> NDArray[np.generic]:
    """The image as rows × columns × channels in a dtype the core reads, its rows contiguous."""
    array = as_array(image, "image")
    _check_picture(array.shape, array.dtype, complex_numbers=array.dtype.kind == "c")
    if array.dtype not in _NATIVE:
        array = array.astype(np.float64 if array.dtype.itemsize > 4 and array.dtype.kind == "f" else np.float32)
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))


def _tensor(image: Any) -> Any:
    _check_picture(tuple(image.shape), image.dtype, complex_numbers=image.is_complex())
    return tensors.in_floats(image)


def _check_picture(shape: tuple[int, ...], dtype: Any, *, complex_numbers: bool) -> None:
    if len(shape) not in (2, 3) or 0 in shape:
        raise ShapeError(f"image: need (height, width) or (height, width, channels), not empty, got {shape}")
    if complex_numbers:
        raise DtypeError(f"image: need real numbers, got {dtype}")


def _result_dtype(picture: NDArray[np.generic]) -> type[Any]:
    return np.float64 if picture.dtype == np.float64 else np.float32


def _run(
    picture: NDArray[np.generic],
    boundary: str,
    smoothing: Smoothing,
    out: NDArray[Any],
) -> None:
    known = check_boundary(boundary)
    rows, columns = (boundary_map(size, 1, 1, known) for size in picture.shape[:2])
    _core.sobel(picture, rows, columns, 0.0, *smoothing, out)
