"""Gaussian blur: each pixel becomes a mean of its neighbourhood, weighted by a Gaussian of width sigma.

A call of the planner with a kernel known to be a Gaussian, and with the error that is allowed. A narrow one is
separable: rows and columns in one sweep through the caches. A wide one goes by `multirate`, over a decimated picture,
so that the cost falls with sigma instead of growing: towards that of reading and writing the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_real, as_whole, is_half, is_tensor
from convolens.convolution.banded import in_bands
from convolens.convolution.gaussian import derivative, derivative_radius
from convolens.convolution.product import Product, gaussian_product
from convolens.convolution.spec import Window
from convolens.convolution.windows import windows
from convolens.effects import tensors
from convolens.effects.border import Border
from convolens.effects.pictures.picture import as_exact_floats, check_picture, for_each, for_each_axis, in_dtype_of
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary
from convolens.strips import Rows, Strips, as_picture, in_strips, need_all

_MAX_SIGMA_IN_SIDES = 4  # sigmas in lengths of the longest axis; all is flat there, to 34 digits
_SIGMA_FOR_ANY_SIZE = 1000  # pixels that any picture may be blurred by
_MAX_TRUNCATE = 40  # sigmas; beyond, a Gaussian is 0 in float64
_MAX_ORDER = 8  # of a derivative
_MIN_DERIVED = 0.1  # pixels; the weights of a derivative grow with 1 / sigma^order
MOST_AXES = 8
_KEPT = ("uint8", "uint16", "int16", "int32", "float16", "float32", "float64")
_KEPT_AS_TENSORS = (*_KEPT, "bfloat16")
_KEPT_BY_NUMPY = frozenset(map(np.dtype, _KEPT))
_READ = frozenset(map(np.dtype, ("uint8", "uint16", "float32", "float64")))  # by the core, without a copy in floats


def blur(
    image: Num[Any, "*shape"],
    sigma: Any,
    *,
    order: int | Sequence[int] = 0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    tolerance: Real = 1e-4,
    truncate: Real | None = None,
    radius: int | Sequence[int] | None = None,
) -> Num[Any, "*shape"]:
    """The picture, blurred by a Gaussian, or a derivative of it.

    Args:
        image: `(H, W)` or `(H, W, C)`; or a line; or more axes, with a sigma for each that is blurred. uint8, uint16,
            int16, int32, float16, float32 or float64. Four channels are RGBA: colours count as much as they are opaque.
        sigma: width of the Gaussian in pixels, one for rows and columns or one for each of the leading axes, so that
            three blur a stack `(depth, height, width)`. 0 leaves an axis alone.
        order: 0 to blur, 1 for the first derivative of the blurred picture, 2 for the second, …, one for all of sigma's
            axes or one for each, as `scipy.ndimage.gaussian_filter` has it.
        boundary: how the picture is extended beyond its borders, one of `numpy.pad`'s names, or one for each of
            sigma's axes.
        fill_value: what it is extended by for `constant`, in the picture's units.
        tolerance: largest error against the infinite sampled Gaussian, for an image within ±1; of a derivative, in
            units of the sum of its weights' sizes.
        truncate: cut the Gaussian at this many sigmas instead, as `scipy.ndimage.gaussian_filter` does.
        radius: or at this many pixels, one number or one for each of sigma's axes.

    Returns:
        The image's shape and dtype; integers are rounded. A derivative of integers is float32, of int32 float64.

    Raises:
        ArgumentError: a sigma that is negative, not finite, or beyond both 1000 and 4 times the longest axis; of a
            derivative, below 0.1; an order that is none from 0 to 8; a tolerance that is not between 0 and 1; a
            truncation that is not positive or above 40; a negative radius, or one beside `truncate`.
        ShapeError: not a picture, or not one sigma, order or radius for each axis.
        DtypeError: not one of the dtypes above.

    >>> click = np.zeros(9, np.float64)
    >>> click[4] = 1
    >>> blur(click, 1.0).round(3)
    array([0.   , 0.004, 0.054, 0.242, 0.399, 0.242, 0.054, 0.004, 0.   ])
    """
    picture: Any = as_picture(image)
    check_picture(picture, most=MOST_AXES)
    check_kept(picture)
    given = for_each_axis(sigma, min(picture.ndim, 2))
    sigmas = _sigmas(given, picture.shape)
    orders = _orders(order, sigmas)
    radii, allowed = _radii(sigmas, orders, tolerance, truncate, radius)
    border = Border.of(boundary, fill_value, len(sigmas))
    if is_tensor(picture):
        floats = as_exact_floats(picture)
        result = tensors.blur(floats.float() if is_half(floats) else floats, given, radii, orders, border)
        return result if any(orders) and not picture.is_floating_point() else in_dtype_of(picture, result)
    asked = _Blur(sigmas, radii, orders, border, allowed)
    if len(radii) == 2 and picture.ndim == 3 and picture.shape[2] == 4 and not any(orders):
        return in_strips(lambda rows: _blur_rgba(rows, asked), picture, reach=radii[0], boundary=border.boundary)
    return _blurred_rows(picture, asked) if isinstance(picture, Rows) else _blurred(picture, asked)


def blur_reach(
    picture: NDArray[Any] | Rows, sigma: Any, *, tolerance: Real = 1e-4, truncate: Real | None = None
) -> int:
    """How many rows above and below a pixel count for its blur. Errors as in `blur`."""
    sigmas = _sigmas(for_each_axis(sigma, min(picture.ndim, 2)), picture.shape)
    radii, _ = _radii(sigmas, (0,) * len(sigmas), tolerance, truncate, None)
    return radii[0]


class _Blur(NamedTuple):
    """What is asked for, each with one entry for each leading axis."""

    sigmas: tuple[float, ...]
    radii: tuple[int, ...]
    orders: tuple[int, ...]
    border: Border
    tolerance: float


def _blurred(picture: NDArray[Any], asked: _Blur) -> NDArray[Any]:
    """The leading axes blurred, each by its sigma."""
    if not any(asked.sigmas):
        return picture.copy()
    derived = any(asked.orders)
    work = picture if picture.dtype in _READ else as_exact_floats(picture)
    kernel, window = _kernel(asked, picture.ndim, as_exact_floats(picture[..., :0]).dtype == np.float64)
    rounded = picture.dtype if picture.dtype in _READ and picture.dtype.kind == "u" and not derived else None
    result = windows(work, kernel, window, tolerance=asked.tolerance, rounded=rounded)
    return result if derived else (result if result.dtype == picture.dtype else in_dtype_of(picture, result))


def _blurred_rows(picture: Rows, asked: _Blur) -> Strips:
    """The same of a picture that is not in memory, of unsigned integers: by what is chosen for the whole, if that can.

    Raises:
        MemoryRefused: it is of others.
    """
    if not any(asked.sigmas):
        return in_strips(np.copy, picture)
    if picture.dtype.kind != "u" or any(asked.orders):
        need_all(picture, "floats and derivatives")
    kernel, window = _kernel(asked, picture.ndim, False)
    return in_bands(picture, kernel, window, asked.tolerance)


@lru_cache(maxsize=64)
def _kernel(asked: _Blur, axes: int, wide: bool) -> tuple[Product, Window]:
    """The kernel for a picture with this number of axes, and how far the picture is extended for it."""
    rest, dtype = axes - len(asked.sigmas), np.float64 if wide else np.float32
    sides = (*asked.radii, *(0,) * rest)
    if any(asked.orders):
        # What is correlated with is the derivative's mirror image.
        lines = [
            derivative(sigma, radius, order)[::-1] if sigma > 0 else np.ones(1)
            for sigma, radius, order in zip(asked.sigmas, asked.radii, asked.orders, strict=True)
        ]
        kernel = Product((*lines, *[np.ones(1)] * rest)).astype(np.dtype(dtype))
    else:
        kernel = gaussian_product((*asked.sigmas, *(0.0,) * rest), sides, dtype)
    return kernel, Window(sides, sides, asked.border.for_axes(axes), asked.border.fill)


def _blur_rgba(picture: NDArray[Any], asked: _Blur) -> NDArray[Any]:
    """Colours weighted by their opacity, so that what cannot be seen does not bleed into what can."""
    weighted = np.array(as_exact_floats(picture))
    weighted[:, :, :3] *= weighted[:, :, 3:]
    blurred = _blurred(weighted, asked)
    opacity = blurred[:, :, 3:]
    np.divide(blurred[:, :, :3], opacity, out=blurred[:, :, :3], where=opacity > 0)
    kept: NDArray[Any] = in_dtype_of(picture, blurred)
    return kept


def check_kept(image: Any) -> None:
    """Refuses a picture whose dtype the result could not have.

    Raises:
        DtypeError: not one that pictures are kept in.
    """
    tensor = is_tensor(image)
    kept = str(image.dtype).removeprefix("torch.") in _KEPT_AS_TENSORS if tensor else image.dtype in _KEPT_BY_NUMPY
    if not kept:
        raise DtypeError(f"image: need {', '.join(_KEPT)}, got {image.dtype}")


def _sigmas(given: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[float, ...]:
    """One width for each of the leading axes, none so large that the Gaussian dwarfs the picture."""
    widths = tuple(as_real(s, "sigma", "finite widths of at least 0", _is_width) for s in given)
    if not min(2, len(shape)) <= len(widths) <= len(shape) or (len(shape) > 3 and len(widths) == 2):
        raise ShapeError(
            f"sigma: need one number, or one for each leading axis of {len(shape)}, got {len(widths)}; more than three "
            "axes need one for each"
        )
    max_sigma = max(_SIGMA_FOR_ANY_SIZE, _MAX_SIGMA_IN_SIDES * max(shape[: len(widths)]))
    if max(widths) > max_sigma:
        raise ArgumentError(
            f"sigma: need at most {max_sigma} for a picture of this size, got {max(widths):g}; "
            "blurred that far it is its mean"
        )
    return widths


def _is_width(sigma: float) -> bool:
    return sigma >= 0


def _orders(order: Any, sigmas: tuple[float, ...]) -> tuple[int, ...]:
    """The order of the derivative along each axis."""
    orders = for_each(order, "order", len(sigmas))
    if any(isinstance(o, bool) or not isinstance(o, int | np.integer) or not 0 <= o <= _MAX_ORDER for o in orders):
        raise ArgumentError(f"order: need whole numbers from 0 to {_MAX_ORDER}, got {order!r:.200}")
    if any(o > 0 and sigma < _MIN_DERIVED for o, sigma in zip(orders, sigmas, strict=True)):
        raise ArgumentError(f"sigma: need at least {_MIN_DERIVED:g} along an axis that is derived, got {min(sigmas):g}")
    return tuple(map(int, orders))


def _radii(
    sigmas: tuple[float, ...], orders: tuple[int, ...], tolerance: Real, truncate: Real | None, radius: Any
) -> tuple[tuple[int, ...], float]:
    """Where the kernel ends on each axis, and the error allowed; the axes share it, as their errors add up."""
    if radius is not None:
        if truncate is not None:
            raise ArgumentError("radius: need either a radius or truncate, got both")
        given = tuple(as_whole(one, "radius", 0) for one in for_each(radius, "radius", len(sigmas)))
        return tuple(r if sigma > 0 else 0 for r, sigma in zip(given, sigmas, strict=True)), 0.0
    if truncate is not None:
        need = f"a positive number of sigmas, at most {_MAX_TRUNCATE}"
        cut = as_real(truncate, "truncate", need, lambda t: 0 < t <= _MAX_TRUNCATE)
        return tuple(int(cut * sigma + 0.5) for sigma in sigmas), 0.0
    allowed = as_real(tolerance, "tolerance", "a number between 0 and 1", lambda t: 0 < t < 1)
    fraction = allowed / max(1, sum(sigma > 0 for sigma in sigmas))
    pairs = zip(sigmas, orders, strict=True)
    radii = tuple(derivative_radius(sigma, fraction, order) if sigma > 0 else 0 for sigma, order in pairs)
    return radii, 0.0 if any(orders) else allowed
