"""What was written is read again, and must be what it was written from."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from math import isclose
from pathlib import Path

from convolens.arrays import Real
from convolens.data.dataset import Box, DataSet, Example
from convolens.data.format import Format, Placed
from convolens.errors import DataError

NEARLY = 1e-5  # pixels; readers of fractions keep millionths
MAX_SCORE_ERROR = 1e-6


def need_equal(folder: Path, data: DataSet, pictures: Sequence[Placed], form: Format) -> None:
    """Reads the folder.

    Args:
        folder: where it was written.
        data: what was written.
        pictures: where, with all that the format carries.
        form: the format.

    Raises:
        DataError: what is read is something else. A name that the format cannot tell is the likely reason.
    """
    reading = form.read(folder, None, **({"outlines": True} if form.reads_outlines else {}))
    found = reading.data
    trouble = reading.faults[0].sentence if reading.faults else _difference(folder, data, pictures, form, found)
    if trouble:
        trouble = trouble.replace(f"{folder}{os.sep}", "")
        raise DataError(
            f"{data.root}: need data that {form.name} can tell, got other data when it was read again: {trouble}"
        )


def _difference(folder: Path, data: DataSet, pictures: Sequence[Placed], form: Format, found: DataSet) -> str:
    if found.kind != data.kind:
        return f"{found.kind} for {data.kind}"
    if "classes" in form.carries and found.class_names != data.class_names:
        return f"the classes {', '.join(found.class_names)} for {', '.join(data.class_names)}"
    if data.class_ids and found.class_ids != data.class_ids:
        return "other ids of classes"
    start = len(os.path.join(folder, ""))  # noqa: PTH118
    by_name = {str(example.path)[start:].replace(os.sep, "/"): example for example in found.examples}
    if len(by_name) != len(found.examples) or len(found.examples) != len(pictures):
        return f"{len(found.examples):,} pictures for {len(pictures):,}"
    for one in pictures:
        example = by_name.get(one.name)
        if example is None:
            return f"nothing of {one.name!r}"
        trouble = _example_difference(one.example, example, data, found)
        if trouble:
            return f"{one.name!r} with {trouble}"
    return _disorder(pictures, by_name) if "order" in form.carries else ""


def _example_difference(wanted: Example, got: Example, data: DataSet, found: DataSet) -> str:
    if wanted.split != got.split:
        return f"the split {got.split!r} for {wanted.split!r}"
    if wanted.id is not None and wanted.id != got.id:
        return f"the id {got.id!r} for {wanted.id!r}"
    labels = {data.class_names[label] for label in wanted.labels}
    if labels != {found.class_names[label] for label in got.labels}:
        return "other classes"
    if len(wanted.boxes) != len(got.boxes):
        return f"{len(got.boxes)} objects for {len(wanted.boxes)}"
    for a, b in zip(wanted.boxes, got.boxes, strict=True):
        if data.class_names[a.label] != found.class_names[b.label] or not _same(a, b):
            return f"the object {b} for {a}"
    return ""


def _same(a: Box, b: Box) -> bool:
    area = a.area is None or (b.area is not None and isclose(a.area, b.area, rel_tol=NEARLY, abs_tol=NEARLY))
    score = a.score is b.score is None or (
        a.score is not None and b.score is not None and isclose(a.score, b.score, abs_tol=MAX_SCORE_ERROR)
    )
    marks = (a.crowd, a.difficult, a.truncated) == (b.crowd, b.difficult, b.truncated)
    return area and score and marks and _near(a.xyxy, b.xyxy) and _same_outlines(a, b)


def _same_outlines(a: Box, b: Box) -> bool:
    return len(a.outlines) == len(b.outlines) and all(map(_near, a.outlines, b.outlines))


def _near(a: Sequence[Real], b: Sequence[Real]) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= NEARLY for x, y in zip(a, b, strict=True))


def _disorder(pictures: Sequence[Placed], by_name: dict[str, Example]) -> str:
    """The first picture of a split that comes elsewhere than it was written."""
    written: dict[str, list[str]] = defaultdict(list)
    read: dict[str, list[str]] = defaultdict(list)
    for one in pictures:
        written[one.example.split].append(one.name)
    for name, example in by_name.items():
        read[example.split].append(name)
    return next((f"{b!r} in the place of {a!r}" for split in written
                 for a, b in zip(written[split], read[split], strict=True) if a != b), "")  # fmt: skip
