"""A training's rows as lines to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

WIDTH, HEIGHT = 300, 100  # of the drawing
SHOWN = (
    "loss",
    "validation_loss",
    "validation_top1",
    "validation_map",
    "validation_map50",
    "validation_iou",
)  # in this order, where rows have them
NAMES = {"loss": "training loss", "validation_top1": "validation accuracy"}
AT_MOST = 3
COUNTED = ("epoch", "step", "lr", "seconds", "pictures_per_second")  # how far it is, not how good


@dataclass(frozen=True)
class Line:
    """A line: `points` as SVG has them, the first and last value as text."""

    name: str
    points: str
    first: str
    last: str


def curves(rows: Sequence[dict[str, float]]) -> list[Line]:
    """The loss and what is measured, by row; the first few that the last row has."""
    if len(rows) < 2:
        return []
    names = [name for name in rows[-1] if name not in COUNTED]
    names.sort(key=lambda name: SHOWN.index(name) if name in SHOWN else len(SHOWN))
    return [line for name in names[:AT_MOST] if (line := _line(name, rows))]


def _line(name: str, rows: Sequence[dict[str, float]]) -> Line | None:
    there = [(at, row[name]) for at, row in enumerate(rows) if isfinite(row.get(name, float("nan")))]
    if len(there) < 2:
        return None
    values = [value for _, value in there]
    low, high = min(0.0, *values), max(values)
    if "loss" not in name and high <= 1:  # a fraction: the drawing is as high as all of it
        high = 1.0
    span = (high - low) or 1.0
    points = " ".join(
        f"{WIDTH * at / (len(rows) - 1):.1f},{HEIGHT * (1 - (value - low) / span):.1f}" for at, value in there
    )
    return Line(NAMES.get(name, name.replace("_", " ")), points, f"{values[0]:.4g}", f"{values[-1]:.4g}")
