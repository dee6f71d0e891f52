"""Whether one picture shows a part of another: laid over it in several sizes, by correlation.

Taps' features say which pictures are likely to be alike; this says which are the same photo, cut, mirrored, made darker
or kept in a smaller file. What is looked for is the correlation of gray values in a window, which light and contrast do
not change (Lewis, "Fast normalized cross-correlation", 1995), over sizes of the window, its places, and mirrored.

Cost: of a pair some 60 Fourier transforms of (2 · `SIDE`)² numbers, a few milliseconds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from numpy.typing import NDArray
from PIL import Image

from convolens.first_use import loaded
from convolens.media.pixels import Picture, as_pixels, as_rgb8, over_white

SIDE = 32  # pixels of the longer side of what is compared
SCALES = tuple(float(scale) for scale in np.geomspace(1, 0.5, 14))  # of a part's longer side to the whole's
_PLAIN = 4.0  # standard deviation in gray levels; what varies less is like anything as plain


def thumbnail(picture: Picture) -> Float32[ndarray, "rows columns"]:
    """The gray values of a picture, `SIDE` pixels at its longer side."""
    gray = Image.fromarray(as_rgb8(over_white(as_pixels(picture)))).convert("L")
    return _resized(np.asarray(gray, np.float32), SIDE / max(gray.size))


def placed(
    one: Float32[ndarray, "rows columns"], other: Float32[ndarray, "other_rows other_columns"], *, flip: bool = True
) -> float:
    """How well one of two thumbnails lies somewhere in the other: the largest correlation, at most 1.

    Args:
        one: of `thumbnail`.
        other: likewise; the result is the same the other way round.
        flip: whether a mirrored one counts as well.
    """
    return max(_placed_in(one, other, flip=flip), _placed_in(other, one, flip=flip))


def _placed_in(whole: NDArray[np.float32], part: NDArray[np.float32], *, flip: bool) -> float:
    """The largest correlation of a part with what it covers of the whole, over sizes and places; at least -1."""
    views = [_resized(part, scale) for scale in SCALES]
    views = [view for view in views if np.less_equal(view.shape, whole.shape).all() and view.std() >= _PLAIN]
    if not views:
        return -1.0
    around = (2 * SIDE, 2 * SIDE)
    patterns = np.zeros((len(views), 1 + flip, *around), np.float32)
    for number, view in enumerate(views):
        away = (view - view.mean()) / np.linalg.norm(view - view.mean())
        for side, turned in enumerate((away, away[:, ::-1])[: 1 + flip]):
            patterns[number, side, : view.shape[0], : view.shape[1]] = turned
    middle = whole - whole.mean()
    fft = loaded("scipy.fft")
    products = fft.irfft2(fft.rfft2(middle, around) * fft.rfft2(patterns).conj(), around)
    sums, squares = _running(middle), _running(middle**2)
    best = -1.0
    for view, product in zip(views, products, strict=True):
        rows, columns = (room - size + 1 for size, room in zip(view.shape, whole.shape, strict=True))
        total, squared = _windows(sums, view.shape), _windows(squares, view.shape)
        spread = np.sqrt(np.maximum(squared - total**2 / view.size, 0))
        varied = spread >= _PLAIN * view.size**0.5
        if varied.any():
            best = max(best, float((product[:, :rows, :columns] / np.maximum(spread, 1e-6))[:, varied].max()))
    return min(best, 1.0)


def _running(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums over all rows above and columns to the left."""
    return np.pad(values.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _windows(running: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Sums in each window."""
    rows, columns = shape
    ends = running[rows:] - running[:-rows]
    found: NDArray[np.float64] = ends[:, columns:] - ends[:, :-columns]
    return found


def _resized(gray: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
    return np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS), np.float32)
