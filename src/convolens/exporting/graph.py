"""A small builder of ONNX graphs: operators are called like functions, and values are their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike
from onnx import helper, numpy_helper

IR_VERSION = 10  # of ONNX 1.16 (2024), which every opset from 18 to 21 may have: older runtimes read it too

Shape = Sequence[int | str]  # a text is the name of a size that is known when it is run


class Graph:
    """Nodes in the order that they are run in, constants, inputs and outputs."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: DTypeLike, shape: Shape, default: ArrayLike | None = None) -> str:
        """Adds an input; one with a default may be left out."""
        self.inputs.append(helper.make_tensor_value_info(name, _kind(dtype), shape))
        if default is not None:
            self.constants.append(numpy_helper.from_array(np.array(default, dtype), name))
        return name

    def constant(self, value: ArrayLike, dtype: DTypeLike) -> str:
        """Adds a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds an operator with one output; an input that is left out is an empty text."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Adds an operator with several outputs."""
        names = [f"{kind}_{len(self.nodes)}" + (f"_{number}" if number else "") for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def include(self, model: onnx.ModelProto, **bound: str) -> list[str]:
        """Adds all of another model, its inputs bound to values of this one.

        Returns:
            The values of its outputs, in order.
        """
        inner = model.graph
        names = {value: _inner(value) for node in inner.node for value in node.output}
        names |= {tensor.name: _inner(tensor.name) for tensor in inner.initializer} | bound | {"": ""}
        for node in inner.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            del copied.metadata_props[:]  # where in which file of this machine each was called
            copied.name, copied.doc_string = _inner(node.name), ""
            copied.input[:] = [names[value] for value in node.input]
            copied.output[:] = [names[value] for value in node.output]
            self.nodes.append(copied)
        for tensor in inner.initializer:
            renamed = onnx.TensorProto()
            renamed.CopyFrom(tensor)
            renamed.name = names[tensor.name]
            self.constants.append(renamed)
        return [names[output.name] for output in inner.output]

    def output(self, name: str, value: str, dtype: DTypeLike, shape: Shape) -> None:
        """Gives a value out, under a name."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, _kind(dtype), shape))

    def model(self, opset: int, metadata: Mapping[str, str], *, watched: Sequence[str] = ()) -> onnx.ModelProto:
        """The model.

        Args:
            opset: the version of ONNX's operators.
            metadata: texts that go with it.
            watched: values, float32, that are given out too, after the outputs, to be looked at.
        """
        outside = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in watched]
        graph = helper.make_graph(self.nodes, "convolens", self.inputs, [*self.outputs, *outside], self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION, producer_name="convolens"
        )
        helper.set_model_props(model, dict(metadata))
        return model


def _kind(dtype: DTypeLike) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _inner(name: str) -> str:
    return f"network/{name}"
