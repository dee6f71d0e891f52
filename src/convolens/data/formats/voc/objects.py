"""The objects of one XML file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from convolens.data.corners import around, turned
from convolens.errors import FormatError

CORNERS = ("xmin", "ymin", "xmax", "ymax")
TURNED = ("cx", "cy", "w", "h", "angle")


class Object(NamedTuple):
    """One object: its class's name, its corners as the file has them, and VOC's marks."""

    name: str
    corners: tuple[float, ...]
    difficult: bool
    truncated: bool


def objects_in(path: Path, top: Element) -> Iterator[Object]:
    """Every object, but for those that LabelMe keeps as deleted.

    Raises:
        FormatError: one has no name, or no box.
    """
    for one in top.iter("object"):
        if not _is(one, "deleted"):
            yield Object(_text(path, one, "name"), _corners(path, one), _is(one, "difficult"), _is(one, "truncated"))


def have_boxes(top: Element) -> bool:
    """Whether all objects have VOC's box; else they are outlines or turned boxes, whose numbers count from 0."""
    return all(one.find("bndbox") is not None for one in top.iter("object"))


def _corners(path: Path, one: Element) -> tuple[float, ...]:
    """The corners of a box; around LabelMe's outline, or roLabelImg's turned box, where there is no other."""
    if one.find("bndbox") is None and one.find("robndbox") is not None:
        cx, cy, width, height, radians = (_number(path, one, f"robndbox/{name}") for name in TURNED)
        upright = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
        return around(turned(upright, math.degrees(radians), about=(cx, cy)))
    points = one.findall("polygon/pt")
    if one.find("bndbox") is None and len(points) > 2:
        return around([(_number(path, point, "x"), _number(path, point, "y")) for point in points])
    return tuple(_number(path, one, f"bndbox/{name}") for name in CORNERS)


def _is(one: Element, mark: str) -> bool:
    return (one.findtext(mark) or "0").strip() == "1"


def _text(path: Path, element: Element, name: str) -> str:
    text = (element.findtext(name) or "").strip()
    if not text:
        raise FormatError(f"{path}: need <{name}> in each <{element.tag}>, found none")
    return text


def _number(path: Path, element: Element, name: str) -> float:
    text = _text(path, element, name)
    try:
        return float(text)
    except ValueError:
        raise FormatError(f"{path}: need a number in <{name}>, got {text!r}") from None
