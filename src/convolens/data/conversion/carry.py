"""What a format cannot carry is taken out of the data, and counted."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import isclose

from convolens.data.conversion.outlines import around, clipped, joined, rectangle
from convolens.data.dataset import Box, DataSet, Kind, box_fault, need_one_label
from convolens.data.format import Carried, Format, Placed
from convolens.errors import DataError

Carries = frozenset[Carried]
NEARLY = 1.0  # pixels by which a box may differ from the one around its outlines before it is a loss: of rounding


class Losses:
    """What is lost, counted by kind, in the order in which it was found."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, what: str, how_many: int = 1) -> None:
        """Adds so many of a kind; its noun has the ending of several in brackets: `class(es) without objects`."""
        if how_many:
            self._counts[what] += how_many

    def in_words(self) -> tuple[str, ...]:
        """Each kind with its number."""
        return tuple(f"{count:,} {_in_number(what, count)}" for what, count in self._counts.items())

    def unused_classes(self, data: DataSet, form: Format, pictures: Iterable[Placed]) -> None:
        """Counts classes without objects, where the format has none."""
        if "classes" not in form.carries:
            used = {label for one in pictures for label in one.example.labels}
            self.add("class(es) without objects", len(data.class_names) - len(used))


def _in_number(what: str, count: int) -> str:
    return re.sub(r"\((e?s)\)", "" if count == 1 else r"\1", what)


def of_kind(data: DataSet, form: Format, losses: Losses) -> DataSet:
    """The data with labels, boxes, ids and splits as far as the format has them.

    Raises:
        DataError: the format cannot tell what is known of the pictures.
    """
    kind = _kind(data, form)
    if kind == "label":
        need_one_label(data)
    with_boxes, with_ids = kind == "boxes", "ids" in form.carries
    losses.add("box(es)", 0 if with_boxes else sum(len(example.boxes) for example in data.examples))
    losses.add("id(s)", 0 if with_ids else sum(example.id is not None for example in data.examples))
    losses.add("id(s) of classes", 0 if with_ids else len(data.class_ids))
    with_splits = _keeps_splits(data, form)
    losses.add("split(s)", 0 if with_splits else len(data.splits))
    examples = (
        replace(
            example,
            boxes=example.boxes if with_boxes else (),
            id=example.id if with_ids else None,
            split=example.split if with_splits else "",
        )
        for example in data.examples
    )
    return replace(data, kind=kind, examples=tuple(examples), class_ids=data.class_ids if with_ids else ())


def _keeps_splits(data: DataSet, form: Format) -> bool:
    without = sum(not example.split for example in data.examples)
    if data.splits and without and "splits" in form.carries and "partial splits" not in form.carries:
        raise DataError(
            f"{data.root}: need a split for every picture in {form.name}, got {without:,} without one, such as "
            f"{next(example.path for example in data.examples if not example.split)}"
        )
    return "splits" in form.carries and (len(data.splits) > 1 or "lone split" in form.carries)


def _kind(data: DataSet, form: Format) -> Kind:
    lesser: dict[Kind, tuple[Kind, ...]] = {
        "boxes": ("boxes", "labels", "label"), "labels": ("labels", "label"), "label": ("label", "labels"),
    }  # fmt: skip
    for kind in lesser[data.kind]:
        if kind in form.carries:
            return kind
    raise DataError(f"{data.root}: need boxes for {form.name}, got a {data.kind.rstrip('s')} for each picture")


def without_what_is_lost(
    boxes: Iterable[Box], size: tuple[int, int], carries: Carries, losses: Losses
) -> Iterator[Box]:
    """The boxes as the format has them.

    Args:
        boxes: of one picture.
        size: its width and height.
        carries: of the format.
        losses: counts what is lost.
    """
    for box in boxes:
        if box.crowd and "crowds" not in carries:
            losses.add("crowd(s)")
            continue
        shaped = _inside(_shaped(box, carries, losses), size, carries, losses)
        if shaped is not None:
            yield _without_facts(shaped, carries, losses)


def _shaped(box: Box, carries: Carries, losses: Losses) -> Box:
    """The box with the outlines that the format has."""
    if box.outlines and "outlines" not in carries:
        losses.add("outline(s)")
        return replace(box, outlines=())
    if len(box.outlines) > 1 and "parts" not in carries:
        losses.add("object(s) in several parts, which are joined by lines")
        box = replace(box, outlines=(joined(box.outlines),))
    if not box.outlines and "boxes alone" not in carries:
        losses.add("box(es) without outlines, which become rectangles")
        return replace(box, outlines=(rectangle(box.xyxy),))
    if box.outlines and "own boxes" not in carries:
        fitted = around(box.outlines)
        far = max(abs(a - b) for a, b in zip(box.xyxy, fitted, strict=True)) > NEARLY
        losses.add("box(es) that are not around their outlines", int(far))
        return replace(box, xyxy=fitted)
    return box


def _inside(box: Box, size: tuple[int, int], carries: Carries, losses: Losses) -> Box | None:
    """The box within the picture; None where nothing of it is."""
    x1, y1, x2, y2 = box.xyxy
    width, height = size
    if "outside" in carries or (x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height):
        return box
    cut: tuple[array[float], ...] = tuple(clipped(part, size) for part in box.outlines)
    inside = replace(
        box, xyxy=(min(max(x1, 0), width), min(max(y1, 0), height), max(min(x2, width), 0), max(min(y2, height), 0)),
        outlines=cut,
    )  # fmt: skip
    gone = box_fault(inside) is not None
    losses.add("object(s) outside of their pictures" if gone else "object(s) in part outside of their pictures")
    return None if gone else inside


def _without_facts(box: Box, carries: Carries, losses: Losses) -> Box:
    x1, y1, x2, y2 = map(float, box.xyxy)
    if "areas" not in carries and box.area is not None:
        losses.add("area(s)", int(not isclose(box.area, (x2 - x1) * (y2 - y1), rel_tol=1e-6)))
        box = replace(box, area=None)
    if "difficult" not in carries and box.difficult:
        losses.add("mark(s) of difficult objects")
        box = replace(box, difficult=False)
    if "truncated" not in carries and box.truncated:
        losses.add("mark(s) of truncated objects")
        box = replace(box, truncated=False)
    if "scores" not in carries and box.score is not None:
        losses.add("score(s)")
        box = replace(box, score=None)
    return box
