"""Supervisely's figures as boxes and outlines.

The program's own kit writes whole pixels, of which a rectangle's last is inside; its labeling tool, places between
them. A rectangle of whole numbers is read as the first, one with a decimal point as the second.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from array import array
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED
from convolens.data.corners import Corners, Point, around
from convolens.data.dataset import Box
from convolens.data.json_file import real

WITHOUT_AREA = ("point", "line", "polyline", "graph", "keypoints")
PAINTED = ("bitmap", "alpha_mask")
_PNG_START = 24  # bytes, behind which a PNG has said its width and height


def box_of(figure: dict[str, Any], *, outlines: bool) -> tuple[Box, bool]:
    """The object that a figure shows, and whether it has holes, which are lost.

    Raises:
        ValueError: it is none of Supervisely's.
    """
    kind = figure.get("geometryType")
    if kind in PAINTED:
        return Box(UNNUMBERED, _around_mask(figure.get("bitmap"))), False
    points = figure.get("points")
    if not isinstance(points, dict):
        raise ValueError(f"need points with an exterior, got {short(points)}")
    exterior = _points(points.get("exterior"), 2 if kind == "rectangle" else 3)
    if kind == "rectangle":
        x1, y1, x2, y2 = around(exterior)
        whole = all(isinstance(value, int) for point in points["exterior"] for value in point)
        return Box(UNNUMBERED, (x1, y1, x2 + whole, y2 + whole)), False
    if kind == "polygon":
        outline = (array("d", (value for point in exterior for value in point)),) if outlines else ()
        return Box(UNNUMBERED, around(exterior), outlines=outline), bool(points.get("interior"))
    raise ValueError(f"need a rectangle, polygon or bitmap, got a {kind!r:.40}")


def _points(values: Any, least: int) -> list[Point]:
    if not isinstance(values, list) or len(values) < least:
        raise ValueError(f"need an exterior of {least} points or more, got {short(values)}")
    if not all(isinstance(one, list) and len(one) == 2 for one in values):
        raise ValueError(f"need points, each of two numbers, got {short(values)}")
    return [(real(x, "points of numbers"), real(y, "points of numbers")) for x, y in values]


def _around_mask(bitmap: Any) -> Corners:
    """Around a mask: a PNG, packed and as text, and where its first pixel lies."""
    if not isinstance(bitmap, dict) or not isinstance(bitmap.get("data"), str):
        raise ValueError(f"need a bitmap with data and origin, got {short(bitmap)}")
    ((x, y),) = _points([bitmap.get("origin")], 1)
    try:
        head = zlib.decompressobj().decompress(base64.b64decode(bitmap["data"], validate=True), _PNG_START)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"need a bitmap's data as Supervisely packs it, got {error}") from None
    if len(head) < _PNG_START or head[12:16] != b"IHDR":
        raise ValueError("need a bitmap's data as a PNG, got another file")
    width, height = struct.unpack(">II", head[16:24])
    return x, y, x + width, y + height
