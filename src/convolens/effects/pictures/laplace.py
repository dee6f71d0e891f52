"""Second derivatives of a blurred picture: bright and dark lines, spots, and edges where the sign changes.

The Laplacian of a Gaussian as one kernel of rank two, which the planner does in one sweep; the difference of two
Gaussians, nearly the same at the cost of two blurs.

Marr & Hildreth, "Theory of edge detection", Proc. R. Soc. B 207, 1980.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_real, is_half, is_tensor
from convolens.convolution import correlate
from convolens.convolution.gaussian import laplacian
from convolens.effects import tensors
from convolens.effects.border import Border
from convolens.effects.pictures.blur import blur, blur_reach
from convolens.effects.pictures.picture import as_floats, check_picture, for_each_axis
from convolens.errors import ArgumentError, ShapeError
from convolens.shapes import Boundary
from convolens.strips import Rows, in_strips

_TRUNCATE = 4.0  # sigmas
_MAX_TRUNCATE = 10
_MIN_SIGMA = 0.01  # pixels; the weights go with its square, and a narrower one sees nothing but its own pixel
_MAX_SIGMA = 200.0  # pixels; the kernel of a wider one would take too long to take apart
_LIKE_LAPLACE = 1.6  # ratio of widths at which the difference is most like the Laplacian (Marr & Hildreth)


def laplacian_of_gaussian(
    image: Num[Any, "height width ..."],
    sigma: Any,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real = _TRUNCATE,
) -> Float[Any, "height width ..."]:
    """The sum of both second derivatives of the picture, blurred by a Gaussian.

    Negative on bright spots and lines of about the width sigma, positive on dark ones, zero on a plain and on a ramp.

    Args:
        image: `(H, W)` or `(H, W, C)`, colour per channel; a torch tensor gives a tensor, with gradients, in sigma too.
        sigma: width of the Gaussian in pixels, one for both axes or one for each.
        boundary: one of `numpy.pad`'s names, or one for rows and one for columns.
        fill_value: what a constant border is filled with.
        truncate: where the kernel is cut, in sigmas. What that leaves over is taken off, so that its sum is 0.

    Returns:
        Same shape; float64 for float64, otherwise float32, in the image's units for each pixel squared. A tensor of
        float16 or bfloat16 is computed in float32, and keeps its dtype.

    Raises:
        ArgumentError: a sigma below 0.01 or above 200, a truncation that is not positive or above 10.
        ShapeError: not a picture.
        DtypeError: complex or not numbers.

    >>> spot = np.zeros((5, 5))
    >>> spot[2, 2] = 1.0
    >>> laplacian_of_gaussian(spot, 1.0).round(2)[2]
    array([ 0.06, -0.1 , -0.32, -0.1 ,  0.06])
    """
    if is_half(image):  # whose kernel would not sum to 0
        options: dict[str, Any] = {"boundary": boundary, "fill_value": fill_value, "truncate": truncate}
        return laplacian_of_gaussian(image.float(), sigma, **options).to(image.dtype)
    border = Border.of(boundary, fill_value, 2)
    picture: Any = image if is_tensor(image) else as_array(image, "image")
    check_picture(picture)
    given = for_each_axis(sigma, 2)
    if len(given) != 2:
        raise ShapeError(f"sigma: need one number, or one for each of two axes, got {len(given)}")
    need = f"widths from {_MIN_SIGMA:g} to {_MAX_SIGMA:g}"
    down, across = (as_real(s, "sigma", need, lambda s: _MIN_SIGMA <= s <= _MAX_SIGMA) for s in given)
    need = f"a positive number of sigmas, at most {_MAX_TRUNCATE}"
    cut = as_real(truncate, "truncate", need, lambda t: 0 < t <= _MAX_TRUNCATE)
    radii = reach_of_log(down, cut), reach_of_log(across, cut)
    if is_tensor(picture):
        picture = as_floats(picture)
        kernel = tensors.laplacian_of_gaussian(given, radii, picture)
    else:
        kernel = laplacian((down, across), radii).astype(np.float64 if picture.dtype == np.float64 else np.float32)
    return correlate(picture, kernel, "same", axes=(0, 1), boundary=border.boundary, fill_value=border.fill)


def difference_of_gaussians(
    image: Num[Any, "height width ..."],
    low: Any,
    high: Any = None,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real | None = None,
) -> Float[Any, "height width ..."]:
    """The picture blurred by `low`, minus the picture blurred by `high`: detail of about those sizes, no other.

    Args:
        image: as in `laplacian_of_gaussian`.
        low: width of the narrower Gaussian in pixels, one for both axes or one for each; 0 leaves the picture itself.
        high: that of the other; 1.6 times as wide by default, where the result is most like a Laplacian's negative.
        boundary: one of `numpy.pad`'s names, or one for rows and one for columns.
        fill_value: what a constant border is filled with.
        truncate: as in `blur`.

    Returns:
        As in `laplacian_of_gaussian`, in the image's units.

    Raises:
        ArgumentError: `high` is not wider than `low`.

    Further errors as in `blur`.

    >>> difference_of_gaussians(np.full((3, 3), 7.0), 1.0).round(6).any()
    np.False_
    """
    options: dict[str, Any] = {"boundary": boundary, "fill_value": fill_value, "truncate": truncate}
    if is_half(image):
        return difference_of_gaussians(image.float(), low, high, **options).to(image.dtype)
    picture: Any = image if is_tensor(image) else as_array(image, "image")
    check_picture(picture)
    narrow, wide = _widths(low, high)

    def difference(rows: Any) -> Any:
        floats = as_floats(rows)
        return blur(floats, narrow, **options) - blur(floats, wide, **options)

    if is_tensor(picture):
        return difference(picture)
    reach = blur_reach(picture, wide, truncate=truncate)
    return in_strips(difference, picture, reach=reach, boundary=Border.of(boundary, fill_value, 2).boundary)


def _widths(low: Any, high: Any) -> tuple[Any, Any]:
    """Both widths as they were given, so that a tensor keeps its gradient."""
    narrow = [as_real(s, "low", "widths of at least 0", lambda s: s >= 0) for s in for_each_axis(low, 1)]
    if not narrow:
        raise ShapeError("low: need a width, or one for each axis, got none")
    if high is None:
        if min(narrow) == 0:
            raise ArgumentError("high: need a width where low is 0, got none")
        several = isinstance(low, tuple | list)
        return low, [_LIKE_LAPLACE * s for s in low] if several else _LIKE_LAPLACE * low
    wide = [as_real(s, "high", "widths above low's") for s in for_each_axis(high, 1)]
    count = max(len(narrow), len(wide))
    pairs = list(zip(_repeated(narrow, count), _repeated(wide, count), strict=False))
    if not all(w >= n for n, w in pairs) or all(w == n for n, w in pairs):
        raise ArgumentError(f"high: need a width above low's {_shown(narrow)}, got {_shown(wide)}")
    return low, high


def _repeated(widths: list[float], count: int) -> list[float]:
    return widths * count if len(widths) == 1 else widths


def _shown(widths: list[float]) -> str:
    return ", ".join(f"{width:g}" for width in widths)


def reach_of_log(sigma: float, truncate: float = _TRUNCATE) -> int:
    """How many pixels on each side of one count for its Laplacian."""
    return max(1, int(truncate * sigma + 0.5))


def reach_of_difference(picture: NDArray[Any] | Rows, sigma: float) -> int:
    """How many rows above and below a pixel count for its difference of Gaussians."""
    return blur_reach(picture, _LIKE_LAPLACE * sigma)
