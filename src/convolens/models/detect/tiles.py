"""Large pictures by tiles: what would vanish when the whole is made small is looked for in overlapping parts.

The whole picture is searched too, for what is larger than a tile. A box that ends at an inner edge of its tile was cut
off there, and is left to the neighbor, or to the whole, where it is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.models.detect.decoding import select
from convolens.results import Detections
from convolens.selection import Selection

SHARED = 0.25  # of a tile's side is in its neighbor as well
_EDGE = 0.01  # of a tile's side: how near to its edge a box counts as cut off


class Tile(NamedTuple):
    """A part of a picture, in its pixels, half-open."""

    x1: int
    y1: int
    x2: int
    y2: int


def tiles(height: int, width: int, side: int | None) -> list[Tile]:
    """Lists the whole picture, and squares of `side` that cover it, where it is larger than one.

    Raises:
        ArgumentError: a side below 1.

    >>> tiles(100, 170, 100)[1:]
    [Tile(x1=0, y1=0, x2=100, y2=100), Tile(x1=70, y1=0, x2=170, y2=100)]
    """
    whole = Tile(0, 0, width, height)
    if side is None:
        return [whole]
    if side < 1:
        raise ArgumentError(f"tile: need a side of at least 1 pixel, got {side}")
    if max(height, width) <= side:
        return [whole]
    return [whole] + [
        Tile(x, y, min(x + side, width), min(y + side, height))
        for y in _starts(height, side)
        for x in _starts(width, side)
    ]


def merged(
    parts: Sequence[Detections], where: Sequence[Tile], names: Sequence[str], selection: Selection
) -> Detections:
    """Merges what was found in the tiles of a picture, which together are the whole, or one of which is."""
    whole = Tile(0, 0, max(tile.x2 for tile in where), max(tile.y2 for tile in where))
    boxes, scores, classes = [], [], []
    for found, tile in zip(parts, where, strict=True):
        complete = ~_cut(found.boxes_xyxy, tile, whole)
        boxes.append(found.boxes_xyxy[complete] + np.array([tile.x1, tile.y1] * 2, np.float32))
        scores.append(found.scores[complete])
        classes.append(found.classes[complete])
    corners, likely, kinds = np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes)
    table = np.zeros((1, len(corners), len(names)), np.float32)
    table[0, np.arange(len(corners)), kinds] = likely
    kept, kinds, likely = select(table, corners[None], selection)[0]
    return Detections(corners[kept], tuple(names[kind] for kind in kinds), likely, kinds, np.full(len(kept), -1))


def _starts(length: int, side: int) -> list[int]:
    """Says where tiles start along an axis, evenly, with at least `SHARED` of a side between neighbors."""
    if length <= side:
        return [0]
    count = 1 + -(-(length - side) // max(1, int(side * (1 - SHARED))))
    return [round(number * (length - side) / (count - 1)) for number in range(count)]


def _cut(boxes: NDArray[np.float32], tile: Tile, whole: Tile) -> NDArray[np.bool_]:
    """Tells which boxes, in pixels of the tile, end at an edge of it inside the picture."""
    width, height = tile.x2 - tile.x1, tile.y2 - tile.y1
    near = np.array([_EDGE * width, _EDGE * height] * 2, np.float32)
    gaps = np.stack([boxes[:, 0], boxes[:, 1], width - boxes[:, 2], height - boxes[:, 3]], axis=1)
    inner = np.array([tile.x1 > 0, tile.y1 > 0, tile.x2 < whole.x2, tile.y2 < whole.y2])
    cut: NDArray[np.bool_] = ((gaps <= near) & inner).any(axis=1)
    return cut
