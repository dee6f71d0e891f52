"""Exported models: small graphs of ONNX with what a file says of itself, and their parts changed as messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from convolens.exported.facts import PICTURE, PICTURES, Facts
from convolens.exported.loading import load_exported
from tests.fuzz.form import Format
from tests.fuzz.mutators import INTERESTING, VALUES, changed, damaged
from tests.fuzz.networks import PICTURE as PHOTO
from tests.fuzz.networks import stage_classes

OPSET = 18
_BOX = np.float32([1, 2, 20, 30])
_OPERATORS = ("Relu", "Add", "Loop", "If", "Reshape", "Tile", "Expand", "Resize", "NonMaxSuppression", "Unknown",
              "Gemm", "Softmax", "Identity", "RandomNormal", "ConstantOfShape", "")  # fmt: skip


@cache
def seeds() -> list[bytes]:
    """A classifier, one of several pictures at once, and a localizer: means of the channels, times weights."""
    return [_model("classify", PICTURE), _model("classify", PICTURES), _model("localize", PICTURE)]


def _model(task: str, takes: str) -> bytes:
    several = takes == PICTURES
    axes, first = [1, 2] if several else [0, 1], ["N"] if several else []
    nodes = [
        helper.make_node("Cast", [takes], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [*first, 2])]
    weights = [numpy_helper.from_array(np.int64(axes), "axes"), numpy_helper.from_array(_WEIGHTS, "weights")]
    if task == "localize":
        nodes += [
            helper.make_node("Identity", ["half"], ["objectness"]),
            helper.make_node("Identity", ["box"], ["box_xyxy"]),
        ]
        outputs.append(helper.make_tensor_value_info("objectness", TensorProto.FLOAT, []))
        outputs.append(helper.make_tensor_value_info("box_xyxy", TensorProto.FLOAT, [4]))
        weights += [numpy_helper.from_array(np.float32(0.75), "half"), numpy_helper.from_array(_BOX, "box")]
    inputs = [helper.make_tensor_value_info(takes, TensorProto.UINT8, [*first, "height", "width", 3])]
    graph = helper.make_graph(nodes, task, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    facts = Facts(task, ["cat", "dog"], takes, {}, 1, False, {"top1": 0.5}, {"pictures": 1}, "0.1.0")
    helper.set_model_props(model, facts.to_metadata())
    return model.SerializeToString()


_WEIGHTS = np.float32([[0.01, -0.01], [0.02, 0.01], [-0.01, 0.03]])


def change(data: bytes, luck: Random) -> bytes:
    """The bytes; or a fact, a node, a weight, an input or output of the model."""
    if luck.random() < 0.3:
        return damaged(data, luck)
    model = onnx.load_from_string(data)
    for _ in range(luck.choice((1, 1, 2, 3))):
        luck.choice(_CHANGES)(model, luck)
    return model.SerializeToString()


def _fact(model: onnx.ModelProto, luck: Random) -> None:
    one = luck.choice(model.metadata_props)
    value = changed(json.loads(one.value), luck) if luck.random() < 0.6 else luck.choice(VALUES)
    one.value = json.dumps(value) if luck.random() < 0.9 else str(value).encode(errors="replace").decode()


def _node(model: onnx.ModelProto, luck: Random) -> None:
    nodes = model.graph.node
    one, way = luck.choice(nodes), luck.randrange(5)
    if way == 0:
        one.op_type = luck.choice(_OPERATORS)
    elif way == 1 and one.input:
        one.input[luck.randrange(len(one.input))] = luck.choice(_names(model))
    elif way == 2 and one.attribute:
        luck.choice(one.attribute).i = luck.choice((-1, 0, 1, 7, 1 << 40, 99))
    elif way == 3:
        nodes.remove(one)
    else:
        nodes.add().CopyFrom(one)


def _names(model: onnx.ModelProto) -> list[str]:
    return [name for node in model.graph.node for name in (*node.input, *node.output)] + ["", "nobody"]


def _weight(model: onnx.ModelProto, luck: Random) -> None:
    one, way = luck.choice(model.graph.initializer), luck.randrange(6)
    if way == 0 and one.dims:
        one.dims[luck.randrange(len(one.dims))] = luck.choice((0, -1, 1, 2, 1 << 20, 1 << 40, (1 << 63) - 1))
    elif way == 1:
        one.data_type = luck.randrange(25)
    elif way == 2:
        one.raw_data = damaged(one.raw_data, luck)
    elif way == 3:
        _let_lead_elsewhere(one, luck)
    elif way == 4:
        one.dims.append(luck.choice((0, 1, 2, 1 << 31)))
    else:
        values = np.full(len(one.raw_data) // 4, luck.choice((np.nan, np.inf, -1e38, 1e38)), np.float32)
        one.raw_data = values.tobytes()


def _let_lead_elsewhere(one: TensorProto, luck: Random) -> None:
    one.data_location = TensorProto.EXTERNAL
    length = len(one.raw_data)
    one.ClearField("raw_data")
    places = ("whole.safetensors", "photo.png", "../a", "/etc/passwd", "/dev/zero", "", "case.onnx")
    for key, value in (("location", luck.choice(places)), ("offset", luck.choice(("0", "-1", "9" * 30))),
                       ("length", luck.choice((str(length), "0", str(1 << 40), "a")))):  # fmt: skip
        one.external_data.add(key=key, value=value)


def _shape(model: onnx.ModelProto, luck: Random) -> None:
    one = luck.choice([*model.graph.input, *model.graph.output])
    kind, way = one.type.tensor_type, luck.randrange(4)
    if way == 0:
        kind.elem_type = luck.randrange(25)
    elif way == 1 and kind.shape.dim:
        luck.choice(kind.shape.dim).dim_value = luck.choice((*[value % (1 << 62) for value in INTERESTING], 2, 3, 4))
    elif way == 2:
        kind.shape.dim.add().dim_value = luck.choice((0, 1, 5))
    else:
        one.name = luck.choice(("probabilities", PICTURE, PICTURES, "", "box_xyxy", "a" * 5000))


def _version(model: onnx.ModelProto, luck: Random) -> None:
    if luck.random() < 0.5:
        model.ir_version = luck.choice((0, 3, 99, -1))
    else:
        model.opset_import[0].version = luck.choice((0, 1, 9, 99, -1))


_CHANGES: tuple[Callable[[Any, Random], None], ...] = (_fact, _fact, _node, _node, _weight, _weight, _shape, _version)


def read(path: Path) -> None:
    """Loads a model and predicts with it; what it says is finite, and probabilities of the classes that it names."""
    model = load_exported(path, device="cpu")
    found = model.predict(PHOTO)
    if model.task == "classify":
        assert np.isfinite(found.scores).all(), found.scores
        assert set(found.labels) <= set(model.class_names), found.labels
    elif model.task == "localize":
        assert np.isfinite([found.score, found.objectness]).all(), found
        assert found.box_xyxy is None or np.isfinite(found.box_xyxy).all(), found


COMMANDS = (
    lambda path, out: ["predict", path, path.parent / "photo.png", "--json", "--device", "cpu"],
    lambda path, out: ["predict", path, path.parent / "data", "--out", out, "--device", "cpu"],
    lambda path, out: ["evaluate", path, path.parent / "data", "--html", out / "a.html", "--device", "cpu"],
)

FORMATS = {"onnx": Format("case.onnx", seeds, change, read, stage_classes, commands=COMMANDS, turns=2)}
