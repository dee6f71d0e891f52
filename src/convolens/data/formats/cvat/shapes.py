"""CVAT's shapes as objects."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from convolens.data.by_name import UNNUMBERED
from convolens.data.corners import Corners, Point, around, turned
from convolens.data.dataset import Box

SHAPES = ("box", "polygon", "ellipse", "mask", "cuboid")
WITHOUT_AREA = ("points", "polyline", "skeleton")
CUBOID = ("xtl1", "ytl1", "xbl1", "ybl1", "xtr1", "ytr1", "xbr1", "ybr1",
          "xtl2", "ytl2", "xbl2", "ybl2", "xtr2", "ytr2", "xbr2", "ybr2")  # fmt: skip
MARKS = ("is_crowd", "difficult", "truncated")
YES = ("true", "1")
PLAIN = ("occluded",)  # beside the marks: what the formats that it comes from say in an attribute, and is no loss


@dataclass(frozen=True)
class Shape:
    """One shape: its box, its outline if it has one, and the group that it is part of, 0 for none."""

    box: Box
    group: int


def object_of(shape: Element, *, outlines: bool) -> tuple[Shape, list[str]]:
    """A shape, and the names of those of its attributes that have no place in an object.

    Raises:
        ValueError: it is not what CVAT writes.
    """
    corners, points = _corners(shape)
    marks, others = _marks(shape)
    outline = (array("d", (value for point in points for value in point)),) if points else ()
    group = int(shape.get("group_id") or 0) if points else 0
    crowd, difficult, truncated = (mark in marks for mark in MARKS)
    parts = outline if outlines else ()
    return Shape(Box(UNNUMBERED, corners, None, crowd, difficult, truncated, outlines=parts), group), others


def joined(shapes: list[tuple[str, Shape]]) -> list[tuple[str, Box]]:
    """The objects: outlines of one label and one group are parts of one."""
    found: dict[tuple[str, int, int], Box] = {}
    for at, (label, shape) in enumerate(shapes):
        key = (label, shape.group, 0 if shape.group else at)
        first = found.setdefault(key, shape.box)
        if first is not shape.box:
            (x1, y1, x2, y2), (x3, y3, x4, y4) = first.xyxy, shape.box.xyxy
            around_both = (min(x1, x3), min(y1, y3), max(x2, x4), max(y2, y4))
            found[key] = replace(first, xyxy=around_both, outlines=first.outlines + shape.box.outlines)
    return [(label, box) for (label, _, _), box in found.items()]


def _marks(shape: Element) -> tuple[set[str], list[str]]:
    """Which of the marks are set, and the names of other attributes that say something."""
    marks: set[str] = set()
    others = []
    for attribute in shape.iterfind("attribute"):
        name, value = attribute.get("name", ""), (attribute.text or "").strip()
        if name in MARKS and value.lower() in YES:
            marks.add(name)
        elif name in MARKS:
            continue
        elif name not in PLAIN and value:
            others.append(name)
    return marks, others


def _corners(shape: Element) -> tuple[Corners, list[Point]]:
    """The upright box, and the outline of a polygon."""
    if shape.tag == "polygon":
        points = _points(shape)
        return around(points), points
    if shape.tag == "mask":
        left, top, width, height = _numbers(shape, ("left", "top", "width", "height"))
        return (left, top, left + width, top + height), []
    if shape.tag == "cuboid":
        values = _numbers(shape, CUBOID)
        return around(list(zip(values[::2], values[1::2], strict=True))), []
    degrees = float(shape.get("rotation") or 0)
    if shape.tag == "ellipse":
        return _around_ellipse(_numbers(shape, ("cx", "cy", "rx", "ry")), degrees), []
    x1, y1, x2, y2 = _numbers(shape, ("xtl", "ytl", "xbr", "ybr"))
    if degrees % 360 == 0:
        return (x1, y1, x2, y2), []
    return around(turned((x1, y1, x2, y2), degrees, about=((x1 + x2) / 2, (y1 + y2) / 2))), []


def _around_ellipse(ellipse: list[float], degrees: float) -> Corners:
    cx, cy, rx, ry = ellipse
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, down = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    return cx - across, cy - down, cx + across, cy + down


def _points(shape: Element) -> list[Point]:
    pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";") if pair.strip()]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"need three points `x,y;x,y;x,y` or more, got {shape.get('points')!r:.60}")
    return [(_number(x), _number(y)) for x, y in pairs]


def _numbers(shape: Element, names: tuple[str, ...]) -> list[float]:
    found = [shape.get(name) for name in names]
    if None in found:
        raise ValueError(f"need {', '.join(names)}, got {', '.join(shape.keys())}")
    return [_number(value or "") for value in found]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"need a number, got {text!r:.40}") from None
    if not math.isfinite(value):
        raise ValueError(f"need a finite number, got {text!r:.40}")
    return value
