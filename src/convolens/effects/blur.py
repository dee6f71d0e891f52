"""Gaussian blur: each pixel becomes a mean of its neighbourhood, weighted by a bell of width sigma.

Separable: rows, then columns, so that a pixel costs 2 · (2r + 1) multiplications instead of (2r + 1)².
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, is_tensor
from convolens.convolution import correlate
from convolens.effects import tensors
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary, check_boundary

_KEPT = ("uint8", "uint16", "float32", "float64")


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
        sigma: width of the bell in pixels, one for rows and columns or one for each of the leading axes, so that
            three blur a stack `(depth, height, width)`. 0 leaves an axis alone.
        boundary: how the picture goes on beyond its borders, one of `numpy.pad`'s names.
        tolerance: largest error against the infinite sampled Gaussian, for an image within ±1.
        truncate: cut the bell at this many sigmas instead, as `scipy.ndimage.gaussian_filter` does.

    Returns:
        The image's shape and dtype; integers are rounded.

    Raises:
        ArgumentError: a sigma that is negative or not finite, or a tolerance or truncation that is not positive.
        ShapeError: not a picture, or not one sigma for each axis.
        DtypeError: not one of the dtypes above.

    >>> click = np.zeros(9, np.float64)
    >>> click[4] = 1
    >>> blur(click[None], (0, 1.0)).round(3)
    array([[0.   , 0.004, 0.054, 0.242, 0.399, 0.242, 0.054, 0.004, 0.   ]])
    """
    known = check_boundary(boundary)
    picture: Any = image if is_tensor(image) else as_array(image, "image")
    _check_picture(picture)
    widths = _sigmas(sigma, picture.ndim)
    reaches = _reaches(widths, tolerance, truncate)
    if is_tensor(picture):
        return tensors.blur(picture, _as_given(sigma, len(widths)), reaches, known)
    work = picture if picture.dtype == np.float64 else picture.astype(np.float32)
    if work.ndim == 3 and work.shape[2] == 4 and len(widths) == 2:
        return _as_kept(_blur_rgba(work, widths, reaches, known), picture.dtype)
    return _as_kept(_blur_axes(work, widths, reaches, known), picture.dtype)


def gaussian(sigma: float, radius: int) -> NDArray[np.float64]:
    """The sampled Gaussian at -radius … radius, with sum 1.

    >>> gaussian(1.0, 1).round(4)
    array([0.2741, 0.4519, 0.2741])
    """
    at = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 * (at / sigma) ** 2)
    return np.asarray(bell / bell.sum())


@lru_cache(maxsize=64)
def radius_within(sigma: float, tolerance: Real) -> int:
    """How far a Gaussian must reach so that cutting it errs by at most `tolerance` for an image within ±1.

    What is cut off, t of the whole, is missing once, and once more because the rest is scaled up to sum 1: 2t.

    >>> radius_within(5.0, 1e-4)
    20
    """
    furthest = max(1, math.ceil(40 * sigma))
    bell = np.exp(-0.5 * (np.arange(furthest + 1) / sigma) ** 2)
    beyond = np.concatenate([bell[::-1].cumsum()[::-1][1:], [0.0]])  # beyond[r]: one side, from r + 1 on
    lost = 4 * beyond / (2 * bell.sum() - bell[0])
    return int(np.argmax(lost <= tolerance))


def _blur_axes(work: Any, widths: tuple[float, ...], reaches: tuple[int, ...], boundary: Boundary) -> Any:
    for axis, (width, reach) in enumerate(zip(widths, reaches, strict=True)):
        if width > 0:
            bell = gaussian(width, reach).astype(work.dtype)
            work = correlate(work, bell, "same", axes=axis, boundary=boundary)
    return work


def _blur_rgba(work: Any, widths: tuple[float, ...], reaches: tuple[int, ...], boundary: Boundary) -> Any:
    """Colours weighted by their opacity, so that what cannot be seen does not bleed into what can."""
    weighted = work.copy()
    weighted[:, :, :3] *= work[:, :, 3:]
    blurred = _blur_axes(weighted, widths, reaches, boundary)
    opacity = blurred[:, :, 3:]
    np.divide(blurred[:, :, :3], opacity, out=blurred[:, :, :3], where=opacity > 0)
    return blurred


def _as_kept(work: NDArray[Any], dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return work.astype(dtype, copy=False)
    return np.rint(work).clip(0, np.iinfo(dtype).max).astype(dtype)


def _check_picture(image: Any) -> None:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(
            f"image: need (height, width) or (height, width, channels), not empty, got {tuple(image.shape)}"
        )
    if str(image.dtype).removeprefix("torch.") not in _KEPT:
        raise DtypeError(f"image: need {', '.join(_KEPT)}, got {image.dtype}")


def _sigmas(sigma: Any, dimensions: int) -> tuple[float, ...]:
    """One width for each of the leading axes."""
    widths = tuple(float(s.detach() if is_tensor(s) else s) for s in _as_given(sigma, 2))
    if not 2 <= len(widths) <= dimensions:
        raise ShapeError(f"sigma: need one number, or one for each leading axis of {dimensions}, got {len(widths)}")
    if not all(math.isfinite(s) and s >= 0 for s in widths):
        raise ArgumentError(f"sigma: need finite widths of at least 0, got {', '.join(f'{s:g}' for s in widths)}")
    return widths


def _as_given(sigma: Any, axes: int) -> tuple[Any, ...]:
    """The widths as the caller's own objects, so that a tensor's gradient is kept."""
    return tuple(sigma) if np.ndim(sigma) == 1 else (sigma,) * axes


def _reaches(widths: tuple[float, ...], tolerance: Real, truncate: Real | None) -> tuple[int, ...]:
    """How many pixels each axis' bell reaches to either side; the axes share the tolerance, as their errors add up."""
    if truncate is not None:
        if not (math.isfinite(truncate) and truncate > 0):
            raise ArgumentError(f"truncate: need a positive number of sigmas, got {truncate}")
        return tuple(int(truncate * s + 0.5) for s in widths)
    if not 0 < tolerance < 1:
        raise ArgumentError(f"tolerance: need a number between 0 and 1, got {tolerance}")
    share = tolerance / max(1, sum(s > 0 for s in widths))
    return tuple(radius_within(s, share) if s > 0 else 0 for s in widths)
