"""Edges by gradient filters: how fast brightness changes at a pixel, to the right and downwards.

The two gradients are convolutions (`cl.plan(image, cl.kernel("sobel-x"), "same")` lists ways to do one of them), but
their magnitude, √(gx² + gy²), is none. Arrays go by a fused pass in the core, which reads each pixel from memory once
and writes either the magnitude or both gradients, where separate passes move up to five times as much. It subtracts
smoothed neighbors from one another, so that a plain has a gradient of exactly 0, which the sum of nine rounded products
need not be. Time: memory speed. Scratch: a few kilobytes a thread. Tensors go by the planner's separable convolutions,
exact in the same way, as autograd needs them.

Sobel & Feldman, "A 3×3 isotropic gradient operator for image processing", Stanford AI Project, 1968. Prewitt, "Object
enhancement and extraction", Picture Processing and Psychopictorics, 1970. Scharr, "Optimal operators in digital image
processing", Heidelberg, 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens import _core
from convolens.arrays import Real, as_array, empty, is_tensor
from convolens.effects import tensors
from convolens.effects.border import Border
from convolens.effects.pictures.picture import as_floats, check_picture
from convolens.memory import need_memory
from convolens.shapes import Boundary, boundary_along, boundary_map


class Smoothing(NamedTuple):
    """(side, middle, side), across the derivative [-1, 0, 1]; not normalised."""

    side: float
    middle: float

    @property
    def step(self) -> float:
        """The magnitude of a step of height 1."""
        return 2 * self.side + self.middle

    @property
    def line(self) -> tuple[float, float, float]:
        """The weights along the edge."""
        return self.side, self.middle, self.side


SOBEL = Smoothing(1.0, 2.0)
SCHARR = Smoothing(3.0, 10.0)  # the gradient's direction is right to a degree, where Sobel's errs by three
PREWITT = Smoothing(1.0, 1.0)
GRADIENTS = {"sobel": SOBEL, "scharr": SCHARR, "prewitt": PREWITT}

_NATIVE = (np.uint8, np.uint16, np.float32, np.float64)


def sobel(
    image: Num[Any, "height width *channels"],
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> Float[Any, "height width *channels"]:
    """Gradient magnitude √(gx² + gy²) by Sobel's 3×3 kernels, colour per channel.

    Args:
        image: `(H, W)` or `(H, W, C)`; a torch tensor gives a tensor, with gradients.
        boundary: one of `numpy.pad`'s names, or one for rows and one for columns.
        fill_value: what a constant border is filled with.

    Returns:
        Same shape. float64 for float64, otherwise float32, in the image's own units (weights 1-2-1, not normalised:
        a step of height h gives 4h); a tensor of float16 or bfloat16 keeps its dtype.

    Raises:
        ShapeError: not two or three dimensions, or empty.
        DtypeError: complex or not numbers.

    >>> step = np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0)
    >>> sobel(step)[1]
    array([0., 4., 4., 0.])
    """
    return gradient_magnitude(image, boundary, SOBEL, fill_value)


def scharr(
    image: Num[Any, "height width *channels"],
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> Float[Any, "height width *channels"]:
    """`sobel` with Scharr's weights 3-10-3, equally strong for edges in every direction: a step of height h gives 16h.

    Arguments, dtype and errors as in `sobel`.

    >>> scharr(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))[1]
    array([ 0., 16., 16.,  0.])
    """
    return gradient_magnitude(image, boundary, SCHARR, fill_value)


def prewitt(
    image: Num[Any, "height width *channels"],
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> Float[Any, "height width *channels"]:
    """`sobel` with Prewitt's weights 1-1-1, a plain mean along the edge: a step of height h gives 3h.

    Arguments, dtype and errors as in `sobel`.

    >>> prewitt(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))[1]
    array([0., 3., 3., 0.])
    """
    return gradient_magnitude(image, boundary, PREWITT, fill_value)


def sobel_gradients(
    image: Num[Any, "height width *channels"],
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> tuple[Float[Any, "height width *channels"], Float[Any, "height width *channels"]]:
    """The two gradients `(gx, gy)`: gx > 0 where brightness grows to the right, gy > 0 where it grows downwards.

    Arguments, dtype and errors as in `sobel`.

    >>> gx, gy = sobel_gradients(np.repeat([[0.0, 0.0, 1.0, 1.0]], 3, axis=0))
    >>> gx[1], gy[1]
    (array([0., 4., 4., 0.]), array([0., 0., 0., 0.]))
    """
    return _gradients(image, Border.of(boundary, fill_value, 2), SOBEL)


def gradient_magnitude(image: Any, boundary: Any, smoothing: Smoothing, fill_value: Real = 0) -> Any:
    """`sobel` with any smoothing."""
    border = Border.of(boundary, fill_value, 2)
    if is_tensor(image):
        return tensors.magnitude(*_gradients(image, border, smoothing))
    (magnitude,) = _fused(image, border, smoothing, outputs=1)
    return magnitude


def _gradients(image: Any, border: Border, smoothing: Smoothing) -> tuple[Any, Any]:
    """The gradients to the right and downwards."""
    if is_tensor(image):
        check_picture(image)
        return tensors.gradients(as_floats(image), smoothing.line, border)
    gx, gy = _fused(image, border, smoothing, outputs=2)
    return gx, gy


def _fused(image: Any, border: Border, smoothing: Smoothing, *, outputs: int) -> list[NDArray[Any]]:
    """The core's pass: the magnitude as the one output, or the gradients to the right and downwards as the two."""
    picture = _picture(image)
    sizes = enumerate(picture.shape[:2])
    rows, columns = (boundary_map(size, 1, 1, boundary_along(border.boundary, axis)) for axis, size in sizes)
    kind = np.float64 if picture.dtype == np.float64 else np.float32
    need_memory(outputs * picture.size * np.dtype(kind).itemsize, f"image of {picture.shape}", "make it smaller")
    out = [empty(picture.shape, kind) for _ in range(outputs)]
    _core.sobel(picture, rows, columns, float(border.fill), *smoothing, *out)
    return [one.reshape(np.shape(image)) for one in out]


def _picture(image: object) -> NDArray[np.generic]:
    """The image as rows × columns × channels in a dtype the core reads, its rows contiguous."""
    array = as_array(image, "image")
    check_picture(array)
    array = array if array.dtype in _NATIVE else as_floats(array)
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))
