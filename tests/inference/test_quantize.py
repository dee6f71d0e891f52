"""Models in 8-bit integers: kept in their file, as good as before where that was measured, refused where not."""

import json
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

import convolens as cl
from convolens.cli import run
from convolens.errors import ArgumentError, ExportError, FileNote, WeightsError
from convolens.layers.levels import given_levels
from convolens.models import TASKS

CLASSES = ("cat", "dog")


def photos(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), np.uint8))


def make(task):
    trunk = cl.trunk("resnet18", width=0.5)
    if task == "detect":
        return cl.detector(trunk, classes=CLASSES, size=128, width=0.25)
    return (cl.classifier if task == "classify" else cl.localizer)(trunk, classes=CLASSES)


@pytest.fixture(scope="module")
def model():
    """One that finds a cat in about half of the pictures."""
    made = make("classify")
    with torch.no_grad():
        scores = torch.cat([made(made.preprocess([pixels])) for pixels in photos(20, seed=1)])
        made.head.linear.bias[1] += (scores[:, 0] - scores[:, 1]).median()
    return made


@pytest.fixture(scope="module")
def small(model):
    return cl.quantize(model, photos(8), progress=False)


@pytest.fixture
def labeled(model, tmp_path):
    """Pictures in folders of the classes that the model gives them: before, all answers are right."""
    for at, pixels in enumerate(photos(20, seed=1)):
        label = model.predict(pixels).labels[0]
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "data" / label / f"{at}.png")
    return tmp_path / "data"


def test_every_layer_but_the_first_has_levels_and_the_model_itself_has_none(model, small):
    convolutions = [name for name, layer in small.named_modules() if hasattr(layer, "in_channels")]
    assert list(given_levels(small)) == convolutions[1:]
    assert not given_levels(model)
    assert not small.training


def test_it_predicts_about_the_same(model, small):
    for one, other in zip(model.predict(photos(4, 2)), small.predict(photos(4, 2)), strict=True):
        mine, its = (dict(zip(found.labels, found.scores, strict=True)) for found in (one, other))
        assert mine["cat"] == pytest.approx(its["cat"], abs=0.02)


@pytest.mark.parametrize("task", TASKS)
def test_models_of_all_tasks_are_kept_in_their_file(task, tmp_path):
    made = cl.quantize(make(task), photos(3), progress=False)
    made.save(tmp_path / "small.safetensors")
    loaded = cl.load(tmp_path / "small.safetensors")
    assert given_levels(loaded) == given_levels(made)
    batch = made.preprocess(photos(2, 3))
    with torch.no_grad():
        found, wanted = loaded(batch), made(batch)
    for one, other in zip(
        *(outputs if isinstance(outputs, tuple) else (outputs,) for outputs in (found, wanted)), strict=True
    ):
        assert torch.equal(one, other)


def test_what_is_lost_is_measured_and_kept(model, labeled, tmp_path):
    made = cl.quantize(model, photos(8), labeled=labeled, at_most=50, progress=False)
    assert made.int8["metric"] == "top1"
    assert made.int8["before"] == 1.0
    assert made.int8["pictures"] == 20
    assert made.int8["after"] == cl.evaluate(made, labeled, progress=False)["top1"]
    made.save(tmp_path / "small.safetensors")
    assert cl.load(tmp_path / "small.safetensors").int8 == made.int8


def test_pictures_that_nothing_is_measured_on_are_named(model, labeled, tmp_path):
    shutil.copytree(labeled, tmp_path / "some")
    (tmp_path / "some" / "cat" / "bad.png").write_bytes(b"no picture")
    with pytest.warns(FileNote, match="bad.png: left out of what is measured"):
        cl.quantize(model, photos(8), labeled=tmp_path / "some", at_most=100, progress=False)


def test_a_model_that_loses_too_much_is_refused(model, labeled):
    worse = cl.quantize(model, [np.zeros((64, 64, 3), np.uint8)], progress=False)  # levels of black pictures alone
    lost = 100 * (1 - cl.evaluate(worse, labeled, progress=False)["top1"])
    assert lost > 5
    with pytest.raises(ExportError, match=r"int8: need at most 1 points lost by 8 bits, got int8: top1 1\.0000 before"):
        cl.quantize(model, [np.zeros((64, 64, 3), np.uint8)], labeled=labeled, progress=False)


def test_a_quantized_model_can_be_quantized_again(model, small):
    again = cl.quantize(small, photos(8), progress=False)
    assert given_levels(again) == given_levels(small)


def test_what_was_measured_before_is_not_said_of_other_levels(model, labeled):
    measured = cl.quantize(model, photos(8), labeled=labeled, at_most=50, progress=False)
    assert measured.int8
    assert cl.quantize(measured, photos(2), progress=False).int8 == {}


def test_exact_precision_measures_nothing(model, labeled):
    cl.precision("exact")
    try:
        with pytest.raises(ArgumentError, match=r"labeled: need cl\.precision"):
            cl.quantize(model, photos(2), labeled=labeled, progress=False)
    finally:
        cl.precision("fast")


def test_it_is_exported_by_its_weights_in_float32(model, small, tmp_path):
    pixels = photos(1, 9)[0]
    written = cl.export(small, tmp_path / "small.onnx", check=[pixels])
    plain, found = model.predict(pixels), cl.load(written.path).predict(pixels)
    assert found.labels == plain.labels
    np.testing.assert_allclose(found.scores, plain.scores, atol=1e-5)
    assert given_levels(small)


@pytest.mark.parametrize("weight", [3e38, float("nan")])
def test_a_model_whose_maps_are_not_finite_is_refused(weight):
    broken = cl.classifier("resnet18", classes=CLASSES)
    with torch.no_grad():
        broken.trunk.conv1.weight[0] = weight
    with pytest.raises(WeightsError, match="model: need finite maps, got NaN or infinity"):
        cl.quantize(broken, photos(2), progress=False)


def test_a_generator_gives_two_hundred_pictures_at_most(model, monkeypatch):
    monkeypatch.setattr("convolens.inference.quantize.LOOKED_AT", 3)
    given = (pixels for pixels in photos(9))
    cl.quantize(model, given, progress=False)
    assert len(list(given)) >= 5


def test_wrong_arguments_are_one_sentence(model):
    for wrong, words in (
        ({"model": None, "pictures": photos(1)}, "model: need a classifier, a localizer or a detector, got NoneType"),
        ({"model": model, "pictures": []}, "pictures: need some such as the model will see, got none"),
        ({"model": model, "pictures": photos(1), "at_most": -1}, "at_most: need a number of points from 0 to 100"),
    ):
        with pytest.raises(ArgumentError, match=words):
            cl.quantize(**wrong, progress=False)


def rewritten(path, change):
    """The model's file with another fact `int8`."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    fact = json.loads(header["__metadata__"]["int8"])
    header["__metadata__"]["int8"] = json.dumps(change(fact))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize(
    "change",
    [
        lambda fact: [],
        lambda fact: fact | {"levels": None},
        lambda fact: fact | {"levels": {"trunk": [0.1, 0]}},
        lambda fact: fact | {"measured": 3},
        lambda fact: fact | {"levels": {name: [0.5, False] for name in fact["levels"]}},
        lambda fact: fact | {"levels": {name: [10**400, 0] for name in fact["levels"]}},
        lambda fact: fact | {"levels": {key: [0.0, 0] for key in fact["levels"]}},
        lambda fact: fact | {"levels": {key: [float("nan"), 0] for key in fact["levels"]}},
        lambda fact: fact | {"levels": {key: [0.1, 1] for key in fact["levels"]}},
        lambda fact: fact | {"levels": {key: [0.1, -0.5] for key in fact["levels"]}},
        lambda fact: fact | {"levels": {key: [True, False] for key in fact["levels"]}},
        lambda fact: fact | {"levels": {key: [0.1] for key in fact["levels"]}},
    ],
)
def test_levels_that_are_none_are_refused_by_the_file(small, tmp_path, change):
    path = tmp_path / "small.safetensors"
    small.save(path)
    rewritten(path, change)
    with pytest.raises(WeightsError, match="need levels of its layers' inputs under 'int8' in its header"):
        cl.load(path)


def test_the_command(model, labeled, tmp_path, capsys):
    model.save(tmp_path / "model.safetensors")
    out = tmp_path / "small.safetensors"
    words = ["quantize", str(tmp_path / "model.safetensors"), str(labeled), "--out", str(out)]
    assert run([*words, "--labeled", str(labeled), "--at-most", "50"]) == 0
    assert "small.safetensors: int8: top1 1.0000 before, " in capsys.readouterr().err
    assert given_levels(cl.load(out))
    assert run([*words, "--labeled", str(tmp_path / "nowhere")]) == 2
    assert run(["quantize", str(tmp_path / "model.safetensors"), str(tmp_path / "none"), "--out", str(out)]) == 2
    assert "Traceback" not in capsys.readouterr().err
