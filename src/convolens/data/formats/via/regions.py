"""VIA's regions: a shape's box and outline, and which of its attributes is the class."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED
from convolens.data.corners import Corners, Point, around
from convolens.data.dataset import Box
from convolens.data.json_file import real

WITHOUT_AREA = ("point", "polyline", "line")
# What people call the attribute that is the class; the first of them that regions have is taken.
CLASS_NAMES = ("class", "label", "category", "class_name", "object", "name", "type", "object_class", "object_name")


class WithoutAreaError(ValueError):
    """A shape that is no object."""


def box_of(shape: Any, *, outlines: bool) -> Box:
    """The object that a shape shows.

    Raises:
        WithoutAreaError: a point or a line.
        ValueError: it is none of VIA's.
    """
    if not isinstance(shape, dict) or not isinstance(shape.get("name"), str):
        raise ValueError(f"need shape_attributes with a name, got {short(shape)}")
    if shape["name"] in WITHOUT_AREA:
        raise WithoutAreaError(shape["name"])
    corners, points = _corners(shape["name"], shape)
    outline = (array("d", (value for point in points for value in point)),) if points and outlines else ()
    return Box(UNNUMBERED, corners, outlines=outline)


def _corners(kind: str, shape: dict[str, Any]) -> tuple[Corners, list[Point]]:
    """The upright box, and the outline of a polygon."""
    if kind in ("polygon", "polyshape"):
        points = _points(shape)
        return around(points), points
    if kind == "rect":
        x, y, width, height = (_number(shape, key) for key in ("x", "y", "width", "height"))
        return (x, y, x + width, y + height), []
    if kind in ("circle", "ellipse"):
        cx, cy = _number(shape, "cx"), _number(shape, "cy")
        rx, ry = (_number(shape, key) for key in (("r", "r") if kind == "circle" else ("rx", "ry")))
        angle = _number(shape, "theta") if shape.get("theta") else 0.0  # of version 2, in radians
        across = math.hypot(rx * math.cos(angle), ry * math.sin(angle))
        down = math.hypot(rx * math.sin(angle), ry * math.cos(angle))
        return (cx - across, cy - down, cx + across, cy + down), []
    raise ValueError(f"need a rect, polygon, circle or ellipse, got a {kind!r:.40}")


def _points(shape: dict[str, Any]) -> list[Point]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys) or len(xs) < 3:
        raise ValueError(f"need as many all_points_x as all_points_y, three or more, got {short(xs)} and {short(ys)}")
    return [(real(x, "points of numbers"), real(y, "points of numbers")) for x, y in zip(xs, ys, strict=True)]


def _number(shape: dict[str, Any], key: str) -> float:
    return real(shape.get(key), f"{key} as a number")


def class_attribute(attributes: Iterable[Any]) -> tuple[str, tuple[str, ...]]:
    """Which attribute of all regions is their class, and the others that say something.

    One that is called as classes are, or the one that most regions have.
    """
    counts = Counter(key for one in attributes if isinstance(one, dict) for key, value in one.items() if _said(value))
    named = [key for name in CLASS_NAMES for key in counts if key.strip().lower().replace(" ", "_") == name]
    if not counts:
        return "", ()
    chosen = named[0] if named else counts.most_common(1)[0][0]
    return chosen, tuple(key for key in counts if key != chosen)


def classes_in(attributes: Any, key: str) -> list[str]:
    """The classes that a region's attribute says: of a checkbox those that are set, otherwise one or none."""
    return _said(attributes.get(key)) if isinstance(attributes, dict) and key else []


def _said(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(name) for name, is_set in value.items() if is_set is True or str(is_set).lower() in ("true", "1")]
    return [str(value).strip()] if isinstance(value, str | int) and str(value).strip() else []
