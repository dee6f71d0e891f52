"""What `trunks.Preprocessing` does to pictures, as operators of ONNX: resize, crop, normalize."""

from __future__ import annotations

import numpy as np

from convolens.exporting.graph import Graph
from convolens.exporting.resizing import resize
from convolens.trunks import Preprocessing


def preprocess(graph: Graph, pictures: str, preprocessing: Preprocessing) -> str:
    """The network's input `(N, C, height, width)`, float32, of uint8 pictures `(N, height, width, C)`."""
    planes = graph.op("Transpose", pictures, perm=[0, 3, 1, 2])
    unit = graph.op("Div", graph.op("Cast", planes, to=1), graph.constant(255, np.float32))
    resized = resize(graph, unit, preprocessing)
    cropped = resized if preprocessing.crop is None else _crop(graph, resized, preprocessing.crop)
    return _normalize(graph, cropped, preprocessing)


def _crop(graph: Graph, pictures: str, side: int) -> str:
    """The centre; Round has ties to even, as Python's `round`."""
    left_over = graph.op("Sub", graph.op("Shape", pictures, start=2, end=4), graph.constant([side, side], np.int64))
    halves = graph.op("Div", graph.op("Cast", left_over, to=1), graph.constant(2, np.float32))
    start = graph.op("Cast", graph.op("Round", halves), to=7)
    end = graph.op("Add", start, graph.constant([side, side], np.int64))
    return graph.op("Slice", pictures, start, end, graph.constant([2, 3], np.int64))


def _normalize(graph: Graph, pictures: str, preprocessing: Preprocessing) -> str:
    channels = len(preprocessing.mean)
    if preprocessing.order == "bgr":
        pictures = graph.op("Gather", pictures, graph.constant(range(channels)[::-1], np.int64), axis=1)
    if preprocessing.white != 1:
        pictures = graph.op("Mul", pictures, graph.constant(preprocessing.white, np.float32))
    mean, deviation = (
        graph.constant(np.reshape(values, (1, channels, 1, 1)), np.float32)
        for values in (preprocessing.mean, preprocessing.deviation)
    )
    return graph.op("Div", graph.op("Sub", pictures, mean), deviation)
