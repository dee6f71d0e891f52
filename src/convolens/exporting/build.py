"""The graph of a model: from pictures by preprocessing and the network to answers."""

from __future__ import annotations

import numpy as np
import onnx

from convolens.errors import ArgumentError, ExportError
from convolens.exported.facts import BATCH, PICTURE
from convolens.exporting.graph import Graph
from convolens.exporting.network import fixed_size, network
from convolens.exporting.preprocessing import preprocess
from convolens.exporting.tasks import Exportable, add_outputs
from convolens.trunks import OriginalHead

_MAX_BYTES = 2**31 - 1  # of a file without external data, as the format has it


def network_of(own: Exportable, opset: int, least: int) -> onnx.ModelProto:
    """The network alone, from `batch` to its outputs.

    Args:
        own: whose.
        opset: the version of ONNX's operators.
        least: as `least_side` has it.

    Raises:
        ArgumentError: a head that needs one size, and preprocessing that does not give it.
        ExportError: torch cannot express the network in ONNX.
    """
    size = fixed_size(own.trunk.preprocessing)
    _need_one_size(own, size)
    names = [output.name for output in own.outputs]
    return network(own.module, size, len(own.trunk.preprocessing.mean), least, names, opset)


def build(own: Exportable, takes: str, body: onnx.ModelProto) -> tuple[Graph, list[str]]:
    """The graph, and those of its values that a check looks at: the batch and the network's outputs.

    Args:
        own: what goes into it.
        takes: the name of its input.
        body: the network, as `network_of` gives it.
    """
    preprocessing = own.trunk.preprocessing
    size, channels = fixed_size(preprocessing), len(preprocessing.mean)
    graph = Graph()
    if takes == BATCH:
        batch = graph.input(BATCH, np.float32, ["batch", channels, *(size or ("height", "width"))])
        values = graph.include(body, batch=batch)
        add_outputs(graph, values, own.outputs, single=False)
        return graph, [batch, *values]
    single = takes == PICTURE
    given = graph.input(takes, np.uint8, [*([] if single else ["batch"]), "height", "width", channels])
    pictures = graph.op("Unsqueeze", given, graph.constant([0], np.int64)) if single else given
    batch = preprocess(graph, pictures, preprocessing)
    values = graph.include(body, batch=batch)
    own.finish(graph, values, pictures, single)
    return graph, [batch, *values]


def least_side(own: Exportable) -> int:
    """How many pixels each side of a picture must have: as many as are cropped, or as the taps need."""
    preprocessing = own.trunk.preprocessing
    if preprocessing.stretch is not None or preprocessing.resize is not None:
        return 1
    if preprocessing.crop is not None:
        return preprocessing.crop
    side = 1
    while any(0 in own.trunk.map_size(tap, side, side) for tap in own.taps):
        side += 1
    return side


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The model as a file's content.

    Raises:
        ExportError: larger than a file without external data can be.
    """
    if model.ByteSize() > _MAX_BYTES:
        raise ExportError(f"model: need at most {_MAX_BYTES:,} bytes in one ONNX file, got {model.ByteSize():,}")
    content: bytes = model.SerializeToString()
    return content


def _need_one_size(own: Exportable, size: tuple[int, int] | None) -> None:
    heads = [part for part in own.module.modules() if isinstance(part, OriginalHead)]
    if size is None and any(head.side > 1 for head in heads):
        raise ArgumentError(
            "preprocessing: need one that brings pictures to one size for the network's own dense layers, got one that "
            "does not; set model.trunk.preprocessing = model.trunk.preprocessing.cropped(224)"
        )
