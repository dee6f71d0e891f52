"""Label Studio's regions as objects: percents of the picture, turned clockwise about the upper left corner."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED
from convolens.data.corners import Corners, Point, around, turned
from convolens.data.dataset import Box
from convolens.data.files import claimed_size
from convolens.data.json_file import real
from convolens.data.text import tidy

SHAPES = ("rectangle", "polygon", "ellipse")
OF_WHOLE = ("choices", "taxonomy")

Size = tuple[int, int]


@dataclass
class Found:
    """What the regions of a picture say, and what of them was passed over."""

    choices: list[str] = field(default_factory=list)
    objects: list[tuple[str, Box]] = field(default_factory=list)
    size: Size | None = None
    passed_over: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def found_in(regions: list[Any], size: Callable[[], Size], *, outlines: bool) -> Found:
    """Everything that regions say.

    Args:
        regions: of one annotation.
        size: of the picture, where a region does not say it.
        outlines: whether those of polygons are wanted.
    """
    found = Found()
    labels = {_id(one): _names(one["value"]) for one in regions if _has_names_alone(one)}
    shaped = {_id(one) for one in regions if _kind(one) in SHAPES}
    for at, region in enumerate(regions):
        if region.get("type") == "labels" and _id(region) in shaped:
            continue  # the names alone, of a shape that is a region of its own
        try:
            _add(found, region, labels.get(_id(region), []), size, outlines)
        except ValueError as error:
            found.troubles.append(f"region {at}: {error}")
    return found


def _add(found: Found, region: dict[str, Any], others: list[str], size: Callable[[], Size], outlines: bool) -> None:
    kind, value = _kind(region), region.get("value")
    if not isinstance(value, dict):
        raise ValueError(f"need a value, got {short(region)}")
    if kind == "choices":
        found.choices += _names(value)
    elif kind in SHAPES:
        names = _names(value) or others
        if not names:
            raise ValueError(f"need a label for the {kind}, got none")
        found.size = _size(region) or size()
        (x1, y1, x2, y2), points = _corners(kind, value, found.size)
        corners = (tidy(x1), tidy(y1), tidy(x2), tidy(y2))
        score = None if region.get("score") is None else real(region["score"], "score as a number")
        parts = (array("d", (tidy(one) for point in points for one in point)),) if outlines and points else ()
        if region.get("image_rotation"):
            raise ValueError("need a picture as it is, got regions of one that was turned while it was annotated")
        found.objects += [(name, Box(UNNUMBERED, corners, score=score, outlines=parts)) for name in names]
    else:
        found.passed_over.append(str(region.get("type")))


def _id(region: dict[str, Any]) -> str:
    return str(region.get("id"))


def _has_names_alone(region: dict[str, Any]) -> bool:
    return region.get("type") == "labels" and isinstance(region.get("value"), dict)


def _kind(region: dict[str, Any]) -> str:
    kind = str(region.get("type", "")).removesuffix("labels")
    return kind or "choices" * (region.get("type") in OF_WHOLE)


def _names(value: dict[str, Any]) -> list[str]:
    """The labels or choices of a value, whatever its control calls them."""
    keys = (key for key in value if key == "choices" or key.endswith("labels"))
    found: Any = next((value[key] for key in keys), [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise ValueError(f"need labels that are texts, got {short(found)}")
    return found


def _size(region: dict[str, Any]) -> Size | None:
    return claimed_size(region.get("original_width"), region.get("original_height"))


def _corners(kind: str, value: dict[str, Any], size: Size) -> tuple[Corners, list[Point]]:
    """The upright box in pixels, and the outline of a polygon."""
    if kind == "polygon":
        points = list(_points(value.get("points"), size))
        return around(points), points
    names = ("x", "y", "radiusX", "radiusY") if kind == "ellipse" else ("x", "y", "width", "height")
    x, y, across, down = (
        real(value.get(name), f"{name} in percent") * size[at % 2] / 100 for at, name in enumerate(names)
    )
    box = (x - across, y - down, x + across, y + down) if kind == "ellipse" else (x, y, x + across, y + down)
    degrees = real(value.get("rotation") or 0, "rotation in degrees")
    return (box if degrees % 360 == 0 else around(turned(box, degrees, about=(x, y)))), []


def _points(points: Any, size: Size) -> Iterator[Point]:
    if not isinstance(points, list) or len(points) < 3 or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise ValueError(f"need three points or more, got {short(points)}")
    for x, y in points:
        yield real(x, "points in percent") * size[0] / 100, real(y, "points in percent") * size[1] / 100
