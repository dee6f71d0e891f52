"""Pictures in another size: a convolution of rows and one of columns, whose outputs lie as far apart as the sizes say.

Both in one sweep of the core over the picture, which it reads as it is. Time: that of reading the picture, and of the
weights for each pixel of the result; memory: the result. RGBA and linear light are floats on the way, by strips.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens import strips
from convolens.arrays import as_flag, as_whole, empty, is_tensor
from convolens.convolution.resampling import Windows, planes, resample
from convolens.convolution.resizing import INTERPOLATIONS, Interpolation, applied, as_matrix, resized
from convolens.effects.pictures.blur import check_kept
from convolens.effects.pictures.light import from_light, to_light
from convolens.effects.pictures.picture import as_exact_floats, check_picture, in_dtype_of
from convolens.errors import ArgumentError, DtypeError, need_one_of
from convolens.memory import need_memory
from convolens.strips import Rows, Strips, as_picture

_READ = frozenset(map(np.dtype, ("uint8", "uint16", "float32", "float64")))
_MAX_SIDE = 1 << 24  # pixels


def resize(
    image: Num[Any, "height width ..."],
    size: int | tuple[int, int],
    *,
    interpolation: Interpolation = "cubic",
    antialias: bool = True,
    linear_light: bool = False,
) -> Num[Any, "rows columns ..."]:
    """The picture in another size.

    Args:
        image: `(H, W)` or `(H, W, C)`, of a dtype as in `blur`. Four channels are RGBA: colours count as much as they
            are opaque.
        size: height and width in pixels; or one number, that of the longer side, to which the other is in proportion.
        interpolation: `area`, each pixel the mean of what it covers; `linear`, `cubic` (Keys', of slope -1/2) or
            `lanczos` (of three lobes), which is the sharpest. Pillow's `BILINEAR`, `BICUBIC`, `LANCZOS`, to its
            rounding; `area` is OpenCV's where the picture shrinks.
        antialias: whether the kernel is as wide as the pixels of the result, so that none of the picture is passed
            over where it shrinks. `area` always is.
        linear_light: whether light is averaged in place of the numbers that sRGB keeps of it: then fine black and white
            lines become as bright a grey as they look from afar. White must be that of the dtype, 1 for floats.

    Returns:
        `(height, width)` or `(height, width, C)` in the image's dtype. Integers are rounded and clipped; floats are
        not, and where a kernel has negative weights may pass the picture's own.

    Raises:
        ArgumentError: a size that is none, no such interpolation.
        ShapeError: not a picture.
        DtypeError: not one of the dtypes above; linear light of a tensor, or of signed integers.
        MemoryRefused: the result needs more than the budget.

    >>> resize(np.float64([[0, 0, 1, 1], [0, 0, 1, 1]]), (1, 2), interpolation="area")
    array([[0., 1.]])
    """
    need_one_of("interpolation", interpolation, INTERPOLATIONS)
    as_flag(antialias, "antialias")
    as_flag(linear_light, "linear_light")
    picture: Any = as_picture(image)
    check_picture(picture)
    check_kept(picture)
    rows, columns = target_size(size, picture.shape[:2])
    if is_tensor(picture):
        if linear_light:
            raise DtypeError("image: need a NumPy array for linear light, got a tensor")
        return _of_tensor(picture, rows, columns, interpolation, antialias)
    if linear_light and picture.dtype.kind == "i":
        raise DtypeError(f"image: need unsigned integers or floats in [0, 1] for linear light, got {picture.dtype}")
    if isinstance(picture, Rows):
        return Strips.of(rows, _strips(picture, rows, columns, interpolation, antialias, linear_light))
    need_memory(
        rows * columns * picture[:1, :1].size * picture.itemsize, f"picture of {rows} × {columns}", "ask for less"
    )
    return _resized(picture, rows, columns, interpolation, antialias, linear_light)


def resize_by(image: NDArray[Any] | Rows, words: str, **options: Any) -> Any:
    """`resize` to a size in words: `1024`, the longer side; `800x600`, width and height; `50%` of both.

    Raises:
        ArgumentError: other words; and errors of `resize`.

    >>> resize_by(np.zeros((30, 40)), "50%").shape
    (15, 20)
    """
    found = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?|(\d{1,5}(?:\.\d+)?)%", words.strip())
    if found is None:
        raise ArgumentError(f"size: need pixels of the longer side, width x height or percent, got {words!r:.80}")
    if found[3]:
        sides = (max(1, round(side * float(found[3]) / 100)) for side in image.shape[:2])
        height, width = sides
        size: int | tuple[int, int] = height, width
    else:
        size = (int(found[2]), int(found[1])) if found[2] else int(found[1])
    return resize(image, size, **options)


def target_size(size: Any, of: tuple[int, ...]) -> tuple[int, int]:
    """Height and width that a size means for a picture.

    Raises:
        ArgumentError: neither one nor two whole numbers of pixels.

    >>> target_size(100, (300, 400)), target_size((7, 8), (300, 400))
    ((75, 100), (7, 8))
    """
    several = isinstance(size, tuple | list)
    if several and len(size) != 2:
        raise ArgumentError(f"size: need height and width, or the longer side alone, got {len(size)} numbers")
    sides = [as_whole(side, "size", 1) for side in (size if several else (size,))]
    if max(sides) > _MAX_SIDE:
        raise ArgumentError(f"size: need at most {_MAX_SIDE:,} pixels a side, got {max(sides):,}")
    if several:
        return sides[0], sides[1]
    longest = max(of[:2])
    height, width = (max(1, round(side * sides[0] / longest)) for side in of[:2])
    return height, width


def _resized(
    picture: NDArray[Any], rows: int, columns: int, interpolation: Interpolation, antialias: bool, linear: bool
) -> NDArray[Any]:
    """As it is where the core reads and writes it, else by strips of the result in floats."""
    out: NDArray[Any] = empty((rows, columns, *picture.shape[2:]), picture.dtype)
    if _is_straight(picture, linear):
        dtype = _computed(picture, linear)
        down, across = (
            resized(of, to, interpolation, antialias, dtype, 0, to)
            for of, to in zip(picture.shape[:2], (rows, columns), strict=True)
        )
        down, begin, end = _cut(down)
        _swept(picture[begin:end], down, across, out)
        return out
    start = 0
    for strip in _strips(picture, rows, columns, interpolation, antialias, linear):
        out[start : start + len(strip)] = strip
        start += len(strip)
    return out


def _is_straight(picture: NDArray[Any] | Rows, linear: bool) -> bool:
    """Whether the core reads and writes it as it is."""
    rgba = picture.ndim == 3 and picture.shape[2] == 4
    return picture.dtype in _READ and not rgba and not linear


def _computed(picture: NDArray[Any] | Rows, linear: bool) -> np.dtype[Any]:
    """What is computed in."""
    wide = picture.dtype == np.float64 or (picture.dtype == np.int32 and not _is_straight(picture, linear))
    return np.dtype(np.float64 if wide else np.float32)


def _strips(
    picture: NDArray[Any] | Rows, rows: int, columns: int, interpolation: Interpolation, antialias: bool, linear: bool
) -> Iterator[NDArray[Any]]:
    """The result by strips: to the bit what it is as a whole, as each of its rows has its own weights."""
    dtype, height = _computed(picture, linear), picture.shape[0]
    straight, rgba = _is_straight(picture, linear), picture.ndim == 3 and picture.shape[2] == 4
    across = resized(picture.shape[1], columns, interpolation, antialias, dtype, 0, columns)
    step = _strip_rows(picture, rows, dtype)
    whole = resized(height, rows, interpolation, antialias, dtype, 0, rows) if straight else None
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        if whole is not None:
            part = whole._replace(
                first=whole.first[start:stop], phase=whole.phase[: stop - start], weights=whole.weights[start:stop]
            )
        else:
            part = resized(height, rows, interpolation, antialias, dtype, start, stop)
        down, begin, end = _cut(part)
        band = 2 * (end - begin) * picture.shape[1] * math.prod(picture.shape[2:]) * dtype.itemsize
        need_memory(band, f"image of {picture.shape}", "make it smaller")
        if straight:
            strip = np.empty((stop - start, columns, *picture.shape[2:]), picture.dtype)
            _swept(picture[begin:end], down, across, strip)
            yield strip
            continue
        strip = np.empty((stop - start, columns, *picture.shape[2:]), dtype)
        _swept(_to_floats(picture[begin:end], rgba, linear), down, across, strip)
        yield _from_floats(strip, picture.dtype, rgba, linear)


def _strip_rows(picture: NDArray[Any] | Rows, rows: int, dtype: np.dtype[Any]) -> int:
    """Rows of the result that are done at once."""
    row = math.prod(picture.shape[1:]) * dtype.itemsize * max(1.0, picture.shape[0] / rows)
    return max(1, min(rows, int(strips.STRIP_BYTES / row)))


def _cut(windows: Windows) -> tuple[Windows, int, int]:
    """Windows over the samples that they look at alone, and which those are."""
    begin, end = int(windows.first[0]), int(windows.first[-1]) + windows.weights.shape[1]
    return windows._replace(map=np.arange(end - begin), first=windows.first - begin), begin, end


def _swept(part: NDArray[Any], down: Windows, across: Windows, out: NDArray[Any]) -> None:
    part = np.ascontiguousarray(part)
    resample(part, planes(part.shape, 0, (down, across)), out)
    if out.dtype.kind == "f" and not np.isfinite(out.sum()):  # neighbours share windows, in which a NaN would spread
        out[...] = applied(applied(part, down, 0), across, 1)


def _to_floats(part: NDArray[Any], rgba: bool, linear: bool) -> NDArray[Any]:
    floats = np.array(to_light(part) if linear else as_exact_floats(part))
    if rgba:
        alpha = as_exact_floats(part[:, :, 3:])
        floats[:, :, 3:] = alpha
        floats[:, :, :3] *= alpha
    return floats


def _from_floats(strip: NDArray[Any], like: np.dtype[Any], rgba: bool, linear: bool) -> NDArray[Any]:
    alpha = strip[:, :, 3:].copy() if rgba else None
    if alpha is not None:
        np.divide(strip[:, :, :3], alpha, out=strip[:, :, :3], where=alpha > 0)
    levels = from_light(strip, like) if linear else strip
    if alpha is not None:
        levels[:, :, 3:] = alpha
    found: NDArray[Any] = in_dtype_of(np.empty(0, like), levels)
    return found


def _of_tensor(picture: Any, rows: int, columns: int, interpolation: Interpolation, antialias: bool) -> Any:
    """By products with the windows' matrices, which autograd knows."""
    torch = sys.modules["torch"]
    floats = as_exact_floats(picture)
    floats = floats.float() if floats.element_size() == 2 else floats
    down, across = (
        torch.tensor(as_matrix(resized(n, m, interpolation, antialias, np.dtype(np.float64), 0, m)))
        .to(floats.dtype)
        .to(floats.device)
        for n, m in ((picture.shape[0], rows), (picture.shape[1], columns))
    )
    rgba = picture.ndim == 3 and picture.shape[2] == 4
    if rgba:
        floats = torch.cat([floats[..., :3] * floats[..., 3:], floats[..., 3:]], dim=2)
    result = torch.tensordot(across, torch.tensordot(down, floats, dims=([1], [0])), dims=([1], [1])).transpose(0, 1)
    if rgba:
        opacity = result[..., 3:]
        result = torch.cat([result[..., :3] / torch.where(opacity > 0, opacity, 1), opacity], dim=2)
    return in_dtype_of(picture, result).to(picture.dtype)
