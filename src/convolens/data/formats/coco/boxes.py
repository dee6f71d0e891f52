"""Of one of COCO's annotations: the box, as given or around an outline or a mask where none is; and the outlines."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.data.formats.coco.masks import outlines_around
from convolens.data.text import tidy
from convolens.memory import need_memory

Corners = tuple[float, float, float, float]
MAX_PIXELS = 1 << 40  # of a mask; its runs alone are held
_MASK_BYTES = 8  # that finding the outline takes for each pixel of the columns that the mask lies in


def corners_of(annotation: dict[str, Any]) -> Corners:
    """`(x1, y1, x2, y2)` in pixels: of `bbox`, or where that is missing, empty, all 0 or all null, of `segmentation`.

    Raises:
        ValueError: neither holds a box; it says what was needed.

    >>> corners_of({"bbox": [1, 2, 10, 20]})
    (1.0, 2.0, 11.0, 22.0)
    >>> corners_of({"segmentation": [[40, 20, 60, 20, 60, 60]]})
    (40.0, 20.0, 60.0, 60.0)
    >>> corners_of({"segmentation": {"size": [4, 3], "counts": [5, 2, 5]}})  # rows 1 and 2 of column 1
    (1.0, 1.0, 2.0, 3.0)
    """
    box, outline = annotation.get("bbox"), annotation.get("segmentation")
    nothing = ([0, 0, 0, 0], [None] * 4)  # as some programs fill it in beside an outline
    if box is not None and box != [] and not (outline and box in nothing):
        x, y, width, height = _numbers(box, "bbox of four numbers", 4)
        return x, y, tidy(x + width), tidy(y + height)
    if isinstance(outline, dict):
        return _around_mask(outline)
    if not outline:
        raise ValueError("need bbox of four numbers, or an outline, got neither")
    points = _parts(outline)
    xs = list(chain.from_iterable(part[::2] for part in points))
    ys = list(chain.from_iterable(part[1::2] for part in points))
    return min(xs), min(ys), max(xs), max(ys)


def outlines_of(annotation: dict[str, Any]) -> tuple[tuple[array[float], ...], int]:
    """The outlines of an object's parts, and how many holes of its mask they fill; none where there is nothing.

    Raises:
        ValueError: they are neither outlines nor a mask; it says what was needed.
        MemoryRefused: the mask takes more than the budget.

    >>> outlines_of({"segmentation": [[40, 20, 60, 20, 60, 60]]})
    ((array('d', [40.0, 20.0, 60.0, 20.0, 60.0, 60.0]),), 0)
    >>> outlines_of({"segmentation": {"size": [4, 3], "counts": [5, 2, 5]}})  # rows 1 and 2 of column 1
    ((array('d', [1.0, 1.0, 2.0, 1.0, 2.0, 3.0, 1.0, 3.0]),), 0)
    """
    outline = annotation.get("segmentation")
    if not outline:
        return (), 0
    if not has_mask(annotation):
        return tuple(array("d", part) for part in _parts(outline)), 0
    parts, holes = outlines_around(*_pixels(outline))
    return tuple(parts), holes


def has_mask(annotation: dict[str, Any]) -> bool:
    """Whether an object is told by the pixels of a mask, not by outlines."""
    return isinstance(annotation.get("segmentation"), dict)


def _numbers(values: Any, what: str, count: int | None = None) -> list[float]:
    right = isinstance(values, list) and count in (None, len(values))
    if not right or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        raise ValueError(f"need {what}, got {values!r:.60}")
    try:
        return [float(one) for one in values]
    except OverflowError:
        raise ValueError(f"need {what} that a double can hold, got {values!r:.60}") from None


def _parts(outline: Any) -> list[list[float]]:
    """All parts of an outline, each `[x1, y1, x2, y2, x3, y3, …]`; one alone may stand without its list."""
    if not isinstance(outline, list):
        raise ValueError(f"need segmentation as outlines or a mask, got {type(outline).__name__}")
    parts = [part for part in outline if part != []] if all(isinstance(part, list) for part in outline) else [outline]
    points = [_numbers(part, "outlines of numbers") for part in parts]
    if not points or any(len(part) < 6 or len(part) % 2 for part in points):
        raise ValueError(f"need outlines of three points or more, got {outline!r:.60}")
    return points


def _around_mask(mask: dict[str, Any]) -> Corners:
    """Around the pixels of a mask."""
    height, first, last = _runs(mask)
    left, right = first // height, last // height
    whole = (left != right).any()  # a run over the end of a column has the lowest pixel of one, the highest of the next
    top, bottom = (0, height) if whole else ((first % height).min(), (last % height).max() + 1)
    return float(left.min()), float(top), float(right.max() + 1), float(bottom)


def _pixels(mask: dict[str, Any]) -> tuple[NDArray[np.bool_], int, int]:
    """The pixels within the box of a mask, and its left and upper side."""
    height, first, last = _runs(mask)
    left, columns = int(first.min()) // height, int(last.max()) // height + 1
    size = height * (columns - left)
    need_memory(_MASK_BYTES * size, f"a mask of {columns - left} × {height} pixels")
    changes = np.zeros(size + 1, np.int8)
    changes[first - left * height] = 1
    changes[last + 1 - left * height] -= 1
    columns_of_pixels = np.cumsum(changes[:-1], dtype=np.int8).reshape(-1, height).T.astype(bool)
    top, bottom = np.flatnonzero(columns_of_pixels.any(axis=1))[[0, -1]]
    return columns_of_pixels[top : bottom + 1], left, int(top)


def _runs(mask: dict[str, Any]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """The mask's height, and the first and last pixel of each run of 1: runs of 0 and 1 in turn, column by column."""
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(one, int) and one > 0 for one in size):
        raise ValueError(f"need the size of a mask, height and width, got {size!r:.60}")
    height, width = size
    runs = _unpacked(counts) if isinstance(counts, str) else _numbers(counts, "the runs of a mask")
    if height * width > MAX_PIXELS or any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"need runs that fill the mask's {height}×{width} pixels, got others")
    ends = np.cumsum(np.array(runs, np.int64))
    first, last = ends[0::2][: len(ends) // 2], ends[1::2] - 1  # of each run of 1
    first, last = first[first <= last], last[first <= last]
    if not len(first):
        raise ValueError("need a mask with an object, got one without a pixel")
    return height, first, last


def _unpacked(text: str) -> list[int]:
    """COCO's compressed runs, as `rleToString` in its `maskApi.c` writes them.

    5 bits a letter, the lowest first, and a sixth where more follow. From the fourth on, a run is given as its
    difference from the one before the last.
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        while True:
            bits = ord(text[at]) - 48 if at < len(text) else -1
            if not 0 <= bits < 64 or shift > 60:
                raise ValueError(f"need the compressed runs of a mask, got {text!r:.60}")
            at += 1
            value |= (bits & 31) << shift
            shift += 5
            if not bits & 32:
                break
        value -= (1 << shift) if bits & 16 else 0
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
