"""A mask's outline: the line around its pixels, whose corners lie between them, so that nothing is added or lost.

Pixels that touch at a corner alone are parts of their own, as their edges are walked with the pixel at the right hand.
Holes are walked the other way round, and are left out: what an outline holds here is filled.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int8

Point = tuple[int, int]
Way = tuple[Point, int]  # where a segment begins, and whether it goes right or down (1), or left or up (-1)
Segments = dict[Way, Point]


def outlines_around(mask: Bool[np.ndarray, "height width"], left: int, top: int) -> tuple[list[array[float]], int]:
    """The outlines of the parts of a mask, each `x1, y1, x2, y2, …` clockwise, and how many holes there are in them.

    >>> outlines_around(np.ones((2, 3), bool), 10, 20)
    ([array('d', [10.0, 20.0, 13.0, 20.0, 13.0, 22.0, 10.0, 22.0])], 0)
    """
    padded = np.pad(mask, 1).astype(np.int8)
    across, down = _horizontal(np.diff(padded, axis=0)), _vertical(np.diff(padded, axis=1))
    outlines, holes = [], 0
    while across:
        corners = list(_walked(across, down))
        if _signed_area(corners) > 0:
            outlines.append(array("d", (float(value) for x, y in corners for value in (x + left, y + top))))
        else:
            holes += 1
    return outlines, holes


def _horizontal(edges: Int8[np.ndarray, "lines places"]) -> Segments:
    """Upper edges to the right, lower ones to the left."""
    found: Segments = {}
    for y, x1, x2, sign in _runs(edges):
        found[((x1, y) if sign > 0 else (x2, y)), sign] = (x2, y) if sign > 0 else (x1, y)
    return found


def _vertical(edges: Int8[np.ndarray, "places lines"]) -> Segments:
    """Right edges downwards, left ones upwards."""
    found: Segments = {}
    for x, y1, y2, sign in _runs(edges.T):
        found[((x, y2) if sign > 0 else (x, y1)), -sign] = (x, y1) if sign > 0 else (x, y2)
    return found


def _runs(edges: Int8[np.ndarray, "lines places"]) -> Iterator[tuple[int, int, int, int]]:
    """Of each line the longest runs of edges of one sign: line, begin, end, sign; the first place is padding."""
    around = np.pad(edges, ((0, 0), (1, 1)))
    changed = np.diff(around, axis=1) != 0
    lines, begins = np.nonzero(changed[:, :-1] & (edges != 0))
    _, ends = np.nonzero(changed[:, 1:] & (edges != 0))
    signs = edges[lines, begins]
    yield from zip(lines.tolist(), (begins - 1).tolist(), ends.tolist(), signs.tolist(), strict=True)


def _walked(across: Segments, down: Segments) -> Iterator[Point]:
    """The corners of one outline, whose segments are taken away; at a crossing it turns right."""
    first = next(iter(across))
    (at, way) = first
    yield at
    at = across.pop(first)
    while True:
        yield at
        turn = way if (at, way) in down else -way
        at, way = down.pop((at, turn)), turn
        for turn in (-way, way):
            if (at, turn) == first:
                return
            if (at, turn) in across:
                break
        yield at
        at, way = across.pop((at, turn)), turn


def _signed_area(corners: list[Point]) -> float:
    """Positive where they go clockwise, as rows count downwards."""
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs) / 2
