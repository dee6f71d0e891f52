"""What was measured, as a result: a dict of plain numbers that says itself in words, in a notebook, as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from convolens.errors import FormatError
from convolens.media.files import AnyPath, write_json, writing


class Evaluation(dict[str, Any]):
    """The numbers that `convolens.evaluate` gives, under the field's names.

    Args:
        task: `classify`, `localize` or `detect`.
        numbers: as the task's module gives them.
        page: makes the page about them.
    """

    def __init__(self, task: str, numbers: Mapping[str, Any], page: Callable[[], str]) -> None:
        super().__init__(numbers)
        self.task, self.page = task, page

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # the numbers alone: a page needs the model, which may be on another machine

    def save(self, path: AnyPath) -> Path:
        """Writes the page, where the name ends in `.html`, or the numbers, where it ends in `.json`.

        Raises:
            FormatError: another name.
            FileError: it cannot be written.
        """
        target = Path(path)
        if target.suffix == ".json":
            write_json(target, self)
        elif target.suffix == ".html":
            with writing(target) as draft:
                draft.write_text(self.page(), encoding="utf-8")
        else:
            raise FormatError(f"{target}: need a name that ends in .html or .json, got {target.suffix or 'no suffix'}")
        return target

    def __str__(self) -> str:
        return "\n".join([in_a_line(self.task, self), *per_class(self)])

    def __repr__(self) -> str:
        return f"Evaluation({in_a_line(self.task, self)})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(in_a_line(self.task, self))}</p><pre>{escape(chr(10).join(per_class(self)))}</pre>"

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(self, indent=2)


def in_a_line(task: str, found: Mapping[str, Any]) -> str:
    """The figures that matter most, in a line.

    >>> in_a_line("detect", {"count": 9, "objects": 20, "ap": 0.5, "ap50": 0.75, "ap75": None})
    '9 pictures, 20 objects: AP 0.500, at IoU .5 0.750, at IoU .75 none'
    """
    pictures = f"{found['count']:,} pictures"
    if task == "detect":
        objects = f", {found['objects']:,} objects" if "objects" in found else ""
        small = [("ap_small", "small"), ("ap_medium", "medium"), ("ap_large", "large")]
        parts = [("ap", "AP"), ("ap50", "at IoU .5"), ("ap75", "at IoU .75"), *small]
        parts += [("voc07", "VOC07"), ("voc10", "VOC10")]
        return f"{pictures}{objects}: " + ", ".join(f"{text} {_number(found[k])}" for k, text in parts if k in found)
    if task == "localize":
        return (
            f"{pictures}: object or none right {found['object_accuracy']:.1%}, class right "
            f"{found['class_accuracy']:.1%}, mean IoU {found['mean_iou']:.3f}"
            + (f", IoU of at least .5 {found['iou50']:.1%}" if "iou50" in found else "")
        )
    if "mean_ap" in found:
        return (
            f"{pictures}: mean average precision {found['mean_ap']:.1%}, macro-F1 {found['macro_f1']:.3f}, "
            f"all classes right {found['exact']:.1%}"
        )
    top5 = f", top-5 {found['top5']:.1%}" if "top5" in found else ""
    error = f"calibration error {found['ece']:.3f}"
    return f"{pictures}: top-1 {found['top1']:.1%}{top5}, macro-F1 {found['macro_f1']:.3f}, {error}"


def per_class(found: Mapping[str, Any]) -> list[str]:
    """A line for each class, under one with the names of the figures; none where there are no classes' figures."""
    rows: Mapping[str, Mapping[str, Any]] = found.get("per_class", {})
    if not rows:
        return []
    first, counted = next(iter(rows.values())), "objects" if "voc10" in found else "pictures"
    columns = [name for name in ("ap", "ap50", "precision", "recall", "f1") if name in first]
    width = max(len("class"), *map(len, rows))
    head = f"{'class':<{width}}" + "".join(f"  {name:>9}" for name in columns) + f"  {counted:>8}"
    return [head] + [
        f"{name:<{width}}" + "".join(f"  {_number(one[column]):>9}" for column in columns) + f"  {one['count']:>8,}"
        for name, one in rows.items()
    ]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
