"""Resizing as operators of ONNX: what torch's `interpolate` does, in every runtime.

With antialiasing it is two products with matrices whose weights the graph computes from the sizes. ONNX's Resize has
`antialias` too, but runtimes differ in it: OpenVINO 2026 weighs pixels at the borders otherwise, which moves
probabilities by 0.007. A photo of 12 megapixels takes as long as by ONNX Runtime's Resize. Without antialiasing Resize
is the same everywhere.
"""

from __future__ import annotations

import numpy as np

from convolens.exporting.graph import Graph
from convolens.trunks import Preprocessing

# Keys' coefficient as torch has it: Pillow's where it antialiases, OpenCV's where it does not.
_CUBIC = {True: -0.5, False: -0.75}


def resize(graph: Graph, pictures: str, preprocessing: Preprocessing) -> str:
    """The pictures `(N, C, height, width)` in the size that `preprocessing` gives them, before its crop."""
    if preprocessing.resize is None and preprocessing.stretch is None:
        return pictures
    size = _size(graph, pictures, preprocessing)
    cubic = preprocessing.interpolation == "bicubic"
    if not preprocessing.antialias:
        resized = graph.op(
            "Resize", pictures, "", "", size, axes=[2, 3], mode="cubic" if cubic else "linear",
            coordinate_transformation_mode="half_pixel", cubic_coeff_a=_CUBIC[False],
        )  # fmt: skip
    else:
        rows, columns = (_weights(graph, pictures, size, axis, cubic) for axis in (0, 1))
        resized = graph.op("MatMul", graph.op("MatMul", rows, pictures), graph.op("Transpose", columns, perm=[1, 0]))
    return graph.op("Clip", resized, graph.constant(0, np.float32), graph.constant(1, np.float32))


def _size(graph: Graph, pictures: str, preprocessing: Preprocessing) -> str:
    """Height and width after resizing: `Preprocessing.resized`, of a size that is known when it is run."""
    if preprocessing.stretch is not None:
        return graph.constant(preprocessing.resized(1, 1), np.int64)
    assert preprocessing.resize is not None
    sides = graph.op("Shape", pictures, start=2, end=4)
    shorter = graph.op("ReduceMin", sides, keepdims=1)
    return graph.op("Div", graph.op("Mul", sides, graph.constant(preprocessing.resize, np.int64)), shorter)


def _weights(graph: Graph, pictures: str, size: str, axis: int, cubic: bool) -> str:
    """The weight of each pixel, by columns, for each pixel of the result, by rows, along one axis.

    A filter around the place of the result's pixel, as wide as the pixels of the result are in those of the picture.
    """
    before = graph.op("Shape", pictures, start=2 + axis, end=3 + axis)
    after = graph.op("Gather", size, graph.constant([axis], np.int64))
    scale = graph.op("Div", graph.op("Cast", before, to=1), graph.op("Cast", after, to=1))
    places = graph.op("Mul", _middles(graph, after), scale)
    apart = graph.op("Sub", _middles(graph, before), graph.op("Unsqueeze", places, graph.constant([1], np.int64)))
    wide = graph.op("Max", scale, graph.constant(1, np.float32))
    distance = graph.op("Abs", graph.op("Div", apart, wide))
    weights = _cubic(graph, distance) if cubic else _triangle(graph, distance)
    return graph.op("Div", weights, graph.op("ReduceSum", weights, graph.constant([1], np.int64), keepdims=1))


def _middles(graph: Graph, count: str) -> str:
    """0.5, 1.5, …: the middles of so many pixels."""
    numbers = graph.op("Range", *(graph.constant(0, np.int64), graph.op("Squeeze", count), graph.constant(1, np.int64)))
    return graph.op("Add", graph.op("Cast", numbers, to=1), graph.constant(0.5, np.float32))


def _triangle(graph: Graph, distance: str) -> str:
    return graph.op("Relu", graph.op("Sub", graph.constant(1, np.float32), distance))


def _cubic(graph: Graph, distance: str) -> str:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 15 with its a."""
    a = _CUBIC[True]
    near = _polynomial(graph, distance, (a + 2, -(a + 3), 0, 1))
    far = _polynomial(graph, distance, (a, -5 * a, 8 * a, -4 * a))
    is_near, is_there = (graph.op("Less", distance, graph.constant(reach, np.float32)) for reach in (1, 2))
    return graph.op("Where", is_near, near, graph.op("Where", is_there, far, graph.constant(0, np.float32)))


def _polynomial(graph: Graph, x: str, coefficients: tuple[float, ...]) -> str:
    """By Horner's rule, the highest power first."""
    value = graph.constant(coefficients[0], np.float32)
    for coefficient in coefficients[1:]:
        value = graph.op("Add", graph.op("Mul", value, x), graph.constant(coefficient, np.float32))
    return value
