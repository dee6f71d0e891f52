"""`labels.changes.jsonl`: decisions on data with boxes, or any number of classes; a line for each picture.

    {"path": "images/1.jpg", "decision": "fix", "before": [{"label": "cat", "box_xyxy": [1, 2, 30, 40]}], "after": […]}

path      of the picture, from the folder that the data is in, with `/`
decision  `keep`, `fix` or `set aside`
before    the objects that the data says, in its order; without `box_xyxy` in data without boxes
after     the objects that there are, where they are fixed
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolens.data import Box, DataSet, Example
from convolens.errors import DataError, FormatError
from convolens.labels.changes import KEEP, SET_ASIDE
from convolens.media.files import AnyPath, as_path, need_file, writing

FIX = "fix"
DECISIONS = (KEEP, FIX, SET_ASIDE)


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a picture: its class, and its corners where the data has boxes."""

    label: str
    box_xyxy: tuple[float, float, float, float] | None = None

    def plain(self) -> dict[str, Any]:
        """As the file has it."""
        return {"label": self.label} | ({"box_xyxy": list(self.box_xyxy)} if self.box_xyxy else {})


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """A line of the file."""

    path: str
    decision: str
    before: tuple[Object, ...]
    after: tuple[Object, ...] = ()


def objects_of(example: Example, data: DataSet) -> tuple[Object, ...]:
    """What the data says of an example."""
    if data.kind == "boxes":
        return tuple(_object(box, data.class_names) for box in example.boxes)
    return tuple(Object(data.class_names[label]) for label in example.labels)


def _object(box: Box, names: Sequence[str]) -> Object:
    x1, y1, x2, y2 = map(float, box.xyxy)
    return Object(names[box.label], (x1, y1, x2, y2))


def write_object_changes(path: AnyPath, changes: Sequence[ObjectChange]) -> None:
    """Writes the file. Errors as of `media.files.writing`."""
    lines = [json.dumps(_plain(one), ensure_ascii=False) + "\n" for one in changes]
    with writing(path) as draft:
        draft.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))


def _plain(one: ObjectChange) -> dict[str, Any]:
    said = {"path": one.path, "decision": one.decision, "before": [each.plain() for each in one.before]}
    return said | ({"after": [each.plain() for each in one.after]} if one.decision == FIX else {})


def read_object_changes(path: AnyPath) -> tuple[ObjectChange, ...]:
    """The lines of the file.

    Raises:
        FileError: it cannot be read.
        FormatError: a line is none.
        DataError: a decision is none, or one picture has two.
    """
    file = need_file(as_path(path, "a file of changes"), "a file of changes")
    found = tuple(_lines(file))
    seen: dict[str, ObjectChange] = {}
    for one in found:
        if one.decision not in DECISIONS:
            raise DataError(f"{file}: need keep, fix or set aside for {one.path}, got {one.decision!r}")
        before = seen.setdefault(one.path, one)
        if before != one:
            raise DataError(f"{file}: need one decision for {one.path}, got {before.decision!r} and {one.decision!r}")
    return found


def _lines(file: Path) -> Iterator[ObjectChange]:
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for at, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            before, after = (tuple(map(_read, said.get(name, ()))) for name in ("before", "after"))
            yield ObjectChange(str(said["path"]), str(said["decision"]), before, after)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"{file}: line {at}: need a change with path, decision, before and perhaps after, got {error}"
            ) from error


def _read(said: dict[str, Any]) -> Object:
    if (corners := said.get("box_xyxy")) is None:
        return Object(str(said["label"]))
    x1, y1, x2, y2 = map(float, corners)
    return Object(str(said["label"]), (x1, y1, x2, y2))
