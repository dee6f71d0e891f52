"""Decisions on objects applied to a data set: boxes fixed, classes changed, pictures left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from convolens.data import Box, DataSet, Example
from convolens.data.dataset import box_fault
from convolens.errors import DataError
from convolens.labels.changes import SET_ASIDE, path_in_data
from convolens.labels.object_changes import FIX, Object, ObjectChange, objects_of


def objects_decided_on(
    data: DataSet, changes: Sequence[ObjectChange], file: Path
) -> tuple[DataSet, Counter[str], tuple[str, ...]]:
    """The data with the decisions applied, how many of each there were, and the paths that are not there.

    A box that stays keeps all that was known of it; one that is new has its class and its corners alone.

    Raises:
        DataError: the changes are of another data set, were applied already, name a class that there is not, or a box
            without area.
    """
    if data.kind == "label":
        raise DataError(f"{data.root}: need boxes, or any number of classes, to apply {file}, got one label each")
    by_path = {path_in_data(data.root, example.path): example for example in data.examples}
    gone = tuple(one.path for one in changes if one.path not in by_path)
    here = {one.path: one for one in changes if one.path in by_path}
    if not here:
        raise DataError(f"{file}: need changes of {data.root}, got none or those of another data set")
    acting = [one for one in here.values() if one.decision in (FIX, SET_ASIDE)]
    if acting and all(one.decision == FIX and objects_of(by_path[one.path], data) == one.after != one.before
                      for one in acting):  # fmt: skip
        raise DataError(f"{data.root}: has the changes of {file} already; nothing is left to apply")
    for one in here.values():
        if objects_of(by_path[one.path], data) != one.before:
            raise DataError(f"{file}: need the objects of {data.root}, got others for {one.path}; decide anew")
        for each in one.after:
            _need_sound(each, one, data, file)

    def mended() -> Iterator[Example]:
        for example in data.examples:
            one = here.get(path_in_data(data.root, example.path))
            if one is None or one.decision not in (FIX, SET_ASIDE):
                yield example
            elif one.decision == FIX:
                yield _fixed(example, one.after, data)

    return data.having(mended()), Counter(one.decision for one in here.values()), gone


def _fixed(example: Example, objects: Sequence[Object], data: DataSet) -> Example:
    numbers = {name: number for number, name in enumerate(data.class_names)}
    if data.kind == "labels":
        return replace(example, labels=tuple(sorted({numbers[one.label] for one in objects})))
    left: dict[Object, list[Box]] = {}
    for known, box in zip(objects_of(example, data), example.boxes, strict=True):
        left.setdefault(known, []).append(box)
    boxes = tuple(left[one].pop(0) if left.get(one) else _box(one, numbers) for one in objects)
    return replace(example, boxes=boxes, labels=tuple(sorted({box.label for box in boxes if not box.crowd})))


def _box(one: Object, numbers: dict[str, int]) -> Box:
    assert one.box_xyxy is not None  # of data with boxes, as checked
    return Box(numbers[one.label], one.box_xyxy)


def _need_sound(one: Object, change: ObjectChange, data: DataSet, file: Path) -> None:
    if one.label not in data.class_names:
        raise DataError(
            f"{file}: need a class of {data.root} in {change.path}, got {one.label!r}; "
            f"there are {', '.join(data.class_names[:20])}"
        )
    if (one.box_xyxy is None) != (data.kind != "boxes"):
        got = "one without" if one.box_xyxy is None else "one with"
        raise DataError(f"{file}: need objects as {data.root} has them in {change.path}, got {got} a box")
    if one.box_xyxy is not None and (fault := box_fault(Box(0, one.box_xyxy))):
        raise DataError(f"{file}: {change.path}: {fault[0]}: {fault[1]}")
