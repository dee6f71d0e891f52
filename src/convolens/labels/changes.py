"""Decisions on what a data set says of its pictures: one shape for all data, whatever file they are written in.

A picture has objects: a class each, with its corners where the data has boxes; a picture with one label has one. A
change names some of them and what is to be in their place: another class, other corners, nothing, or something new. It
is written as a row of a table (`change_table.py`) where it is of one object, or as a line of JSON (`change_lines.py`),
which has all objects of a picture.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convolens.arrays import as_real
from convolens.data import Box, DataSet, Example
from convolens.errors import DataError
from convolens.media.found_pictures import File

KEEP, FIX, SET_ASIDE, UNDECIDED = "keep", "fix", "set aside", ""
RELABEL = "relabel"  # how files spell `FIX` where only the class is another

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a picture: its class, and its corners where the data has boxes."""

    label: str
    box_xyxy: Corners | None = None

    def __str__(self) -> str:
        return self.label if self.box_xyxy is None else f"{self.label} at {corners_text(self.box_xyxy)}"


@dataclass(frozen=True, slots=True)
class Change:
    """What is decided of some objects of a picture.

    Attributes:
        path: of the picture, from the folder that the data is in, with `/`.
        decision: `KEEP`, `FIX`, `SET_ASIDE` (the whole picture) or `UNDECIDED`.
        before: the objects that the data says; none for one that it does not know.
        after: what is there in their place, if they are fixed; none where nothing is.
        probability: that the data is wrong, as a file has it; empty where nobody said.
        whole: `before` and `after` are all objects of the picture, not some of them.
    """

    path: str
    decision: str
    before: tuple[Object, ...]
    after: tuple[Object, ...] = ()
    probability: str = ""
    whole: bool = False

    @property
    def what(self) -> object:
        """What it is about: two changes of the same thing are two decisions on it."""
        return self.path if self.whole else (self.path, self.before or self.after)

    def fits(self, objects: Sequence[Object]) -> bool:
        """Whether a picture has what it says was there."""
        return self.before == tuple(objects) if self.whole else not Counter(self.before) - Counter(objects)

    def is_done(self, objects: Sequence[Object]) -> bool:
        """Whether a picture is as it would be afterwards, and was not before."""
        gone, new = Counter(self.before) - Counter(self.after), Counter(self.after) - Counter(self.before)
        if self.decision != FIX or not (gone or new):
            return False
        if self.whole:
            return self.after == tuple(objects)
        return not new - Counter(objects) and not gone & Counter(objects)

    def applied(self, objects: Sequence[Object]) -> tuple[Object, ...]:
        """The objects with what is fixed in the place of what it was; the rest keeps its order."""
        if self.whole:
            return self.after
        left = list(objects)
        at = len(left)
        for one in self.before:
            at = left.index(one)
            del left[at]
        left[at:at] = self.after
        return tuple(left)


def need_one_decision_each(changes: Iterable[Change], file: Path) -> tuple[Change, ...]:
    """The changes without those given twice.

    Raises:
        DataError: a decision is none, or two are made of one thing.
    """
    found: dict[object, Change] = {}
    for one in changes:
        if one.decision not in (KEEP, FIX, SET_ASIDE, UNDECIDED):
            words = f"{KEEP}, {RELABEL if _is_label(one) else FIX}, {SET_ASIDE}"
            raise DataError(f"{file}: need {words} or nothing for {one.path}, got {one.decision!r}")
        before = found.setdefault(one.what, one)
        if before != one:
            raise DataError(f"{file}: need one decision for {one.path}, got {spelled(before)!r} and {spelled(one)!r}")
    return tuple(found.values())


def spelled(change: Change) -> str:
    """The decision as a table spells it."""
    return RELABEL if change.decision == FIX and _is_label(change) else change.decision


def _is_label(change: Change) -> bool:
    return not change.whole and all(one.box_xyxy is None for one in (*change.before, *change.after))


def objects_of(example: Example, data: DataSet) -> tuple[Object, ...]:
    """What the data says of an example."""
    if data.kind == "boxes":
        return tuple(_object(box, data.class_names) for box in example.boxes)
    return tuple(Object(data.class_names[label]) for label in example.labels)


def _object(box: Box, names: Sequence[str]) -> Object:
    x1, y1, x2, y2 = map(float, box.xyxy)
    return Object(names[box.label], (x1, y1, x2, y2))


def corners_text(box: Corners) -> str:
    """Corners as a cell has them, with all their digits.

    >>> corners_text((1.0, 2.5, 30.0, 0.1 + 0.2))
    '1 2.5 30 0.30000000000000004'
    """
    return " ".join(f"{value:.0f}" if value.is_integer() else repr(value) for value in map(float, box))


def need_probability(accept: float | None) -> float | None:
    """The probability from which labels are decided to be relabelled, if it is one; None decides nothing."""
    if accept is None:
        return None
    return float(as_real(accept, "accept", "a probability from 0 to 1", lambda value: 0 <= value <= 1))


def path_in_data(root: File, picture: File) -> str:
    """The picture's path from the folder that the data is in; its whole path or address where it is elsewhere."""
    if not (isinstance(root, Path) and isinstance(picture, Path)):
        return str(picture)
    folder = root if root.is_dir() else root.parent
    inside = os.path.relpath(picture, folder) if picture.is_relative_to(folder) else str(picture)
    return inside.replace(os.sep, "/")
