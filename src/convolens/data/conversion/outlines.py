"""Outlines of objects, each `x1, y1, x2, y2, x3, y3, …`: around them, within a picture, as one."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from convolens.arrays import Real

Corners = tuple[Real, Real, Real, Real]


def around(outlines: Sequence[array[float]]) -> Corners:
    """The box around them.

    >>> around([array("d", [1, 5, 3, 2, 2, 7])])
    (1.0, 2.0, 3.0, 7.0)
    """
    xs = [x for part in outlines for x in part[::2]]
    ys = [y for part in outlines for y in part[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def rectangle(corners: Corners) -> array[float]:
    """A box as an outline, clockwise from the top left."""
    x1, y1, x2, y2 = map(float, corners)
    return array("d", [x1, y1, x2, y1, x2, y2, x1, y2])


def joined(outlines: Sequence[array[float]]) -> array[float]:
    """One outline of several: around each in turn, and to the next and back along one line, which covers nothing.

    >>> list(joined([array("d", [0, 0, 1, 0, 0, 1]), array("d", [5, 5, 6, 5, 5, 6])]))
    [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 5.0, 6.0, 5.0, 5.0, 6.0, 5.0, 5.0]
    """
    whole = array("d")
    for part in outlines:
        whole += part + part[:2] + whole[:2] * (part is not outlines[0] and part is not outlines[-1])
    return whole


def clipped(outline: array[float], size: tuple[int, int]) -> array[float]:
    """Each point moved to the picture's edge if it is outside."""
    return array("d", (min(max(value, 0.0), size[at % 2]) for at, value in enumerate(outline)))
