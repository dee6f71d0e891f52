"""Boxes as the rows of a form: a class, and `x1 y1 x2 y2` in pixels of the picture."""

from __future__ import annotations

from collections.abc import Sequence

from convolens.data.dataset import Box, box_fault
from convolens.errors import ArgumentError, need_one_of

MOST_BOXES = 2000  # of a picture


def rows_of(labels: Sequence[str], boxes: Sequence[str]) -> list[tuple[str, list[float]]]:
    """The class and the numbers of each row; one without corners is none.

    Raises:
        ArgumentError: a row without a class, or what is no number.

    >>> rows_of(["cat", "dog"], ["1, 2, 30 40", ""])
    [('cat', [1.0, 2.0, 30.0, 40.0])]
    """
    if len(labels) != len(boxes):
        raise ArgumentError(f"boxes: need a class for each box, got {len(labels)} for {len(boxes)}")
    return [(label, _numbers(text)) for label, text in zip(labels, boxes, strict=True) if text.strip()]


def box_of(name: str, corners: Sequence[float], classes: Sequence[str], size: tuple[float, float]) -> Box:
    """A box, cut to the picture.

    Args:
        name: its class.
        corners: `x1, y1, x2, y2` in pixels.
        classes: all names; the box has the number of its own.
        size: `(width, height)` of the picture.

    Raises:
        ArgumentError: no such class, other than four corners, or no area in the picture.
    """
    need_one_of("label", name, classes)
    if len(corners) != 4:
        raise ArgumentError(f"boxes: need four corners x1, y1, x2, y2 of a box, got {len(corners)} numbers")
    x1, y1, x2, y2 = map(float, corners)
    box = Box(classes.index(name), (max(x1, 0.0), max(y1, 0.0), min(x2, size[0]), min(y2, size[1])))
    if fault := box_fault(box):
        raise ArgumentError(f"boxes: {fault[0]}: {fault[1]}")
    return box


def need_few(boxes: Sequence[object]) -> None:
    """Refuses more boxes than a picture may have."""
    if len(boxes) > MOST_BOXES:
        raise ArgumentError(f"boxes: need at most {MOST_BOXES:,} in a picture, got {len(boxes):,}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(one) for one in text.replace(",", " ").split()]
    except ValueError:
        raise ArgumentError(f"boxes: need four numbers x1 y1 x2 y2, got {text!r:.60}") from None
