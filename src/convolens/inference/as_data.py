"""Predictions as a data set to correct in an annotation program: what a model found, in any format that is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from convolens.data import Box, DataSet, Example
from convolens.data.conversion.converting import Converted, format_to_write, write_data
from convolens.data.dataset import Kind
from convolens.data.format import Format
from convolens.errors import ArgumentError
from convolens.inference.lines import prediction_lines
from convolens.media.files import AnyPath, need_new_folder
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer

SURE = 0.5  # from which probability a class is taken, of a model that may name several


class Task(Protocol):
    """What is asked of a model: its task and its classes."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each number."""


def need_format(name: str, model: Task, out: AnyPath) -> Format:
    """The format, if it can hold what the model predicts, and a folder called like it can be made in `out`.

    Raises:
        ArgumentError: it cannot.
        FileError: the folder is there already.
    """
    form = format_to_write(name)
    if _kind(model) not in form.carries:
        raise ArgumentError(
            f"as: need a format that holds {_kind(model)} for a model that can {model.task}, got {name!r}"
        )
    if Path(out).is_dir():
        need_new_folder(Path(out) / name)
    return form


def write_as(lines: AnyPath, out: AnyPath, form: Format, model: Task, *, progress: bool = True) -> Converted:
    """Writes predictions as a data set with copies of the pictures.

    Args:
        lines: the file of lines that `predict_files` wrote; pictures that failed are left out.
        out: the new folder.
        form: from `need_format`.
        model: that predicted.
        progress: shows a bar with the time left.

    Raises:
        FileError: a file cannot be read or written.
        FormatError: the lines are none.
        DataError: a name cannot be told in the format.
    """
    target = Path(out)
    numbers = {name: number for number, name in enumerate(model.class_names)}
    several = bool(getattr(model, "multi_label", False))
    found = [line for line in prediction_lines(Path(lines)) if "error" not in line]
    examples = tuple(_example(line, numbers, several) for line in found)
    data = DataSet(Path(lines), tuple(model.class_names), examples, _kind(model))
    with only_writer(target), given(*(example.path for example in examples)):
        return write_data(data, target, form, link=False, progress=progress)


def _kind(model: Task) -> Kind:
    if model.task != "classify":
        return "boxes"
    return "labels" if getattr(model, "multi_label", False) else "label"


def _example(line: dict[str, Any], numbers: dict[str, int], several: bool) -> Example:
    path = Path(line["path"])
    if "objectness" in line or "boxes_xyxy" in line:
        boxes = tuple(_boxes(line, numbers))
        return Example(path, tuple(sorted({box.label for box in boxes})), boxes)
    pairs = zip(line["labels"], line["scores"], strict=True)
    chosen = [label for label, score in pairs if score >= SURE] if several else line["labels"][:1]
    return Example(path, tuple(sorted(numbers[label] for label in chosen)))


def _boxes(line: dict[str, Any], numbers: dict[str, int]) -> Iterator[Box]:
    if "box_scores" in line:
        line = {**line, "labels": [line["label"]] * len(line["box_scores"]), "scores": line["box_scores"]}
    if "objectness" in line:
        if line["box_xyxy"] is not None:
            yield Box(numbers[line["label"]], tuple(line["box_xyxy"]), score=line["score"])
        return
    for corners, label, score in zip(line["boxes_xyxy"], line["labels"], line["scores"], strict=True):
        yield Box(numbers[label], tuple(corners), score=score)
