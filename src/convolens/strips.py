"""Large pictures a strip of rows at a time: what an effect holds in between does not grow with the picture.

An output depends on the rows within its reach alone, so a strip is given with so many more above and below, and what
comes of those is left out. At the picture's own borders the effect extends it as it would the whole. Costs the rows
that are done twice, and spares the pages of large arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import empty
from convolens.memory import need_memory
from convolens.shapes import Boundaries, Boundary, boundary_along

STRIP_BYTES = 16 << 20  # of a strip in floats
_HELD = 8  # such arrays that an effect holds at once: the strip, its blur, their difference, …


def in_strips(
    work: Callable[..., NDArray[Any]],
    image: NDArray[Any],
    *beside: NDArray[Any],
    reach: int = 0,
    boundary: Boundaries = "symmetric",
) -> NDArray[Any]:
    """`work(image, *beside)`, done by strips where the picture is large.

    Args:
        work: makes of rows as many rows; each depends on those within reach and on no others.
        image: `(H, W, …)`.
        beside: more arrays of H rows, cut like the image.
        reach: rows above and below that an output depends on.
        boundary: how `work` extends what it is given.

    Raises:
        MemoryRefused: the result, or a strip, needs more than the budget.

    >>> in_strips(np.sqrt, np.array([[4.0], [9.0]]))
    array([[2.],
           [3.]])
    """
    height, row = len(image), image[:1].size * (8 if image.dtype.itemsize == 8 else 4)
    rows = max(STRIP_BYTES // max(row, 1), 2 * reach, 1)
    if rows + 2 * reach >= height:
        need_memory(_HELD * height * row, f"image of {image.shape}", _REMEDY)
        return work(image, *beside)
    out = None
    for start, stop in _cuts(height, -(-height // rows)):
        at, above = _with_margins(height, start, stop, reach, boundary_along(boundary, 0))
        done = work(*(one[at] for one in (image, *beside)))[above : above + stop - start]
        if out is None:
            held = _HELD * (rows + 2 * reach) * row + height * done[:1].nbytes
            need_memory(held, f"image of {image.shape}", _REMEDY)
            out = empty((height, *done.shape[1:]), done.dtype)
        out[start:stop] = done
    assert out is not None  # a picture has rows
    return out


_REMEDY = "make it smaller"


def _cuts(height: int, count: int) -> Iterator[tuple[int, int]]:
    """Strips of about one height."""
    for number in range(count):
        yield height * number // count, height * (number + 1) // count


def _with_margins(
    height: int, start: int, stop: int, reach: int, boundary: Boundary
) -> tuple[slice | NDArray[np.intp], int]:
    """Which rows a strip is of, with those within reach, and how many of these are above."""
    if boundary == "wrap" and (start < reach or stop + reach > height):
        return np.arange(start - reach, stop + reach) % height, reach
    first = max(0, start - reach)
    return slice(first, stop + reach), start - first
