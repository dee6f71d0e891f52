"""What each task's file gives: the outputs' names and shapes, and the operators that follow the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import nn

from convolens.errors import ArgumentError
from convolens.exporting.answers import Boxes, Maps, Place, Probabilities
from convolens.exporting.graph import Graph, Shape
from convolens.exporting.suppression import objects
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.localize import Localizer
from convolens.trunks import Trunk

Kind = Literal["probability", "fraction", "feature"]  # of numbers: fractions are of a picture's sides


@dataclass(frozen=True)
class Output:
    """An output of the network with its arithmetic.

    Attributes:
        name: what it is called.
        shape: of one picture's.
        kind: what its numbers are.
    """

    name: str
    shape: Shape
    kind: Kind


@dataclass(frozen=True)
class Exportable:
    """A model on its way into a file.

    Attributes:
        task: its name.
        module: from a preprocessed batch to `outputs`.
        trunk: whose preprocessing it has.
        taps: that are used.
        outputs: of the module.
        finish: adds what follows the network to a graph: from the values of `outputs` and the value of the pictures,
            `(N, height, width, C)`, and whether there is one picture only.
        class_names: one for each class.
        metrics: what was measured.
        multi_label: whether a picture may show any number of classes.
    """

    task: str
    module: nn.Module
    trunk: Trunk
    taps: Sequence[str]
    outputs: tuple[Output, ...]
    finish: Callable[[Graph, Sequence[str], str, bool], None]
    class_names: Sequence[str] = ()
    metrics: dict[str, float] | None = None
    multi_label: bool = False


def exportable(model: object, taps: Sequence[str] | str | None) -> Exportable:
    """A model as what goes into a file.

    Args:
        model: a classifier, localizer, detector or trunk.
        taps: of a trunk; None gives its last.

    Raises:
        ArgumentError: something else, taps of what is no trunk, or no such tap.
    """
    if taps is not None and not isinstance(model, Trunk):
        raise ArgumentError("taps: need a trunk for them, got a model, which has its own; give model.trunk")
    match model:
        case Classifier():
            return _classifier(model)
        case Localizer():
            return _localizer(model)
        case Detector():
            return _detector(model)
        case Trunk():
            return _features(model, model.chosen(taps))
    raise ArgumentError(f"model: need a classifier, localizer, detector or trunk to export, got {type(model).__name__}")


def add_outputs(graph: Graph, values: Sequence[str], outputs: Sequence[Output], single: bool) -> None:
    """Gives values out; without the batch's axis where there is one picture only."""
    first = [] if single else ["batch"]
    for value, output in zip(values, outputs, strict=True):
        given = graph.op("Squeeze", value, graph.constant([0], np.int64)) if single else value
        graph.output(output.name, given, np.float32, [*first, *output.shape])


def _classifier(model: Classifier) -> Exportable:
    outputs = (Output("probabilities", [len(model.class_names)], "probability"),)

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        add_outputs(graph, values, outputs, single)

    return Exportable(
        model.task, Probabilities(model), model.trunk, model.taps, outputs, finish,
        model.class_names, model.metrics, model.multi_label,
    )  # fmt: skip


def _localizer(model: Localizer) -> Exportable:
    outputs = (
        Output("probabilities", [len(model.class_names)], "probability"),
        Output("objectness", [], "probability"),
        Output("box_xyxy", [4], "fraction"),
    )

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        probabilities, objectness, corners = values
        placed = graph.op("Mul", corners, _sides(graph, pictures))
        add_outputs(graph, [probabilities, objectness, placed], outputs, single)

    return Exportable(
        model.task, Place(model), model.trunk, model.taps, outputs, finish, model.class_names, model.metrics
    )


def _detector(model: Detector) -> Exportable:
    count = model.defaults.count
    outputs = (
        Output("probabilities", [count, len(model.class_names)], "probability"),
        Output("boxes_xyxy", [count, 4], "fraction"),
    )

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        found = objects(graph, *values)
        graph.output("boxes_xyxy", graph.op("Mul", found.boxes, _sides(graph, pictures)), np.float32, ["objects", 4])
        graph.output("scores", found.scores, np.float32, ["objects"])
        graph.output("labels", found.labels, np.int64, ["objects"])
        graph.output("default_boxes", found.numbers, np.int64, ["objects"])

    return Exportable(
        model.task, Boxes(model), model.trunk, model.taps, outputs, finish, model.class_names, model.metrics
    )


def _features(trunk: Trunk, taps: Sequence[str]) -> Exportable:
    outputs = tuple(Output(tap, [trunk.channels(tap), f"rows {tap}", f"columns {tap}"], "feature") for tap in taps)

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        add_outputs(graph, values, outputs, single)

    return Exportable("features", Maps(trunk, taps), trunk, taps, outputs, finish)


def _sides(graph: Graph, pictures: str) -> Any:
    """Width, height, width, height of the pictures."""
    shape = graph.op("Gather", graph.op("Shape", pictures), graph.constant([2, 1, 2, 1], np.int64))
    return graph.op("Cast", shape, to=1)
