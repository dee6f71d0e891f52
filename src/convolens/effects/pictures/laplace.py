"""Second derivatives of a blurred picture: bright and dark lines, spots, and edges where the sign changes.

The Laplacian of a Gaussian as one kernel of rank two, which the planner does in one sweep; the difference of two
Gaussians, nearly the same at the cost of two blurs.

Marr & Hildreth, "Theory of edge detection", Proc. R. Soc. B 207, 1980.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, is_tensor
from convolens.convolution import correlate
from convolens.convolution.gaussian import laplacian
from convolens.effects import tensors
from convolens.effects.pictures.blur import blur
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary, check_boundary

_LONGEST_TRUNCATE = 10
_WIDEST = 200.0  # pixels; the kernel of a wider one would take too long to take apart
_LIKE_LAPLACE = 1.6  # ratio of widths at which the difference is most like the Laplacian (Marr & Hildreth)


def laplacian_of_gaussian(
    image: Num[Any, "height width ..."], sigma: Any, *, boundary: Boundary = "symmetric", truncate: Real = 4.0
) -> Float[Any, "height width ..."]:
    """The sum of both second derivatives of the picture, blurred by a Gaussian.

    Negative on bright spots and lines of about the width sigma, positive on dark ones, zero on a plain and on a ramp.

    Args:
        image: `(H, W)` or `(H, W, C)`, colour per channel; a torch tensor gives a tensor, with gradients, in sigma too.
        sigma: width of the Gaussian in pixels, one for both axes or one for each.
        boundary: one of `numpy.pad`'s names.
        truncate: where the kernel is cut, in sigmas. What that leaves over is taken off, so that its sum is 0.

    Returns:
        Same shape; float64 for float64, otherwise float32, in the image's units for each pixel squared.

    Raises:
        ArgumentError: a sigma that is not positive or above 200, a truncation that is not positive or above 10.
        ShapeError: not a picture.
        DtypeError: complex or not numbers.

    >>> spot = np.zeros((5, 5))
    >>> spot[2, 2] = 1.0
    >>> laplacian_of_gaussian(spot, 1.0).round(2)[2]
    array([ 0.06, -0.1 , -0.32, -0.1 ,  0.06])
    """
    known = check_boundary(boundary)
    picture: Any = image if is_tensor(image) else as_array(image, "image")
    _check_picture(picture)
    given = tuple(sigma) if np.ndim(sigma) == 1 else (sigma, sigma)
    widths = tuple(float(s.detach() if is_tensor(s) else s) for s in given)
    if len(widths) != 2:
        raise ShapeError(f"sigma: need one number, or one for each of two axes, got {len(widths)}")
    if not all(0 < s <= _WIDEST for s in widths):
        raise ArgumentError(f"sigma: need widths above 0 and up to {_WIDEST:g}, got {', '.join(map(str, widths))}")
    if not 0 < truncate <= _LONGEST_TRUNCATE:
        raise ArgumentError(f"truncate: need a positive number of sigmas, at most {_LONGEST_TRUNCATE}, got {truncate}")
    radii = tuple(max(1, int(truncate * s + 0.5)) for s in widths)
    if is_tensor(picture):
        picture = tensors.in_floats(picture)
        kernel = tensors.laplacian_of_gaussian(given, radii, picture)
        return correlate(picture, kernel, "same", axes=(0, 1), boundary=known)
    kind = np.float64 if picture.dtype == np.float64 else np.float32
    weights = laplacian((widths[0], widths[1]), (radii[0], radii[1])).astype(kind)
    return correlate(picture, weights, "same", axes=(0, 1), boundary=known)


def difference_of_gaussians(
    image: Num[Any, "height width ..."], sigma: Real, wider: Real | None = None, *, boundary: Boundary = "symmetric"
) -> Float[Any, "height width ..."]:
    """The picture blurred by `sigma`, minus the picture blurred more: detail of about that size, without the rest.

    Args:
        image: as in `laplacian_of_gaussian`.
        sigma: width of the narrower Gaussian in pixels; 0 leaves the picture itself.
        wider: that of the other; 1.6 times as wide by default, where the result is most like a Laplacian's negative.
        boundary: one of `numpy.pad`'s names.

    Returns:
        Same shape; float64 for float64, otherwise float32, in the image's units.

    Raises:
        ArgumentError: `wider` is not wider than `sigma`.

    Further errors as in `blur`.

    >>> difference_of_gaussians(np.full((3, 3), 7.0), 1.0).round(6).any()
    np.False_
    """
    picture: Any = image if is_tensor(image) else as_array(image, "image")
    _check_picture(picture)
    other = _LIKE_LAPLACE * sigma if wider is None else wider
    if not other > sigma:
        raise ArgumentError(f"wider: need a width above sigma's {sigma:g}, got {other:g}")
    floats = tensors.in_floats(picture) if is_tensor(picture) else _in_floats(picture)
    return blur(floats, sigma, boundary=boundary) - blur(floats, other, boundary=boundary)


def _in_floats(picture: NDArray[Any]) -> NDArray[Any]:
    return picture if picture.dtype in (np.float32, np.float64) else picture.astype(np.float32)


def _check_picture(picture: Any) -> None:
    if picture.ndim not in (2, 3) or 0 in picture.shape:
        raise ShapeError(
            f"image: need (height, width) or (height, width, channels), not empty, got {tuple(picture.shape)}"
        )
    if "complex" in str(picture.dtype):
        raise DtypeError(f"image: need real numbers, got {picture.dtype}")
