"""What each task's file gives: the outputs' names and shapes, and the operators that follow the network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from convolens.errors import ArgumentError
from convolens.exporting.answers import Activations, Boxes, Edges, Maps, Place, Places, Probabilities
from convolens.exporting.graph import Graph, Shape
from convolens.exporting.suppression import objects
from convolens.features.learned_edges import SIDES, edge_network
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.heads import PooledHead
from convolens.models.localize import Localizer
from convolens.models.unusual import Inspector
from convolens.selection import MIN_SCORE
from convolens.trunks import OriginalHead, Trunk

LEARNED_EDGES = "learned_edges"  # in place of a model: the network of `cl.learned_edges`
_LEAST_ON_PAGES = 0.05  # the score at which a page's threshold begins
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
        grid: where the places of an inspector are in the network's input.
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
    grid: dict[str, Any] | None = None


def exportable(model: object, taps: Sequence[str] | str | None, *, for_page: bool = False) -> Exportable:
    """A model as what goes into a file.

    Args:
        model: a classifier, localizer, detector, inspector or trunk, or `learned_edges`.
        taps: of a trunk; None gives its last.
        for_page: a page can set no inputs but the picture and chooses by score itself, so a detector gives unlikely
            objects too; a classifier whose head pools gives its class activation maps.

    Raises:
        ArgumentError: something else, taps of what is no trunk, or no such tap.
    """
    if taps is not None and not isinstance(model, Trunk):
        raise ArgumentError("taps: need a trunk for them, got a model, which has its own; give model.trunk")
    match model:
        case Classifier():
            return _classifier(model, pooled(model) if for_page else None)
        case Localizer():
            return _localizer(model)
        case Detector():
            return _detector(model, _LEAST_ON_PAGES if for_page else MIN_SCORE)
        case Inspector():
            return _inspector(model)
        case Trunk():
            return _features(model, model.chosen(taps))
        case str() if model == LEARNED_EDGES:
            return _edges()
    raise ArgumentError(
        f"model: need a classifier, localizer, detector, inspector, trunk or {LEARNED_EDGES!r} to export, "
        f"got {type(model).__name__}"
    )


def add_outputs(graph: Graph, values: Sequence[str], outputs: Sequence[Output], single: bool) -> None:
    """Gives values out; without the batch's axis where there is one picture only."""
    first = [] if single else ["batch"]
    for value, output in zip(values, outputs, strict=True):
        given = graph.op("Squeeze", value, graph.constant([0], np.int64)) if single else value
        graph.output(output.name, given, np.float32, [*first, *output.shape])


def pooled(model: Classifier) -> PooledHead | None:
    """A classifier's head, if it pools and then weighs, as a published ResNet's does too."""
    if isinstance(model.head, OriginalHead):
        with suppress(ArgumentError):
            return PooledHead.of(model.head)
    return model.head if isinstance(model.head, PooledHead) else None


def _classifier(model: Classifier, head: PooledHead | None) -> Exportable:
    count = len(model.class_names)
    outputs: tuple[Output, ...] = (Output("probabilities", [count], "probability"),)
    if head is not None:
        outputs += tuple(
            Output(f"activation {tap}", [count, f"rows {tap}", f"columns {tap}"], "feature") for tap in model.taps
        )
    module = Probabilities(model) if head is None else Activations(model, head)

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        add_outputs(graph, values, outputs, single)

    return Exportable(
        model.task, module, model.trunk, model.taps, outputs, finish,
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


def _detector(model: Detector, least_score: float) -> Exportable:
    count = model.defaults.count
    outputs = (
        Output("probabilities", [count, len(model.class_names)], "probability"),
        Output("boxes_xyxy", [count, 4], "fraction"),
    )

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        likely, corners = values
        found = objects(graph, likely, corners, least_score)
        graph.output("boxes_xyxy", graph.op("Mul", found.boxes, _sides(graph, pictures)), np.float32, ["objects", 4])
        graph.output("scores", found.scores, np.float32, ["objects"])
        graph.output("labels", found.labels, np.int64, ["objects"])
        graph.output("default_boxes", found.numbers, np.int64, ["objects"])

    return Exportable(
        model.task, Boxes(model), model.trunk, model.taps, outputs, finish, model.class_names, model.metrics
    )


def _inspector(model: Inspector) -> Exportable:
    outputs = (Output("score", [], "feature"), Output("places", [*model.rows_columns], "feature"))

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        add_outputs(graph, values, outputs, single)

    return Exportable(
        model.task, Places(model), model.trunk, model.taps, outputs, finish, model.class_names, model.metrics,
        grid=asdict(model.grid),
    )  # fmt: skip


def _features(trunk: Trunk, taps: Sequence[str]) -> Exportable:
    outputs = tuple(Output(tap, [trunk.channels(tap), f"rows {tap}", f"columns {tap}"], "feature") for tap in taps)

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        add_outputs(graph, values, outputs, single)

    return Exportable("features", Maps(trunk, taps), trunk, taps, outputs, finish)


def _edges() -> Exportable:
    trunk, heads = edge_network(torch.device("cpu"))
    outputs = (Output("edges", ["height", "width"], "probability"),)

    def finish(graph: Graph, values: Sequence[str], pictures: str, single: bool) -> None:
        add_outputs(graph, values, outputs, single)

    own = copy.deepcopy(trunk).eval()
    return Exportable("edges", Edges(own, heads), own, tuple(SIDES), outputs, finish)


def _sides(graph: Graph, pictures: str) -> Any:
    """Width, height, width, height of the pictures."""
    shape = graph.op("Gather", graph.op("Shape", pictures), graph.constant([2, 1, 2, 1], np.int64))
    return graph.op("Cast", shape, to=1)
