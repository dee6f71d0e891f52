"""Plots as plain numbers for templates: points and lines in a square of 100 by 100, y upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from convolens.studio.gallery.reports import Range

WIDE, HIGH = 320.0, 200.0  # of a curve's field, in SVG's units
SQUARE = 240.0
MOST_POINTS = 400


@dataclass(frozen=True)
class Line:
    """A line through a plot: its name, `x,y` pairs as SVG has them, and what it says at its end."""

    name: str
    points: str
    last: str


@dataclass(frozen=True)
class Curves:
    """Lines over the rows of a training, and the numbers at the ends of the axes."""

    lines: tuple[Line, ...]
    lowest: str
    highest: str
    rows: int


@dataclass(frozen=True)
class Point:
    """A range of confidence in a reliability diagram: where it is, how large, and what it says."""

    x: float
    y: float
    radius: float
    words: str
    query: str


def curves(rows: Sequence[dict[str, float]], names: Sequence[str]) -> Curves | None:
    """Some columns of a training's metrics; None where none of them has two rows."""
    series = {name: [(at, row[name]) for at, row in enumerate(rows) if math.isfinite(row.get(name, math.nan))]
              for name in names}  # fmt: skip
    series = {name: points for name, points in series.items() if len(points) > 1}
    if not series:
        return None
    values = [value for points in series.values() for _, value in points]
    low, high = min(values), max(values)
    span, last = (high - low) or 1.0, max(1, len(rows) - 1)

    def drawn(points: list[tuple[int, float]]) -> str:
        some = points[:: max(1, len(points) // MOST_POINTS)]
        return " ".join(f"{WIDE * at / last:.1f},{HIGH * (high - value) / span:.1f}" for at, value in some)

    lines = tuple(Line(name, drawn(points), f"{points[-1][1]:.3g}") for name, points in series.items())
    return Curves(lines, f"{low:.3g}", f"{high:.3g}", len(rows))


def reliability_points(ranges: Sequence[Range]) -> list[Point]:
    """A point for each range: its mean confidence across, how many are right upwards; larger for more pictures."""
    most = max((one.count for one in ranges), default=1)
    return [
        Point(
            SQUARE * one.confidence, SQUARE * (1 - one.accuracy), 3 + 7 * math.sqrt(one.count / most),
            f"confidence {one.above:.0%} to {one.below:.0%}: {one.right:,} of {one.count:,} right",
            one.view.query(),
        )
        for one in ranges
    ]  # fmt: skip
