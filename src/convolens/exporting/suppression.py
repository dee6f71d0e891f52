"""A detector's choice of objects as operators of ONNX: what `models.detect.decoding.select` does, in the same order.

ONNX's NonMaxSuppression takes every box that scores enough; before it only the likeliest of each class are kept
(`top_k`), after it the likeliest of the picture (`max_detections`). Where scores are equal, TopK and ONNX Runtime's
suppression prefer the lower number, so that the order is that of classes, then of boxes.

Thresholds and numbers are inputs that may be left out: their defaults are in the file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convolens.exporting.graph import Graph
from convolens.selection import MAX_DETECTIONS, MIN_SCORE, NMS_IOU, TOP_K

_NOT_KEPT = -1.0  # below every score and threshold


class Objects(NamedTuple):
    """Values: corners as fractions, scores, numbers of classes and of boxes, likeliest first."""

    boxes: str
    scores: str
    labels: str
    numbers: str


def objects(graph: Graph, probabilities: str, corners: str, least_score: float = MIN_SCORE) -> Objects:
    """The objects of one picture.

    Args:
        graph: to add to.
        probabilities: `(1, boxes, classes)`.
        corners: `(1, boxes, 4)`, as fractions of the picture.
        least_score: the threshold's default.
    """
    threshold = graph.input("threshold", np.float32, [1], [least_score])
    nms_iou = graph.input("nms_iou", np.float32, [1], [NMS_IOU])
    top_k = graph.input("top_k", np.int64, [1], [TOP_K])
    max_detections = graph.input("max_detections", np.int64, [1], [MAX_DETECTIONS])

    candidates = _likeliest(graph, graph.op("Transpose", probabilities, perm=[0, 2, 1]), top_k)
    chosen = graph.op("NonMaxSuppression", corners, candidates, top_k, nms_iou, threshold)
    scores = _scattered(graph, candidates, chosen)

    count = graph.op("Min", graph.op("Shape", chosen, start=0, end=1), max_detections)
    flat = graph.op("Reshape", scores, graph.constant([-1], np.int64))
    one = graph.constant([1], np.int64)  # where nothing is chosen: OpenVINO's TopK takes no 0
    best, places = (
        graph.op("Slice", value, graph.constant([0], np.int64), count)
        for value in graph.ops("TopK", 2, flat, graph.op("Max", count, one))
    )
    boxes = graph.op("Shape", corners, start=1, end=2)
    numbers = graph.op("Mod", places, boxes)
    own = graph.op("Gather", graph.op("Squeeze", corners, graph.constant([0], np.int64)), numbers)
    return Objects(own, best, graph.op("Div", places, boxes), numbers)


def _likeliest(graph: Graph, scores: str, top_k: str) -> str:
    """The scores `(1, classes, boxes)`, of each class only the best; the others are `_NOT_KEPT`."""
    most = graph.op("Min", top_k, graph.op("Shape", scores, start=2, end=3))
    best, places = graph.ops("TopK", 2, scores, most, axis=2)
    return graph.op("ScatterElements", _filled(graph, scores), places, best, axis=2)


def _scattered(graph: Graph, scores: str, chosen: str) -> str:
    """The scores at the chosen places `(objects, 3)`, the others `_NOT_KEPT`."""
    return graph.op("ScatterND", _filled(graph, scores), chosen, graph.op("GatherND", scores, chosen))


def _filled(graph: Graph, like: str) -> str:
    return graph.op("Expand", graph.constant(_NOT_KEPT, np.float32), graph.op("Shape", like))
