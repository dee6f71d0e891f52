"""Large pictures a strip of rows at a time: what an effect holds in between does not grow with the picture.

An output depends on the rows within its reach alone, so a strip is given with so many more above and below, and what
comes of those is left out. At the picture's own borders the effect extends it as it would the whole. Costs the rows
that are done twice, and spares the pages of large arrays.

A picture that is larger than memory comes as `Rows` and goes as `Strips`. It is cut where an array of its size would
be, so that whatever a method's choice or its rounding may depend on is the same, and so is the result, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import as_array, empty, is_tensor
from convolens.errors import MemoryRefused
from convolens.memory import need_memory
from convolens.shapes import Boundaries, Boundary, boundary_along

STRIP_BYTES = 16 << 20  # of a strip in floats
_HELD = 8  # such arrays that an effect holds at once: the strip, its blur, their difference, …


class Rows:
    """A picture that is not in memory: rows of it are read when they are asked for.

    Attributes:
        shape: `(H, W)` or `(H, W, C)`.
        dtype: of its pixels.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | NDArray[np.intp]) -> NDArray[Any]:
        raise NotImplementedError


@dataclass
class Strips:
    """What an effect makes of a picture that is not in memory: its rows from the top down, as they are asked for.

    Attributes:
        shape: of the whole.
        dtype: of its pixels.
        parts: arrays of rows, which have the shape's height together.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Iterator[NDArray[Any]]

    @classmethod
    def of(cls, height: int, parts: Iterator[NDArray[Any]]) -> Strips:
        """The strips of so many rows together; the first is made now, as it says what they are."""
        first = next(parts)
        return cls((height, *first.shape[1:]), first.dtype, chain((first,), parts))


def as_picture(image: Any) -> Any:
    """A tensor or rows as they are, all else as an array.

    Raises:
        DtypeError: not numbers.
    """
    return image if is_tensor(image) or isinstance(image, Rows) else as_array(image, "image")


def need_all(image: Any, why: str) -> Any:
    """The picture, which must be in memory.

    Args:
        image: a picture.
        why: what needs the whole of it.

    Raises:
        MemoryRefused: it is not in memory.
    """
    if isinstance(image, Rows):
        raise MemoryRefused(
            f"image: need a picture that fits into memory for {why}, got one of {image.shape[1]} × {image.shape[0]} "
            "pixels; make it smaller, or allow more by cl.memory_limit"
        )
    return image


@overload
def in_strips(
    work: Callable[..., NDArray[Any]],
    image: NDArray[Any],
    *beside: NDArray[Any],
    reach: int = 0,
    boundary: Boundaries = "symmetric",
) -> NDArray[Any]: ...
@overload
def in_strips(
    work: Callable[..., NDArray[Any]], image: Rows, *, reach: int = 0, boundary: Boundaries = "symmetric"
) -> Strips: ...
def in_strips(
    work: Callable[..., NDArray[Any]],
    image: NDArray[Any] | Rows,
    *beside: NDArray[Any],
    reach: int = 0,
    boundary: Boundaries = "symmetric",
) -> NDArray[Any] | Strips:
    """`work(image, *beside)`, done by strips where the picture is large.

    Args:
        work: makes of rows as many rows; each depends on those within reach and on no others.
        image: `(H, W, …)`; or its rows, of which the same strips are made, one after another as they are asked for.
        beside: more arrays of H rows, cut like the image.
        reach: rows above and below that an output depends on.
        boundary: how `work` extends what it is given.

    Returns:
        The result as an array; of rows as `Strips`.

    Raises:
        MemoryRefused: the result, or a strip, needs more than the budget.

    >>> in_strips(np.sqrt, np.array([[4.0], [9.0]]))
    array([[2.],
           [3.]])
    """
    height, (rows, row) = len(image), _strip(image, reach)
    if rows + 2 * reach >= height:
        need_memory(_HELD * height * row, f"image of {image.shape}", _REMEDY)
        if isinstance(image, Rows):
            return Strips.of(height, iter((work(image[0:height]),)))
        return work(image, *beside)
    strip = _HELD * (rows + 2 * reach) * row
    cut = strips_of(image, *beside, cuts=_cuts(height, -(-height // rows)), reach=reach, boundary=boundary)
    done = (work(*given)[above : above + stop - start] for start, stop, above, given in cut)
    if isinstance(image, Rows):
        need_memory(strip, f"image of {image.shape}", _REMEDY)
        return Strips.of(height, done)
    out, start = None, 0
    for part in done:
        if out is None:
            need_memory(strip + height * part[:1].nbytes, f"image of {image.shape}", _REMEDY)
            out = empty((height, *part.shape[1:]), part.dtype)
        out[start : start + len(part)] = part
        start += len(part)
    assert out is not None  # a picture has rows
    return out


def first_strip(image: Rows, reach: int) -> NDArray[Any]:
    """The first strip with what is within reach below it: as large as most that `in_strips` gives to its work."""
    return image[0 : min(_strip(image, reach)[0] + 2 * reach, len(image))]


def _strip(image: NDArray[Any] | Rows, reach: int) -> tuple[int, int]:
    """Rows of a strip, and the bytes of one in floats."""
    row = math.prod(image.shape[1:]) * (8 if image.dtype.itemsize == 8 else 4)
    return max(STRIP_BYTES // max(row, 1), 2 * reach, 1), row


def strips_of(
    *arrays: NDArray[Any] | Rows, cuts: Iterable[tuple[int, int]], reach: int, boundary: Boundaries
) -> Iterator[tuple[int, int, int, list[NDArray[Any]]]]:
    """For each strip from a row to another: these two, how many rows within reach are above it, and all these rows."""
    height = len(arrays[0])
    for start, stop in cuts:
        at, above = _with_margins(height, start, stop, reach, boundary_along(boundary, 0))
        yield start, stop, above, [one[at] for one in arrays]


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
