"""Gaussian blur: each pixel becomes a mean of its neighbourhood, weighted by a Gaussian of width sigma.

A call of the planner with a kernel known to be a Gaussian, and with the error that is allowed. A narrow one is
separable: rows and columns in one sweep through the caches. A wide one goes by `multirate`, over a decimated picture,
so that the cost falls with sigma instead of growing: towards that of reading and writing the picture.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_real, is_tensor
from convolens.convolution.gaussian import radius_within
from convolens.convolution.product import Product, gaussian_product
from convolens.convolution.spec import Window
from convolens.convolution.windows import windows
from convolens.effects import tensors
from convolens.effects.pictures.picture import as_floats, check_picture, for_each_axis, in_dtype_of
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary, check_boundary
from convolens.strips import in_strips

_MAX_SIGMA_IN_SIDES = 4  # sigmas in lengths of the longest axis; all is flat there, to 34 digits
_SIGMA_FOR_ANY_SIZE = 1000  # pixels that any picture may be blurred by
_MAX_TRUNCATE = 40  # sigmas; beyond, a Gaussian is 0 in float64
_KEPT = ("uint8", "uint16", "float32", "float64")
_KEPT_BY_NUMPY = frozenset(map(np.dtype, _KEPT))


def blur(
    image: Num[Any, "height width ..."],
    sigma: Any,
    *,
    boundary: Boundary = "symmetric",
    tolerance: Real = 1e-4,
    truncate: Real | None = None,
) -> Num[Any, "height width ..."]:
    """The picture, blurred by a Gaussian.

    Args:
        image: `(H, W)` or `(H, W, C)`; uint8, uint16, float32 or float64. Four channels are RGBA: colours count as
            much as they are opaque.
        sigma: width of the Gaussian in pixels, one for rows and columns or one for each of the leading axes, so that
            three blur a stack `(depth, height, width)`. 0 leaves an axis alone.
        boundary: how the picture is extended beyond its borders, one of `numpy.pad`'s names.
        tolerance: largest error against the infinite sampled Gaussian, for an image within ±1.
        truncate: cut the Gaussian at this many sigmas instead, as `scipy.ndimage.gaussian_filter` does.

    Returns:
        The image's shape and dtype; integers are rounded.

    Raises:
        ArgumentError: a sigma that is negative, not finite, or beyond both 1000 and 4 times the longest axis; a
            tolerance that is not between 0 and 1; a truncation that is not positive or above 40.
        ShapeError: not a picture, or not one sigma for each axis.
        DtypeError: not one of the dtypes above.

    >>> click = np.zeros(9, np.float64)
    >>> click[4] = 1
    >>> blur(click[None], (0, 1.0)).round(3)
    array([[0.   , 0.004, 0.054, 0.242, 0.399, 0.242, 0.054, 0.004, 0.   ]])
    """
    known = check_boundary(boundary)
    picture: Any = image if is_tensor(image) else as_array(image, "image")
    check_picture(picture)
    check_kept(picture)
    given = for_each_axis(sigma, 2)
    sigmas = _sigmas(given, picture.shape)
    radii, allowed = _radii(sigmas, tolerance, truncate)
    if is_tensor(picture):
        return in_dtype_of(picture, tensors.blur(as_floats(picture), given, radii, known))
    if len(radii) == 2 and picture.ndim == 3 and picture.shape[2] == 4:

        def blurred(rows: NDArray[Any]) -> NDArray[Any]:
            return _blur_rgba(rows, sigmas, radii, known, allowed)

        return in_strips(blurred, picture, reach=radii[0], boundary=known)
    return _blurred(picture, sigmas, radii, known, allowed)


def blur_reach(picture: NDArray[Any], sigma: Any, *, tolerance: Real = 1e-4, truncate: Real | None = None) -> int:
    """How many rows above and below a pixel count for its blur. Errors as in `blur`."""
    radii, _ = _radii(_sigmas(for_each_axis(sigma, 2), picture.shape), tolerance, truncate)
    return radii[0]


def _blurred(
    picture: NDArray[Any], sigmas: tuple[float, ...], radii: tuple[int, ...], boundary: Boundary, tolerance: float
) -> NDArray[Any]:
    """The leading axes blurred, each by its sigma."""
    if not any(sigmas):
        return picture.copy()
    kernel, window = _kernel(sigmas, radii, picture.ndim, picture.dtype == np.float64, boundary)
    rounded = picture.dtype if picture.dtype.kind == "u" else None
    return windows(picture, kernel, window, tolerance=tolerance, rounded=rounded)


@lru_cache(maxsize=64)
def _kernel(
    sigmas: tuple[float, ...], radii: tuple[int, ...], axes: int, wide: bool, boundary: Boundary
) -> tuple[Product, Window]:
    """The kernel for a picture with this number of axes, and how far the picture is extended for it."""
    rest = axes - len(sigmas)
    sides = (*radii, *(0,) * rest)
    kernel = gaussian_product((*sigmas, *(0.0,) * rest), sides, np.float64 if wide else np.float32)
    return kernel, Window(sides, sides, boundary)


def _blur_rgba(
    picture: NDArray[Any], sigmas: tuple[float, ...], radii: tuple[int, ...], boundary: Boundary, tolerance: float
) -> NDArray[Any]:
    """Colours weighted by their opacity, so that what cannot be seen does not bleed into what can."""
    weighted = np.array(as_floats(picture))
    weighted[:, :, :3] *= weighted[:, :, 3:]
    blurred = _blurred(weighted, sigmas, radii, boundary, tolerance)
    opacity = blurred[:, :, 3:]
    np.divide(blurred[:, :, :3], opacity, out=blurred[:, :, :3], where=opacity > 0)
    kept: NDArray[Any] = in_dtype_of(picture, blurred)
    return kept


def check_kept(image: Any) -> None:
    """Refuses a picture whose dtype the result could not have.

    Raises:
        DtypeError: not one that pictures are kept in.
    """
    kept = str(image.dtype).removeprefix("torch.") in _KEPT if is_tensor(image) else image.dtype in _KEPT_BY_NUMPY
    if not kept:
        raise DtypeError(f"image: need {', '.join(_KEPT)}, got {image.dtype}")


def _sigmas(given: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[float, ...]:
    """One width for each of the leading axes, none so large that the Gaussian dwarfs the picture."""
    widths = tuple(as_real(s, "sigma", "finite widths of at least 0", _is_width) for s in given)
    if not 2 <= len(widths) <= len(shape):
        raise ShapeError(f"sigma: need one number, or one for each leading axis of {len(shape)}, got {len(widths)}")
    max_sigma = max(_SIGMA_FOR_ANY_SIZE, _MAX_SIGMA_IN_SIDES * max(shape[: len(widths)]))
    if max(widths) > max_sigma:
        raise ArgumentError(
            f"sigma: need at most {max_sigma} for a picture of this size, got {max(widths):g}; "
            "blurred that far it is its mean"
        )
    return widths


def _is_width(sigma: float) -> bool:
    return sigma >= 0


def _radii(sigmas: tuple[float, ...], tolerance: Real, truncate: Real | None) -> tuple[tuple[int, ...], float]:
    """Where the kernel ends on each axis, and the error allowed; the axes share it, as their errors add up."""
    if truncate is not None:
        need = f"a positive number of sigmas, at most {_MAX_TRUNCATE}"
        cut = as_real(truncate, "truncate", need, lambda t: 0 < t <= _MAX_TRUNCATE)
        return tuple(int(cut * sigma + 0.5) for sigma in sigmas), 0.0
    allowed = as_real(tolerance, "tolerance", "a number between 0 and 1", lambda t: 0 < t < 1)
    fraction = allowed / max(1, sum(sigma > 0 for sigma in sigmas))
    return tuple(radius_within(sigma, fraction) if sigma > 0 else 0 for sigma in sigmas), allowed
