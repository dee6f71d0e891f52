"""Canny's edges: lines one pixel wide where brightness changes most.

Blur, gradient, then only the pixels that exceed their neighbours along the gradient, then of these the lines that are
somewhere strong. Time: that of the blur, and of the pixels above the lower threshold. Memory: 10 bytes a pixel, as all
but the last is done by strips.

Canny, "A computational approach to edge detection", IEEE PAMI 8(6), 1986.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_flag, as_real, is_tensor, release_pool
from convolens.effects.border import Border
from convolens.effects.pictures.blur import blur, blur_reach
from convolens.effects.pictures.brightness import brightness
from convolens.effects.pictures.edges import sobel_gradients
from convolens.effects.pictures.picture import check_picture
from convolens.errors import DtypeError, ShapeError
from convolens.first_use import loaded
from convolens.memory import SMALL, need_memory
from convolens.shapes import Boundary
from convolens.strips import in_strips

_TRUNCATE = 4.0  # sigmas, as in scikit-image

_AROUND = 2  # rows beyond the blur: for the gradients, and for those that a ridge is compared with
_WEAK, _STRONG = np.uint8(1), np.uint8(2)  # marks of ridges
_BYTES_A_PIXEL = 10.0  # held at once: marks, their labels, the lines

# What rounding may leave of a plain's gradient, in rounding units of the brightest pixel: nine products, of weights
# whose sizes sum to 8.
_ROUNDING = 80.0


def canny(
    image: Num[Any, "height width *channels"],
    sigma: Real = 1.0,
    *,
    low: Real = 0.1,
    high: Real = 0.2,
    quantiles: bool = False,
    mask: Bool[Any, "height width"] | None = None,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
) -> Bool[Any, "height width"]:
    """Where the picture has edges: lines one pixel wide, `True` on them.

    As scikit-image's `canny` with `mode="reflect"`, which means numpy's `symmetric`: to the pixel in float64; of other
    dtypes, computed in float32, one in 10,000 may differ. The outermost pixels are never edges. Ties are the exception:
    beside an ideal step the gradient is equally large on two pixels. Both are kept here, so that a line there is two
    wide, and the edges of a turned or mirrored picture are the turned or mirrored edges. scikit-image keeps one or both
    as its rounding falls. On the steps, squares, disks, lines and dots of the tests, all that it keeps is kept here,
    and what else is kept touches one of its pixels by a side: 25% more on steps, 23% on squares, 1% on disks.

    Args:
        image: `(H, W)`, RGB or RGBA (as grey, by the brightness of its colours; opacity is ignored); uint8, uint16,
            or floats in [0, 1]. A torch tensor gives a tensor, without gradients.
        sigma: width of the blur before, in pixels: smaller detail makes no edges.
        low: the weakest gradient of a line, by Sobel's weights, where white is 1: a step of height h gives up to 4h.
        high: what a line must reach somewhere.
        quantiles: whether low and high are fractions of the pixels, from 0 to 1, whose gradients lie below.
        mask: where edges are looked for. Pixels outside count neither for the blur nor as neighbours, and those beside
            them are never edges.
        boundary: one of `numpy.pad`'s names, or one for rows and one for columns.

    Raises:
        ArgumentError: thresholds that are negative or not in order, as quantiles above 1; a sigma that is none.
        ShapeError: not a picture, or a mask of another size.
        DtypeError: other integers, whose white is not known; no real numbers; a mask that is not of truth values.

    >>> step = np.repeat([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], 5, axis=0)
    >>> canny(step, 0.5)[2]
    array([False, False,  True,  True, False, False])
    """
    if is_tensor(image):
        from convolens.convolution.tensors import as_numpy  # only where torch is loaded

        options: dict[str, Any] = {"quantiles": quantiles, "mask": as_numpy(mask), "boundary": boundary}
        found = canny(as_numpy(image), sigma, low=low, high=high, **options)
        return sys.modules["torch"].from_numpy(found).to(image.device)
    most = 1.0 if as_flag(quantiles, "quantiles") else float("inf")
    need = "a fraction from 0 to 1" if quantiles else "a finite threshold of at least 0"
    high = as_real(high, "high", need, lambda h: 0 <= h <= most)
    low = as_real(low, "low", f"a threshold from 0 to high's {high:g}", lambda v: 0 <= v <= high)
    pixels = as_array(image, "image")
    if pixels.dtype.kind in "iu" and pixels.dtype not in (np.uint8, np.uint16):
        raise DtypeError(f"image: need uint8, uint16 or floats in [0, 1], got {pixels.dtype}; convert to uint8")
    check_picture(pixels)
    need_memory(_BYTES_A_PIXEL * pixels.shape[0] * pixels.shape[1], f"image of {pixels.shape}", "make it smaller")
    gray = in_strips(brightness, pixels)
    within = () if mask is None else (_checked_mask(mask, gray.shape).astype(gray.dtype),)
    border = Border.of(boundary, 0, 2).boundary
    reach = blur_reach(gray, sigma, truncate=_TRUNCATE) + _AROUND

    def gradients(rows: NDArray[Any], *within: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Of the blurred rows; what lies outside the mask does not count for it."""
        options: dict[str, Any] = {"boundary": boundary, "truncate": _TRUNCATE}
        smooth = blur(np.where(within[0] > 0, rows, 0) if within else rows, sigma, **options)
        if within:
            smooth = smooth / (blur(within[0], sigma, **options) + np.finfo(rows.dtype).eps)
        return sobel_gradients(smooth, boundary=boundary)

    weak, strong = low, high
    if quantiles:
        steep = in_strips(lambda *rows: np.hypot(*gradients(*rows)), gray, *within, reach=reach, boundary=border)
        weak, strong = map(float, np.quantile(steep, (low, high)))
    rounding = _ROUNDING * float(np.finfo(gray.dtype).eps) * float(max(gray.max(), -gray.min()))

    def marked(*rows: NDArray[Any]) -> NDArray[np.uint8]:
        gx, gy = gradients(*rows)
        strength = np.hypot(gx, gy)
        ridges = _ridges(gx, gy, strength, max(weak - rounding, rounding), rounding)
        return ridges.view(np.uint8) * np.where(strength >= strong - rounding, _STRONG, _WEAK)

    marks = in_strips(marked, gray, *within, reach=reach, boundary=border)
    marks[[0, -1]] = 0  # the outermost pixels, which within a strip are not at the border where the picture wraps
    if within:
        marks[~_inside(within[0] > 0)] = 0
    large = gray.nbytes > SMALL
    del gray
    if large:
        release_pool()  # the labels are of another size
    return _connected(marks > 0, marks == _STRONG)


def _checked_mask(mask: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    found = as_array(mask, "mask")
    if found.dtype != np.bool_:
        raise DtypeError(f"mask: need truth values, got {found.dtype}; mask > 0 has some")
    if found.shape != shape:
        raise ShapeError(f"mask: need the picture's size {shape}, got {found.shape}")
    return found


def _inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of which all neighbours are in the mask."""
    ndimage = loaded("scipy.ndimage")

    inside: NDArray[np.bool_] = ndimage.binary_erosion(mask, np.ones((3, 3), bool), border_value=0)
    return inside


def _ridges(gx: NDArray[Any], gy: NDArray[Any], strength: NDArray[Any], low: float, tie: float) -> NDArray[np.bool_]:
    """Pixels of at least `low` that no neighbour along the gradient exceeds, neighbours interpolated linearly.

    What is within `tie` of one another counts as equal: rounding alone would choose between them.
    """
    candidates = np.zeros(strength.shape, bool)
    candidates[1:-1, 1:-1] = strength[1:-1, 1:-1] >= low
    candidates &= strength > 0
    at = np.flatnonzero(candidates)
    dx, dy, flat, width = gx.ravel()[at], gy.ravel()[at], strength.ravel(), strength.shape[1]
    steep = np.abs(dy) > np.abs(dx)
    fraction = np.where(steep, np.abs(dx), np.abs(dy)) / np.maximum(np.abs(dx), np.abs(dy))
    # The gradient's line passes between the next pixel along its larger component and the next one on the diagonal.
    straight = np.where(steep, width, 1)
    diagonal = np.where(dx * dy >= 0, width + 1, np.where(steep, width - 1, 1 - width))
    kept = np.ones(len(at), bool)
    for sign in (1, -1):
        neighbor = flat[at + sign * diagonal] * fraction + flat[at + sign * straight] * (1 - fraction)
        kept &= neighbor <= flat[at] + tie
    candidates.ravel()[at] = kept
    return candidates


def _connected(lines: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The lines, corners included, that are strong somewhere."""
    ndimage = loaded("scipy.ndimage")

    labels, count = ndimage.label(lines, structure=np.ones((3, 3), bool))
    kept = np.zeros(count + 1, bool)
    kept[labels[strong]] = True
    kept[0] = False
    found: NDArray[np.bool_] = in_strips(lambda rows: kept[rows], labels)  # NumPy makes 8 bytes of each on the way
    return found
