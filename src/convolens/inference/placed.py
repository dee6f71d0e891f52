"""Whether one picture shows a part of another: laid over it in several sizes, by correlation.

Taps' features say which pictures are likely to be alike; this says which are the same photo, cut, mirrored, made darker
or kept in a smaller file. What is looked for is the correlation of gray values in a window, which light and contrast do
not change (Lewis, "Fast normalized cross-correlation", 1995), over sizes of the window, its places, and mirrored.

Cost: of a pair some 90 Fourier transforms of `SIDE`² numbers, which many pairs share; less than a millisecond where one
is laid over a hundred of one shape.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray
from numpy.typing import NDArray
from PIL import Image

from convolens.first_use import loaded
from convolens.media.pixels import Picture, as_pixels, as_rgb8, over_white

SIDE = 32  # pixels of the longer side of what is compared
SCALES = tuple(float(scale) for scale in np.geomspace(1, 0.5, 14))  # of a part's longer side to the whole's
SAME = 0.85  # of the correlation, from which two pictures are one
_PLAIN = 4.0  # standard deviation in gray levels; what varies less is like anything as plain


def thumbnail(picture: Picture) -> Float32[ndarray, "rows columns"]:
    """The gray values of a picture, `SIDE` pixels at its longer side."""
    gray = Image.fromarray(as_rgb8(over_white(as_pixels(picture)))).convert("L")
    width, height = (_sized(side, SIDE / max(gray.size)) for side in gray.size)
    return np.asarray(Image.fromarray(np.asarray(gray, np.float32)).resize((width, height), Image.Resampling.LANCZOS))


def placed(
    one: Float32[ndarray, "rows columns"], other: Float32[ndarray, "other_rows other_columns"], *, flip: bool = True
) -> float:
    """How well one of two thumbnails lies somewhere in the other: the largest correlation, at most 1.

    Args:
        one: of `thumbnail`.
        other: likewise; the result is the same the other way round.
        flip: whether a mirrored one counts as well.
    """
    return float(placed_among(one, [other], flip=flip)[0])


def placed_among(
    one: Float32[ndarray, "rows columns"], others: Sequence[NDArray[np.float32]], *, flip: bool = True
) -> Float64[ndarray, " others"]:
    """How well one thumbnail lies somewhere in each of several, or they in it; as `placed`, for all at once."""
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, other in enumerate(others):
        alike[other.shape].append(number)
    found = np.empty(len(others))
    for numbers in alike.values():
        some = np.stack([others[number] for number in numbers])
        found[numbers] = np.maximum(_laid(some, one[None], flip=flip), _laid(one[None], some, flip=flip))
    return found


def _laid(wholes: NDArray[np.float32], parts: NDArray[np.float32], *, flip: bool) -> NDArray[np.float64]:
    """The largest correlation of parts with what they cover of wholes, over sizes and places; at least -1.

    There is one whole for many parts, one part for many wholes, or one for each.
    """
    fft = loaded("scipy.fft")
    best: NDArray[np.float64] = np.full(max(len(wholes), len(parts)), -1.0)
    around = wholes.shape[1:]
    middle = wholes - wholes.mean(axis=(1, 2), keepdims=True)
    spectra = fft.rfft2(middle)[:, None]
    sums, squares = _running(middle), _running(middle**2)
    for shape in dict.fromkeys(tuple(_sized(side, scale) for side in parts.shape[1:]) for scale in SCALES):
        if not np.less_equal(shape, around).all():
            continue
        patterns, varied = _patterns(_resized(parts, shape), around, flip=flip)
        # Cyclic, but no part that lies whole within the whole goes around its end.
        products = fft.irfft2(spectra * fft.rfft2(patterns).conj(), around)
        rows, columns = (room - size + 1 for size, room in zip(shape, around, strict=True))
        total, squared = _windows(sums, shape), _windows(squares, shape)
        spread = np.sqrt(np.maximum(squared - total**2 / np.prod(shape), 0))
        varied = (spread >= _PLAIN * np.prod(shape) ** 0.5) & varied[:, None, None]
        found = products[:, :, :rows, :columns].max(axis=1) / np.maximum(spread, 1e-6)
        best = np.maximum(best, np.where(varied, found, -1).max(axis=(1, 2)))
    most: NDArray[np.float64] = np.minimum(best, 1.0)
    return most


def _patterns(
    views: NDArray[np.float32], around: tuple[int, ...], *, flip: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Views less their means, of unit length, in the corner of zeros, and mirrored; and which of them are not plain."""
    away = views - views.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((away**2).sum(axis=(1, 2)))
    away = away / np.maximum(length, 1e-6)[:, None, None]
    found = np.zeros((len(views), 1 + flip, *around), np.float32)
    for side, turned in enumerate((away, away[:, :, ::-1])[: 1 + flip]):
        found[:, side, : views.shape[1], : views.shape[2]] = turned
    return found, length >= _PLAIN * (views.shape[1] * views.shape[2]) ** 0.5


def _running(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums over all rows above and columns to the left, of each picture."""
    return np.pad(values.astype(np.float64).cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))


def _windows(running: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Sums in each window."""
    rows, columns = shape
    ends = running[:, rows:] - running[:, :-rows]
    found: NDArray[np.float64] = ends[:, :, columns:] - ends[:, :, :-columns]
    return found


def _sized(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def _resized(grays: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Pictures in another size, by the weights of Pillow's resizing of rows and of columns."""
    rows, columns = (_weights(old, new) for old, new in zip(grays.shape[1:], shape, strict=True))
    found: NDArray[np.float32] = (rows @ grays @ columns.T).astype(np.float32, copy=False)
    return found


@lru_cache(maxsize=512)
def _weights(old: int, new: int) -> NDArray[np.float32]:
    """What each of the new pixels of a line takes of each of the old ones `(new, old)`."""
    unit = Image.fromarray(np.eye(old, dtype=np.float32))
    return np.asarray(unit.resize((old, new), Image.Resampling.LANCZOS))
