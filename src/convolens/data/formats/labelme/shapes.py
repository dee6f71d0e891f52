"""labelme's shapes as objects."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED, Gathered
from convolens.data.corners import Corners, Point, around
from convolens.data.dataset import Box
from convolens.data.json_file import real

WITHOUT_AREA = ("point", "points", "line", "linestrip", "line_strip")
OUTLINES = ("polygon", "rotation")


@dataclass
class _Object:
    """The parts of one object, as far as they are known."""

    name: str
    difficult: bool = False
    score: float | None = None
    corners: list[Corners] = field(default_factory=list)
    outlines: list[array[float]] = field(default_factory=list)


def objects_of(file: Path, shapes: list[Any], found: Gathered, *, outlines: bool) -> Iterator[tuple[str, Box]]:
    """The objects, each with its class's name; what is wrong with a shape is a fault, one without an area a note."""
    objects: dict[tuple[str, Any], _Object] = {}
    for at, shape in enumerate(shapes):
        try:
            if not isinstance(shape, dict) or not isinstance(shape.get("label"), str) or not shape["label"]:
                raise ValueError(f"need a label and points, got {short(shape)}")
            kind = shape.get("shape_type") or "polygon"
            if kind in WITHOUT_AREA:
                found.note(file, "shape passed over", f"{file}: shape {at}: passed over, as a {kind} has no area")
                continue
            _add(objects, at, kind, shape)
        except ValueError as error:
            found.fault(file, "unreadable annotation", f"{file}: shape {at}: {error}")
    for one in objects.values():
        box = around([(x, y) for x1, y1, x2, y2 in one.corners for x, y in ((x1, y1), (x2, y2))])
        parts = tuple(one.outlines) if outlines and len(one.outlines) == len(one.corners) else ()
        yield one.name, Box(UNNUMBERED, box, difficult=one.difficult, score=one.score, outlines=parts)


def _add(objects: dict[tuple[str, Any], _Object], at: int, kind: str, shape: dict[str, Any]) -> None:
    corners, outline = _shape(kind, shape.get("points"))
    score = None if shape.get("score") is None else real(shape["score"], "score as a number")
    group = shape.get("group_id")
    own = ("shape", at) if group is None else ("group", str(group))
    one = objects.setdefault((shape["label"], own), _Object(shape["label"]))
    one.difficult |= shape.get("difficult") is True
    one.score = one.score if score is None else score
    one.corners.append(corners)
    if outline:
        one.outlines.append(array("d", (value for point in outline for value in point)))


def _shape(kind: str, points: Any) -> tuple[Corners, list[Point]]:
    """The corners of a shape, and its points where they are an outline."""
    if not isinstance(points, list) or not all(isinstance(one, list) and len(one) == 2 for one in points):
        raise ValueError(f"need points, each of two numbers, got {short(points)}")
    pairs = [(real(x, "points of numbers"), real(y, "points of numbers")) for x, y in points]
    if len(pairs) < (3 if kind in OUTLINES else 2):
        raise ValueError(f"need a {kind} of more points, got {len(pairs)}")
    if kind in OUTLINES:
        return around(pairs), pairs
    if kind == "circle":
        (x, y), (edge_x, edge_y) = pairs[:2]
        radius = math.hypot(edge_x - x, edge_y - y)
        return (x - radius, y - radius, x + radius, y + radius), []
    if kind in ("rectangle", "mask"):
        return around(pairs), []
    raise ValueError(f"need a rectangle, polygon, circle or mask, got a {kind!r:.40}")
