"""Unblur: a picture without its blur, as far as the noise left it there.

    y = k ∗ x + n

Where the kernel lets a frequency through, it can be brought back; where it leaves less than the noise, only a guess of
what pictures are like can fill it in. The kernel is given, or found in the picture (`blur_search.py`); what is done
then is in `deconvolution.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_real, is_tensor
from convolens.effects.kernels import named_or_read
from convolens.effects.pictures.blur import check_kept
from convolens.effects.pictures.blur_search import KINDS, TILE, find_blur, mean_power, need_finite
from convolens.effects.pictures.deconvolution import by_total_variation, by_wiener, place, transfer
from convolens.effects.pictures.picture import as_exact_floats, check_picture, in_dtype_of
from convolens.errors import ArgumentError, BoundaryError, DtypeError, NothingFoundError, ShapeError, need_one_of
from convolens.memory import need_memory
from convolens.strips import Rows, need_all

METHODS = {"tv": by_total_variation, "wiener": by_wiener}
_CANVASES = 16  # floats for each pixel and channel that are held at once
_FLAT = 0.999  # |H| everywhere, of a kernel that blurs nothing
_HELD_BACK, _CLEAR = 0.5, 3.0  # |H| below which a frequency is to be brought back; its power in units of the noise's
_MIN_REGAINED = 1 / 500  # of all frequencies
_LEAKY = 5  # cycles in a tile: as far as windows spread what is coarser
_LEAST_TILE = 16  # frequencies along a side, of fewer nothing is to be judged
_DARK = 1e-3  # |H|² below which all that is seen is noise
_STRAY = 10  # medians, above which power is none of noise, but leaks from elsewhere
_ROUNDING = 12**-0.5  # standard deviation of a rounded level
_LEAST = 1e-5  # of the range of values: noise that arithmetic makes by itself


def unblur(
    image: Num[Any, "height width ..."],
    kernel: Any = None,
    *,
    method: Literal["tv", "wiener"] = "tv",
    noise: Real | None = None,
    boundary: Literal["wrap"] | None = None,
) -> Num[Any, "height width ..."]:
    """The picture without its blur, which is found in it unless it is given.

    Args:
        image: `(H, W)` or `(H, W, C)`, of a dtype as in `blur`, and not smaller than the kernel. All channels have the
            same blur; of RGBA only the colours are sharpened.
        kernel: the weights of the blur, two axes, as `cl.kernel("disk", 4)`; their sum is taken for 1. Or a kind,
            `gaussian`, `disk` or `motion`, of which the width is found by `find_blur`; by default the likeliest kind.
        method: `tv`, total variation together with Wiener's filter, or `wiener`, Wiener's filter alone: a fifth of the
            time, for texture as good, for edges 1 to 3 dB worse.
        noise: standard deviation in the image's units; found in the picture by default.
        boundary: `wrap` if the picture was blurred as if it repeated itself. By default nothing is supposed of what lay
            beyond its borders.

    Returns:
        The image's shape and dtype. Integers are rounded and clipped; floats are not.

    Raises:
        NothingFoundError: no blur found, or nothing of it can be got back: noise covers all that the kernel left.
        ArgumentError: weights that sum to 0; a negative noise; NaN or infinities.
        ShapeError: not a picture, or smaller than the kernel; a kernel that has not two axes.
        DtypeError: a tensor, or not one of the dtypes.
        MemoryRefused: the picture needs more than the budget.

    >>> photo = np.zeros((64, 64), np.float32)
    >>> photo[20:40, 24:44] = 1
    >>> from convolens.effects.kernels import kernel
    >>> from convolens.convolution import convolve
    >>> disk = kernel("disk", 3)
    >>> blurred = convolve(photo, disk, "same").astype(np.float32)
    >>> bool(abs(unblur(blurred, disk, noise=1e-3) - photo).mean() < abs(blurred - photo).mean() / 4)
    True
    """
    need_one_of("method", method, METHODS)
    if boundary is not None and not (isinstance(boundary, str) and boundary == "wrap"):
        raise BoundaryError(f"boundary: need wrap, or None for whatever lay beyond the picture, got {boundary!r}")
    if is_tensor(image):
        raise DtypeError("image: need a NumPy array, got a tensor; image.numpy() makes one")
    picture = as_array(image, "image")
    check_picture(picture)
    check_kept(picture)
    need_finite(picture)
    stated = _stated(noise)
    weights = _weights(picture, kernel)
    if (np.abs(transfer(weights, picture.shape[:2])) > _FLAT).all():
        return picture.copy()
    need_memory(_CANVASES * picture.size * 4, f"image of {picture.shape}", "unblur a part of it")
    colors = 3 if picture.ndim == 3 and picture.shape[2] == 4 else None
    floats = np.atleast_3d(as_exact_floats(picture))[:, :, :colors]
    scale = float(np.abs(floats).max()) or 1.0
    least = max(_LEAST * scale, _ROUNDING if picture.dtype.kind in "iu" else 0.0)
    level = max(stated if stated is not None else _noise(floats, weights), least)
    _check_regained(floats, weights, level)
    placed = place(floats / floats.dtype.type(scale), weights, level / scale, wraps=boundary == "wrap")
    return _as_given(picture, METHODS[method](placed) * floats.dtype.type(scale))


def unblur_by(
    image: NDArray[Any] | Rows, words: str | None, *, tell: Callable[[str], object] | None = None, **options: Any
) -> NDArray[Any]:
    """`unblur` by a kernel in words: a kind to find the width of, `disk:4`, a file with weights; None finds all.

    What is found is told, if somebody listens.
    """
    need_one_of("method", options.get("method", "tv"), METHODS)  # before what takes long
    _stated(options.get("noise"))
    image = need_all(image, "what undoes a blur, which is spread over all of it")
    if words is None or words in KINDS:
        found = find_blur(image, words)
        if tell is not None:
            tell(f"found a {found}")
        weights: NDArray[Any] = found.kernel
    else:
        weights = named_or_read(words)
    made: NDArray[Any] = unblur(image, weights, **options)
    return made


def _stated(noise: Real | None) -> float | None:
    return None if noise is None else as_real(noise, "noise", "a finite number of at least 0", lambda n: n >= 0)


def _as_given(picture: NDArray[Any], sharp: NDArray[Any]) -> NDArray[Any]:
    kept: NDArray[Any] = in_dtype_of(picture, sharp.reshape(*picture.shape[:2], *sharp.shape[2:][: picture.ndim - 2]))
    if kept.shape != picture.shape:  # opacity stays
        kept = np.concatenate([kept, picture[:, :, 3:]], axis=2)
    return kept


def _weights(picture: NDArray[Any], kernel: Any) -> NDArray[np.float64]:
    """The blur's weights, their sum 1."""
    if kernel is None or isinstance(kernel, str):
        need_one_of("kernel", kernel or "disk", KINDS)
        kernel = find_blur(picture, kernel).kernel
    weights = as_array(kernel, "kernel").astype(np.float64)
    if weights.ndim != 2 or weights.size == 0:
        raise ShapeError(f"kernel: need rows and columns of weights, got {weights.shape}")
    if any(k > side for k, side in zip(weights.shape, picture.shape[:2], strict=True)):
        raise ShapeError(f"image: need one no smaller than the kernel, {weights.shape}, got {picture.shape[:2]}")
    total = float(weights.sum())
    if not np.isfinite(weights).all() or not total > 1e-9 * float(np.abs(weights).sum()):
        raise ArgumentError(f"kernel: need finite weights with a sum above 0, as a blur has, got a sum of {total:g}")
    return weights / total


def _noise(floats: NDArray[Any], weights: NDArray[np.float64]) -> float:
    """Its standard deviation, from what the picture has at frequencies that the kernel holds back."""
    power, seen = _powers(floats, weights)
    dark = seen < _DARK
    if dark.sum() < dark.size // 100:
        dark = seen <= np.quantile(seen, 0.01)
    powers = power[dark]
    return float(np.sqrt(powers[powers <= _STRAY * np.median(powers)].mean()))


def _check_regained(floats: NDArray[Any], weights: NDArray[np.float64], noise: float) -> None:
    power, seen = _powers(floats, weights)
    size = len(power)
    if size < _LEAST_TILE:
        return
    near = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * size <= _LEAKY
    power[near] = noise**2
    for axis in (0, 1, 0, 1):  # single frequencies of few tiles are above the noise by chance
        power = (np.roll(power, 1, axis) + power + np.roll(power, -1, axis)) / 3
    share = float(((seen < _HELD_BACK**2) & (power > _CLEAR * noise**2)).mean())
    if share < _MIN_REGAINED:
        raise NothingFoundError(
            f"image: need detail that the blur left above the noise (of {noise:.3g}), found it at {share:.2%} of the "
            "frequencies that it weakened: nothing can be got back"
        )


def _powers(floats: NDArray[Any], weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean power of the channels in tiles, white noise's being its variance, and |H|² there."""
    tile = max(TILE, 4 * max(weights.shape))
    power = np.mean([mean_power(one.astype(np.float64), tile) for one in np.moveaxis(floats, 2, 0)], axis=0)
    return power, np.abs(transfer(weights, (len(power), len(power)))) ** 2
