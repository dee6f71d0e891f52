"""What cannot be exported or read is one sentence, and nothing half-written remains."""

import errno
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import convolens as cl
from convolens.exporting import build, check, tasks
from convolens.models import Classifier, load
from convolens.trunks import OriginalHead
from tests.export.conftest import NAMES, picture, trunk


def changed(written, tmp_path, change):
    """A copy of a file with its model changed."""
    model = onnx.load(written.path)
    change(model)
    onnx.save(model, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def said(name, value):
    return lambda model: setattr(one_of(model, name), "value", value)


def one_of(model, name):
    (one,) = (one for one in model.metadata_props if one.key == f"convolens.{name}")
    return one


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (said("class_names", '["ant", "bee"]'), "'probabilities' for its 2 classes, got .3.; its metadata is not that"),
        (said("class_names", "[1, 2, 3]"), "need class_names as texts"),
        (said("class_names", "3"), "need class_names as list, got 3"),
        (said("class_names", "{"), "its class_names is not JSON"),
        (said("task", '"detect"'), "need an output 'boxes_xyxy' of 2 axes, got None"),
        (
            said("task", '"colorize"'),
            "its task: need one of classify, localize, detect, unusual, features, edges, got 'colorize'",
        ),
        (said("takes", '"pictures"'), "need one input 'pictures', uint8, of 4 axes"),
        (said("format", "7"), "need facts of version 1 or earlier, got 7"),
        (lambda model: model.metadata_props.remove(one_of(model, "takes")), "need takes in its metadata, found none"),
        (lambda model: model.ClearField("metadata_props"), "need a model that Convolens exported, got an ONNX file"),
    ],
)
def test_metadata_that_lies(classifier, tmp_path, change, message):
    with pytest.raises(cl.errors.WeightsError, match=message):
        cl.load(changed(classifier[1], tmp_path, change))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no model", None])
def test_damaged_files(classifier, tmp_path, content):
    whole = classifier[1].path.read_bytes()
    (tmp_path / "damaged.onnx").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(cl.errors.WeightsError, match=r"damaged.onnx: need "):
        cl.load(tmp_path / "damaged.onnx")


@pytest.mark.parametrize("place", ["missing.bin", "../secret.bin", "/etc/hostname"])
def test_external_data(classifier, tmp_path, place):
    """Ours have none; a file that asks for some from elsewhere is not followed there."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 10_000_000)

    model = onnx.load(classifier[1].path)
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    onnx.external_data_helper.set_external_data(tensor, place)
    tensor.ClearField("raw_data")
    (tmp_path / "inner" / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(cl.errors.WeightsError, match=r"model.onnx: need an ONNX model that ONNX Runtime can run"):
        cl.load(tmp_path / "inner" / "model.onnx")


def test_weights_that_are_no_numbers(classifier, tmp_path):
    def change(model):
        tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(np.nan), tensor.name))

    with pytest.raises(cl.errors.WeightsError, match="need finite scores, got NaN"):
        cl.load(changed(classifier[1], tmp_path, change)).predict(picture(50, 50))


@pytest.mark.parametrize("opset", [17, 22, "18", True])
def test_an_opset_that_will_not_do(classifier, tmp_path, opset):
    with pytest.raises(cl.errors.ArgumentError, match="opset: need 18 to 21, got"):
        cl.export(classifier[0], tmp_path / "model.onnx", opset=opset)


@pytest.mark.parametrize("thing", [3, None, "vgg16", cl.layers.Conv2d(3, 3, 3)])
@pytest.mark.bad_input
def test_a_task_without_export(tmp_path, thing):
    with pytest.raises(
        cl.errors.ArgumentError,
        match="need a classifier, localizer, detector, inspector, trunk or 'learned_edges' to export",
    ):
        cl.export(thing, tmp_path / "model.onnx")


def test_other_options_that_will_not_do(classifier, tmp_path):
    model, target = classifier[0], tmp_path / "model.onnx"
    with pytest.raises(cl.errors.ArgumentError, match=r"need a name that ends in .onnx, got .pt"):
        cl.export(model, tmp_path / "model.pt")
    with pytest.raises(cl.errors.FileError, match="need an existing folder"):
        cl.export(model, tmp_path / "none" / "model.onnx")
    with pytest.raises(cl.errors.ArgumentError, match="need one of batched and raw"):
        cl.export(model, target, batched=True, raw=True)
    with pytest.raises(cl.errors.ArgumentError, match="taps: need a trunk for them"):
        cl.export(model, target, taps="conv1_1")
    with pytest.raises(cl.errors.ArgumentError, match=r"taps: need one of .*; did you mean 'layer2.1'"):
        cl.export(model.trunk, target, taps="layer2.o")
    with pytest.raises(cl.errors.ArgumentError, match="need one that brings pictures to one size"):
        cl.export(with_dense_layers(trunk()), target)
    with pytest.raises(cl.errors.WeightsError, match="need the model itself to export, got a fused copy"):
        cl.export(cl.fuse(model), target)
    assert list(tmp_path.iterdir()) == []


def with_dense_layers(body):
    """As a VGG has them: on a map of 7×7 cells, whatever the picture's size."""
    tap = body.taps[-1]
    head = OriginalHead(7, {"fc": torch.nn.Linear(body.channels(tap) * 49, len(NAMES))})
    return Classifier(body, head, taps=[tap], class_names=NAMES)


@pytest.mark.parametrize("where", ["preprocessing", "the network", "decoding"])
def test_a_file_that_answers_otherwise_is_not_written(classifier, exported, tmp_path, monkeypatch, where):
    right, outputs = build.preprocess, tasks.add_outputs
    if where == "preprocessing":
        monkeypatch.setattr(build, "preprocess", lambda graph, *given: graph.op("Neg", right(graph, *given)))
    elif where == "the network":
        for tensor in exported.graph.initializer:
            if len(tensor.dims) == 2:  # the head's weights
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.5), tensor.name))
    else:
        monkeypatch.setattr(
            tasks, "add_outputs",
            lambda graph, values, *more: outputs(graph, [graph.op("Sqrt", value) for value in values], *more),
        )  # fmt: skip
    with pytest.raises(cl.errors.ExportError, match=f"same answers from ONNX Runtime.*what differs is {where}"):
        cl.export(classifier[0], tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("exported")
def test_a_full_disk(classifier, tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(cl.errors.FileError, match=r"model.onnx: cannot be written: No space left on device"):
        cl.export(classifier[0], tmp_path / "model.onnx", check=[picture(50, 50)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_extra(classifier, tmp_path, monkeypatch, missing):
    from convolens.exported import session
    from convolens.exporting import export

    for module in (session, export):
        found = module.find_spec
        monkeypatch.setattr(module, "find_spec", lambda name, found=found: None if name == missing else found(name))
    message = rf"needs the package {missing}, which is not installed; pip install 'convolens\[export\]'"
    with pytest.raises(cl.errors.MissingExtraError, match=message):
        cl.export(classifier[0], tmp_path / "model.onnx")
    if missing == "onnxruntime":
        with pytest.raises(cl.errors.MissingExtraError, match=message):
            cl.load(classifier[1].path)


def test_what_wants_torch_says_that_it_is_exported(classifier, tmp_path):
    with pytest.raises(cl.errors.WeightsError, match=r"need a model in torch .*, got an exported one"):
        load(classifier[1].path)


def test_pictures_to_check_on_that_are_none(classifier, tmp_path):
    with pytest.raises(cl.errors.FileError, match="found nothing there"):
        cl.export(classifier[0], tmp_path / "model.onnx", check=[tmp_path / "none.png"])


def test_generated_pictures_are_large_enough():
    assert min(min(one.shape[:2]) for one in check.generated(3, 100)) == 100
    assert len({one.shape for one in check.generated(1, 1)}) == 10
