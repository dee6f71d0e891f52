"""Gaussian blur: each pixel becomes a mean of its neighbourhood, weighted by a bell of width sigma.

Separable, rows and columns in one sweep through the caches. A wide bell takes two steps over a thinned picture (see
`gaussian.py`), so that the cost falls with sigma instead of growing: towards that of reading and writing the picture.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens import _core
from convolens.arrays import Real, as_array, empty, is_tensor
from convolens.effects import tensors
from convolens.effects.gaussian import Windows, filtered, radius_within, thinned, thinning, untouched
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.shapes import Boundary, check_boundary

_WIDEST = 4  # sigmas in lengths of the longest axis; all is flat there, to 34 digits
_WIDE_ENOUGH = 1000  # pixels that any picture may be blurred by
_LONGEST_TRUNCATE = 40  # sigmas; beyond, a Gaussian is 0 in float64
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
    _check_picture(picture)
    axes = _axes(_sigmas(sigma, picture.shape), tolerance, truncate)
    if is_tensor(picture):
        return tensors.blur(picture, _as_given(sigma, len(axes)), tuple(axis.reach for axis in axes), known)
    picture = np.ascontiguousarray(picture)
    if len(axes) == 3:
        return _blur_stack(picture, axes, known)
    if picture.ndim == 3 and picture.shape[2] == 4:
        return _blur_rgba(picture, axes, known)
    return _blur_plane(picture.reshape(*picture.shape[:2], -1), axes, known).reshape(picture.shape)


class _Axis(NamedTuple):
    """How one axis is blurred: to what width, how far the bell reaches, and within what error."""

    sigma: float
    reach: int
    spacing: int  # of the places between two steps; 1 for one step
    tolerance: float


def _blur_stack(stack: NDArray[Any], axes: tuple[_Axis, ...], boundary: Boundary) -> NDArray[Any]:
    """Three axes: every slice by itself, then all of them along the first axis."""
    slices = np.stack([_blur_plane(plane[:, :, None], axes[1:], boundary)[:, :, 0] for plane in stack])
    depth = slices.reshape(len(stack), -1, 1)
    return _blur_plane(depth, (axes[0], _ALONE), boundary).reshape(stack.shape)


def _blur_plane(plane: NDArray[Any], axes: tuple[_Axis, ...], boundary: Boundary) -> NDArray[Any]:
    """Rows and columns of `(height, width, channels)`, in one step or in two."""
    if all(axis.sigma == 0 for axis in axes):
        return plane.copy()
    if any(axis.spacing > 1 for axis in axes):
        blurred = _in_two_steps(plane, axes, boundary)
        if blurred is not None:
            return blurred
    kind = "float64" if plane.dtype == np.float64 else "float32"
    down, across = (_one_step(n, axis, boundary, kind) for n, axis in zip(plane.shape, axes, strict=False))
    return _resample(plane, down, across, plane.dtype)


def _in_two_steps(plane: NDArray[Any], axes: tuple[_Axis, ...], boundary: Boundary) -> NDArray[Any] | None:
    """None where the picture holds NaN or infinity: the two steps would spread it further than the bell reaches."""
    kind = "float64" if plane.dtype == np.float64 else "float32"
    down, across = (
        thinned(n, axis.sigma, axis.spacing, axis.tolerance, boundary, kind)
        if axis.spacing > 1
        else (_one_step(n, axis, boundary, kind), None)
        for n, axis in zip(plane.shape, axes, strict=False)
    )
    small = _resample(plane, down[0], across[0], np.dtype(kind))
    if plane.dtype.kind == "f" and not np.isfinite(small).all():
        return None
    if down[1] and across[1]:  # columns first, while there are few rows
        small = _resample(small, untouched(len(small), kind), across[1], small.dtype)
        across = (across[0], None)
    back = [fill or untouched(n, kind) for (_, fill), n in zip((down, across), small.shape, strict=False)]
    return _resample(small, back[0], back[1], plane.dtype)


def _one_step(size: int, axis: _Axis, boundary: Boundary, kind: str) -> Windows:
    return filtered(size, axis.sigma, axis.reach, boundary, kind) if axis.sigma > 0 else untouched(size, kind)


def _resample(plane: NDArray[Any], down: Windows, across: Windows, dtype: np.dtype[Any]) -> NDArray[Any]:
    out = empty((len(down.first), len(across.first), plane.shape[2]), dtype)
    _core.resample(plane, down, across, out)
    return out


def _blur_rgba(picture: NDArray[Any], axes: tuple[_Axis, ...], boundary: Boundary) -> NDArray[Any]:
    """Colours weighted by their opacity, so that what cannot be seen does not bleed into what can."""
    weighted: Any = picture.astype(np.float64 if picture.dtype == np.float64 else np.float32)
    weighted[:, :, :3] *= weighted[:, :, 3:]
    blurred = _blur_plane(weighted, axes, boundary)
    opacity = blurred[:, :, 3:]
    np.divide(blurred[:, :, :3], opacity, out=blurred[:, :, :3], where=opacity > 0)
    return _as_kept(blurred, picture.dtype)


def _as_kept(work: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return work.astype(dtype, copy=False)
    return np.asarray(np.rint(work).clip(0, np.iinfo(dtype).max), dtype)


def _check_picture(image: Any) -> None:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(
            f"image: need (height, width) or (height, width, channels), not empty, got {tuple(image.shape)}"
        )
    if str(image.dtype).removeprefix("torch.") not in _KEPT:
        raise DtypeError(f"image: need {', '.join(_KEPT)}, got {image.dtype}")


def _sigmas(sigma: Any, shape: tuple[int, ...]) -> tuple[float, ...]:
    """One width for each of the leading axes, none so large that the bell dwarfs the picture."""
    widths = tuple(float(s.detach() if is_tensor(s) else s) for s in _as_given(sigma, 2))
    if not 2 <= len(widths) <= len(shape):
        raise ShapeError(f"sigma: need one number, or one for each leading axis of {len(shape)}, got {len(widths)}")
    if not all(math.isfinite(s) and s >= 0 for s in widths):
        raise ArgumentError(f"sigma: need finite widths of at least 0, got {_named(widths)}")
    widest = max(_WIDE_ENOUGH, _WIDEST * max(shape[: len(widths)]))
    if max(widths) > widest:
        raise ArgumentError(
            f"sigma: need at most {widest} for a picture of this size, got {_named(widths)}; "
            "blurred that far it is its mean"
        )
    return widths


def _named(widths: tuple[float, ...]) -> str:
    """The widths for a message; one that counts for every axis is named once."""
    names = [f"{s:g}" for s in widths]
    return ", ".join(names if len(set(names)) > 1 else names[:1])


def _as_given(sigma: Any, axes: int) -> tuple[Any, ...]:
    """The widths as the caller's own objects, so that a tensor's gradient is kept."""
    return tuple(sigma) if np.ndim(sigma) == 1 else (sigma,) * axes


def _axes(widths: tuple[float, ...], tolerance: Real, truncate: Real | None) -> tuple[_Axis, ...]:
    """How each axis is blurred; the axes share the tolerance, as their errors add up."""
    if truncate is not None:
        if not 0 < truncate <= _LONGEST_TRUNCATE:
            raise ArgumentError(
                f"truncate: need a positive number of sigmas, at most {_LONGEST_TRUNCATE}, got {truncate}"
            )
        return tuple(_Axis(s, int(truncate * s + 0.5), 1, 0.0) for s in widths)
    if not 0 < tolerance < 1:
        raise ArgumentError(f"tolerance: need a number between 0 and 1, got {tolerance}")
    share = float(tolerance) / max(1, sum(s > 0 for s in widths))
    return tuple(_Axis(s, radius_within(s, share), thinning(s, share), share) if s > 0 else _ALONE for s in widths)


_ALONE = _Axis(0.0, 0, 1, 0.0)
