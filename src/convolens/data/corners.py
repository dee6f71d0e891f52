"""The upright box of what programs draw: outlines, and boxes that are turned."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]
Corners = tuple[float, float, float, float]


def around(points: Sequence[Point]) -> Corners:
    """`(x1, y1, x2, y2)` around points.

    >>> around([(40, 60), (60, 20)])
    (40, 20, 60, 60)
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def turned(corners: Corners, degrees: float, *, about: Point) -> list[Point]:
    """The four corners of a box that is turned clockwise, from its upper left one on.

    >>> [(round(x), round(y)) for x, y in turned((0, 0, 4, 2), 90, about=(0, 0))]
    [(0, 0), (0, 4), (-2, 4), (-2, 0)]
    """
    x1, y1, x2, y2 = corners
    points = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    if degrees == 0:
        return points
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ax, ay = about
    return [(ax + (x - ax) * cos - (y - ay) * sin, ay + (x - ax) * sin + (y - ay) * cos) for x, y in points]
