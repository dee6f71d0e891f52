import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import convolens as cl
from convolens.errors import ArgumentError, DeviceError, DtypeError, FileError, ShapeError, WeightsError
from convolens.media.images import write_image
from convolens.models.classify import Classifier
from convolens.models.model_file import read_model_file

CLASSES = ("brick", "grass", "gravel")


@pytest.fixture(scope="module")
def trunk():
    return cl.trunk("vgg16")


@pytest.fixture(scope="module")
def model(trunk):
    return cl.classifier(trunk, classes=CLASSES, taps=("conv1_2", "conv2_1"))


@pytest.fixture(scope="module")
def stored(model, tmp_path_factory):
    """The model's header with the head's tensors alone: a small file to change facts in."""
    folder = tmp_path_factory.mktemp("model")
    model.save(folder / "whole.safetensors")
    read = read_model_file(folder / "whole.safetensors")
    tensors = {name: tensor.clone() for name, tensor in read.tensors.items() if name.startswith("head")}
    return read.facts, tensors


def picture(seed=0, size=(20, 24)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_scores_are_the_linear_layer_on_the_mean_of_every_feature(model):
    batch = model.preprocess([picture(0), picture(1)])
    maps = model.trunk(batch, taps=("conv1_2", "conv2_1"))
    pooled = np.concatenate([maps[tap].detach().numpy().mean((2, 3)) for tap in ("conv1_2", "conv2_1")], axis=1)
    linear = model.head.linear
    expected = pooled @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    np.testing.assert_allclose(model(batch).detach(), expected, rtol=1e-4, atol=1e-5)


def test_a_prediction_names_every_class_once_likeliest_first(model):
    found = model.predict(picture())
    assert sorted(found.labels) == sorted(CLASSES)
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert sum(found.scores) == pytest.approx(1)
    logits = model(model.preprocess(picture()))[0]
    assert found.labels[0] == CLASSES[int(logits.argmax())]
    assert model.predict(picture(), top=1).labels == found.labels[:1]


def test_paths_arrays_and_tensors_give_the_same_alone_and_among_others(model, tmp_path):
    write_image(tmp_path / "photo.png", picture())
    alone = model.predict(picture())
    same = [tmp_path / "photo.png", str(tmp_path / "photo.png"), torch.tensor(picture()), picture() / np.float32(255)]
    others = [picture(1), picture(2, (31, 17)), picture(3)]
    found = model.predict([*same, *others], batch=3)
    assert len(found) == 7
    for one in found[:4]:
        assert one.labels == alone.labels
        np.testing.assert_allclose(one.scores, alone.scores, rtol=1e-4)
    for one, shown in zip(found[4:], others, strict=True):
        np.testing.assert_allclose(one.scores, model.predict(shown).scores, rtol=1e-4)


def test_an_array_of_four_dimensions_is_many_pictures(model):
    several = np.stack([picture(0), picture(1)])
    assert model.predict(several)[1].labels == model.predict(picture(1)).labels
    assert model.predict([]) == []


def test_transparency_is_shown_over_white_whether_in_a_file_or_an_array(model, tmp_path):
    clear = np.dstack([picture(), np.zeros((20, 24), np.uint8)])
    white = np.full((20, 24, 3), 255, np.uint8)
    write_image(tmp_path / "clear.png", clear)
    for one in (clear, tmp_path / "clear.png"):
        np.testing.assert_allclose(model.predict(one).scores, model.predict(white).scores, rtol=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("shown", "error", "message"),
    [
        (np.zeros((1, 3, 20, 24, 1), np.uint8), ShapeError, r"need \(height, width\) .* got \(1, 3, 20, 24, 1\)"),
        (np.zeros((3, 20, 24), np.uint8), ShapeError, r"got \(3, 20, 24\); channels come last, and a preprocessed"),
        (np.zeros((0, 5), np.uint8), ShapeError, "not empty"),
        (np.zeros((5, 5), np.int64), DtypeError, r"need uint8, uint16 or floats in \[0, 1\], got int64"),
        (np.full((5, 5), 3.0), ArgumentError, r"need floats in \[0, 1\], got 3 to 3"),
        (np.full((5, 5), np.nan), ArgumentError, r"need floats in \[0, 1\], got nan to nan"),
        ("nowhere.png", FileError, "nowhere.png: need a picture, found nothing there"),
        (7, ArgumentError, "images: need a path, .* or several, got int"),
        (np.zeros((1, 1), np.uint8), ShapeError, "need it large enough for conv2_1"),
    ],
)
def test_what_is_no_picture_is_refused(model, shown, error, message):
    with pytest.raises(error, match=message):
        model.predict(shown)


def test_predicting_leaves_the_mode_as_it_was(model):
    model.train()
    try:
        model.predict(picture())
        assert model.training
    finally:
        model.eval()
    model.predict(picture())
    assert not model.training


def test_a_saved_model_comes_back_and_predicts_the_same_bits(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    loaded = cl.load(tmp_path / "model.safetensors", device="cpu")
    assert isinstance(loaded, Classifier)
    assert (loaded.taps, loaded.class_names) == (("conv1_2", "conv2_1"), CLASSES)
    assert loaded.trunk.preprocessing == model.trunk.preprocessing
    assert loaded.predict(picture()) == model.predict(picture())
    assert not loaded.training


@pytest.mark.parametrize(
    ("before", "multi_label"), [({"exclusive": False}, True), ({"exclusive": True}, False), ({}, False)]
)
def test_a_file_of_an_earlier_version_says_by_its_own_word_whether_several_classes_are_shown(
    tmp_path, before, multi_label
):
    path = tmp_path / "model.safetensors"
    cl.classifier("vgg16", classes=CLASSES, taps="conv1_2").save(path)
    with safe_open(path, framework="pt") as stored:
        facts = stored.metadata()
    del facts["multi_label"]
    save_file(load_file(path), path, metadata=facts | {name: json.dumps(value) for name, value in before.items()})
    assert cl.load(path, device="cpu").multi_label == multi_label


def test_how_the_trunk_was_built_comes_back_with_it(tmp_path):
    trunk = cl.trunk("vgg16", pooling="average", ceil_mode=True)
    cl.classifier(trunk, classes=CLASSES, taps="pool2").save(tmp_path / "model.safetensors")
    loaded = cl.load(tmp_path / "model.safetensors", device="cpu")
    assert loaded.trunk.options == trunk.options
    assert loaded.trunk.map_size("pool2", 5, 5) == (2, 2)


PREPROCESSING = {"order": "rgb", "white": 1.0, "mean": [0.5] * 3, "deviation": [0.2] * 3}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"task": "dream"}, "need a model for classify, localize, detect, unusual, got one for 'dream'"),
        ({}, r"need 28 tensors by name and shape, got 26 missing \(trunk.features.0.bias"),
        ({"class_names": None}, "need 'class_names' in its header as a list, got None"),
        ({"taps": ["conv9_9"]}, "a classify model that cannot be built: taps: need one of conv1_1"),
        ({"taps": []}, "a classify model that cannot be built: taps: need at least one"),
        ({"head": "dense"}, "a classify model that cannot be built: head: need one of gap, original, got 'dense'"),
        ({"trunk": {"name": "vgg99", "options": {}}}, "need a trunk of .*vgg16.* got"),
        ({"trunk": {"name": "vgg16", "options": {"channels": "3"}}}, "a trunk that cannot be built"),
        ({"trunk": {"name": "vgg16", "options": {"channels": 10**12}}}, "channels: need .* from 1 to 4096, got 10{12}"),
        ({"trunk": {"name": "vgg16", "options": {"channels": 5}}}, "mean and a deviation for each of 5 channels"),
        ({"preprocessing": {"size": 3}}, "a trunk that cannot be built: preprocessing: need the fields"),
        ({"preprocessing": {**PREPROCESSING, "crop": 10**6}}, "need crop of 1 to 8192 pixels, got 1000000"),
        ({"preprocessing": {**PREPROCESSING, "mean": ["a"] * 3}}, "need a finite number"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_before_anything_is_allocated(stored, tmp_path, facts, message):
    path, (good, tensors) = tmp_path / "model.safetensors", stored
    save_file(tensors, path, metadata={name: json.dumps(fact) for name, fact in {**good, **facts}.items()})
    with pytest.raises(WeightsError, match=message):
        cl.load(path)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ("brick",)}, "classes: need at least 2, by name, each once, or by number, got brick"),
        ({"classes": ("brick", "brick")}, "each once, or by number, got brick, brick"),
        ({"classes": CLASSES, "taps": "conv9_9"}, "taps: need one of"),
        (
            {"classes": CLASSES, "taps": ("conv1_1", "conv1_1")},
            "taps: need at least one, each once, got conv1_1, conv1_1",
        ),
        ({"classes": CLASSES, "head": "dense"}, "head: need one of gap, original, got 'dense'"),
    ],
)
def test_a_classifier_that_cannot_be_built_is_refused(trunk, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        cl.classifier(trunk, **arguments)


def test_the_seed_decides_the_untrained_head_and_leaves_torchs_own_generator_alone(trunk):
    torch.manual_seed(5)
    before = torch.rand(3)
    torch.manual_seed(5)
    one, two, three = (cl.classifier(trunk, classes=CLASSES, seed=seed).head.linear.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), before)
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_a_device_that_is_not_there_is_named():
    with pytest.raises(DeviceError, match="device: need one that this machine has, got 'cuda'"):
        cl.load("model.safetensors", device="cuda")
    with pytest.raises(DeviceError, match="got 'toaster'"):
        cl.load("model.safetensors", device="toaster")


def test_a_new_heads_weights_are_the_seeds_whatever_others_draw_meanwhile(monkeypatch):
    wanted = cl.classifier(cl.trunk("resnet18", width=0.25), classes=5, seed=3).head.linear.weight
    reset = nn.Linear.reset_parameters

    def after_another(layer):
        torch.rand(7)  # as a thread that loads a model does
        reset(layer)

    monkeypatch.setattr(nn.Linear, "reset_parameters", after_another)
    assert torch.equal(cl.classifier(cl.trunk("resnet18", width=0.25), classes=5, seed=3).head.linear.weight, wanted)
