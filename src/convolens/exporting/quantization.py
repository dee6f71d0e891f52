"""A network in 8-bit integers: ONNX Runtime's static quantizer, which looks at what pictures do inside it.

Weights get 8 bits for each channel of an output, and every map between the layers a range that was seen on the
pictures. Of a weight's 8 bits one is left free: processors without VNNI add up pairs of products in 16 bits, which
could overflow, so that the file would answer otherwise there.

In floats stay the preprocessing, the arithmetic behind the network (softmax, boxes, suppression), and the last layers,
which give the scores: they are small, and what is rounded there no later layer evens out. A linear layer on HED's
features in 8 bits told 66 % of the tour's surfaces of 32 pixels, in floats 97 %.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.exported.session import failures_told, onnx_runtime

# What ONNX Runtime has integer kernels for; a residual network's sums are among them, or each would go by floats.
_KINDS = ("Conv", "Gemm", "MatMul", "Relu", "Add", "MaxPool")
_WEIGHTED = ("Conv", "Gemm", "MatMul")
_PREPARED = "onnx.quant.pre_process"  # tells the quantizer that torch's exporter has folded and inferred already


def quantized(network: onnx.ModelProto, batches: Iterable[NDArray[np.float32]]) -> onnx.ModelProto:
    """The network with its layers in 8-bit integers, in ONNX's own operators (QuantizeLinear, DequantizeLinear).

    Args:
        network: takes `batch`.
        batches: preprocessed pictures `(1, C, height, width)`, like those that it will be given.

    Raises:
        ArgumentError: no batch, or a network of one layer.
        WeightsError: ONNX Runtime cannot quantize it.
    """
    onnx_runtime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    chosen = _leading_to_weights(network)
    if not chosen:
        raise ArgumentError("int8: need a network with layers before those that give the scores, got one without")
    prepared = onnx.ModelProto()
    prepared.CopyFrom(network)
    onnx.helper.set_model_props(prepared, {_PREPARED: "onnxruntime.quant"})
    reader = _Reader(batches)
    with TemporaryDirectory() as folder, _quiet(), failures_told("int8", "need a network that can be quantized"):
        source, target = (Path(folder, name) for name in ("network.onnx", "quantized.onnx"))
        onnx.save(prepared, source)
        quantize_static(
            source, target, reader.need_one(), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_quantize=chosen, op_types_to_quantize=list(_KINDS),
        )  # fmt: skip
        made: onnx.ModelProto = onnx.load(target)
    return made


def _leading_to_weights(network: onnx.ModelProto) -> list[str]:
    """The names of what a layer with weights depends on: of all layers but the last ones."""
    wanted: set[str] = set()  # values that a layer with weights depends on
    chosen = []
    for node in reversed(network.graph.node):  # ONNX has them in the order that they are run in
        is_wanted = not wanted.isdisjoint(node.output)
        if is_wanted:
            chosen.append(node.name)
        if is_wanted or node.op_type in _WEIGHTED:
            wanted.update(node.input)
    return chosen


class _Reader:
    """Batches as the quantizer asks for them."""

    def __init__(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._batches: Iterator[NDArray[np.float32]] = iter(batches)
        self._first: NDArray[np.float32] | None = None

    def need_one(self) -> _Reader:
        """Itself, if there is a batch."""
        self._first = next(self._batches, None)
        if self._first is None:
            raise ArgumentError("int8: need at least one picture, got none")
        return self

    def get_next(self) -> dict[str, Any] | None:
        """The next one; None after the last."""
        batch, self._first = self._first, None
        if batch is None:
            batch = next(self._batches, None)
        return None if batch is None else {"batch": batch}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the quantizer says of its own steps; its first word would also set up logging for the program."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.addHandler(logging.NullHandler())
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
