"""Files as Keras writes them, made here from known arrays, against computations of what Keras does with those."""

import h5py
import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from convolens.errors import WeightsError
from convolens.trunks import published
from convolens.trunks.registry import trunk
from convolens.trunks.weights import keras

RNG = np.random.default_rng(0)
BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}


def conv(size, inputs, outputs):
    kernel = RNG.standard_normal((size, size, inputs, outputs), dtype=np.float32) * np.sqrt(1 / (size * size * inputs))
    return [kernel.astype(np.float32), RNG.standard_normal(outputs).astype(np.float32) * 0.1]


def norm(channels):
    gamma, variance = RNG.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
    beta, mean = RNG.standard_normal((2, channels)).astype(np.float32) * 0.2
    return [gamma, beta, mean, variance]


@pytest.fixture(scope="module")
def resnet50():
    """keras.applications' ResNet50 in the order of its layers: name → arrays."""
    layers = {"conv1_conv": conv(7, 3, 64), "conv1_bn": norm(64)}
    inputs = 64
    for stage, count in BLOCKS.items():
        width = 64 * 2 ** (stage - 2)
        for block in range(1, count + 1):
            name = f"conv{stage}_block{block}"
            layers |= {f"{name}_1_conv": conv(1, inputs, width), f"{name}_1_bn": norm(width)}
            layers |= {f"{name}_2_conv": conv(3, width, width), f"{name}_2_bn": norm(width)}
            if block == 1:
                layers |= {f"{name}_0_conv": conv(1, inputs, 4 * width), f"{name}_0_bn": norm(4 * width)}
            layers |= {f"{name}_3_conv": conv(1, width, 4 * width), f"{name}_3_bn": norm(4 * width)}
            inputs = 4 * width
    kernel = RNG.standard_normal((2048, 10)).astype(np.float32)
    return layers | {"predictions": [kernel, np.arange(10, dtype=np.float32)]}


def resnet50_by_definition(layers, x):
    """What keras.applications builds: the stride in a block's first 1×1, biases, zeros padded in front of the stem."""

    def step(x, name, stride=1, padding=0):
        kernel, bias = (torch.from_numpy(array).double() for array in layers[f"{name}_conv"])
        x = conv2d(x, kernel.permute(3, 2, 0, 1), bias, stride, padding)
        gamma, beta, mean, variance = (
            torch.from_numpy(array).double().view(1, -1, 1, 1) for array in layers[f"{name}_bn"]
        )
        return gamma * (x - mean) / (variance + 1.001e-5).sqrt() + beta

    x = step(x, "conv1", stride=2, padding=3).clamp(min=0)
    x = max_pool2d(torch.nn.functional.pad(x, (1, 1, 1, 1)), 3, 2)
    for stage, count in BLOCKS.items():
        for block in range(1, count + 1):
            name = f"conv{stage}_block{block}"
            stride = 2 if block == 1 and stage > 2 else 1
            shortcut = step(x, f"{name}_0", stride) if block == 1 else x
            x = step(x, f"{name}_1", stride).clamp(min=0)
            x = step(x, f"{name}_2", padding=1).clamp(min=0)
            x = (step(x, f"{name}_3") + shortcut).clamp(min=0)
    kernel, bias = (torch.from_numpy(array).double() for array in layers["predictions"])
    return x.mean((2, 3)) @ kernel + bias


def write_keras2(layers, path, root=""):
    """One group a layer, arrays named in an attribute, as `Model.save_weights` did; `root` as in a whole model."""
    kinds = {2: ("kernel:0", "bias:0"), 4: ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")}
    with h5py.File(path, "w") as file:
        for name, arrays in layers.items():
            group = file.create_group(f"{root}/{name}")
            names = [f"{name}/{kind}" for kind in kinds[len(arrays)]]
            group.attrs["weight_names"] = [text.encode() for text in names]
            for text, array in zip(names, arrays, strict=True):
                group[text] = array
        file.create_group(f"{root}/add_1").attrs["weight_names"] = []


def write_keras3(layers, path, *, named=False):
    """`layers/conv2d_3/vars/0`: numbered by kind in the order of the layers, or by name."""
    counts = {}
    with h5py.File(path, "w") as file:
        for name, arrays in layers.items():
            kind = {4: "conv2d", 2: "dense", 1: "batch_normalization"}[arrays[0].ndim]
            number = counts[kind] = counts.get(kind, -1) + 1
            group = name if named else kind + (f"_{number}" if number else "")
            for at, array in enumerate(arrays):
                file[f"layers/{group}/vars/{at}"] = array


WRITERS = {
    "keras2.h5": write_keras2,
    "whole_model.h5": lambda layers, path: write_keras2(layers, path, "model_weights"),
    "keras3.weights.h5": write_keras3,
    "named.weights.h5": lambda layers, path: write_keras3(layers, path, named=True),
}
EACH_WRITER = [name if name == next(iter(WRITERS)) else pytest.param(name, marks=pytest.mark.slow) for name in WRITERS]


@pytest.mark.parametrize("name", EACH_WRITER)
def test_kerass_resnet50_computes_what_keras_computes(name, resnet50, tmp_path):
    WRITERS[name](resnet50, tmp_path / name)
    network, head, class_names = published("resnet50", tmp_path / name)
    assert network.preprocessing == keras.KERAS
    batch = torch.from_numpy(RNG.standard_normal((2, 3, 48, 70)))
    with torch.inference_mode():
        found = head.double()(list(network.double()(batch).values()))
    expected = resnet50_by_definition(resnet50, batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9 * expected.abs().max().item())
    assert len(class_names) == 10


def vgg(counts, dense=8):
    widths = (3, 64, 128, 256, 512, 512)
    layers = {
        f"block{b}_conv{n}": conv(3, widths[b - 1] if n == 1 else widths[b], widths[b])
        for b, count in enumerate(counts, 1)
        for n in range(1, count + 1)
    }
    for name, inputs, outputs in (("fc1", 25088, dense), ("fc2", dense, dense), ("predictions", dense, 5)):
        layers[name] = [RNG.standard_normal((inputs, outputs)).astype(np.float32), np.ones(outputs, np.float32)]
    return layers


@pytest.mark.parametrize("writer", EACH_WRITER)
@pytest.mark.parametrize(
    ("name", "counts"), [("vgg16", (2, 2, 3, 3, 3)), pytest.param("vgg19", (2, 2, 4, 4, 4), marks=pytest.mark.slow)]
)
def test_kerass_vgg_finds_its_places(name, counts, writer, tmp_path):
    layers = vgg(counts)
    WRITERS[writer](layers, tmp_path / writer)
    state, preprocessing, _ = keras.read_keras(tmp_path / writer)
    with torch.device("meta"):
        network = trunk_of(name)
    for block, count in enumerate(counts, 1):
        for number in range(1, count + 1):
            path = network.steps[f"conv{block}_{number}"].layers[0]
            kernel, bias = layers[f"block{block}_conv{number}"]
            np.testing.assert_array_equal(state[f"{path}.weight"].permute(2, 3, 1, 0), kernel)
            np.testing.assert_array_equal(state[f"{path}.bias"], bias)
    assert set(state) - set(network.state_dict()) == set(network.original_head(5).state_dict())
    assert preprocessing == keras.KERAS


def trunk_of(name):
    from convolens.trunks import TRUNKS

    return TRUNKS[name]()


def test_dense_layers_after_a_flatten_of_rows_columns_channels(tmp_path):
    layers = vgg((2, 2, 3, 3, 3))
    write_keras2(layers, tmp_path / "vgg.h5")
    state, _, _ = keras.read_keras(tmp_path / "vgg.h5")
    maps = torch.from_numpy(RNG.standard_normal((1, 7, 7, 512)).astype(np.float32))
    expected = maps.flatten(1) @ torch.from_numpy(layers["fc1"][0])
    found = maps.permute(0, 3, 1, 2).flatten(1) @ state["classifier.0.weight"].T
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


def test_a_keras_file_of_another_network_is_named(tmp_path):
    write_keras2({"block1_conv1_expand": conv(1, 3, 16)}, tmp_path / "mobile.h5")
    with pytest.raises(
        WeightsError, match=r"mobile.h5: need keras.applications' VGG16, .* layers block1_conv1_expand…"
    ):
        trunk("vgg16", weights=tmp_path / "mobile.h5")
    write_keras3({"a": conv(3, 3, 8), "b": conv(3, 8, 8)}, tmp_path / "tiny.weights.h5")
    with pytest.raises(WeightsError, match=r"tiny.weights.h5: need .* got the layers none that we know…"):
        trunk("vgg16", weights=tmp_path / "tiny.weights.h5")


def test_kerass_vgg19_offered_as_vgg16_is_recognized(tmp_path):
    write_keras2({key: value for key, value in vgg((2, 2, 4, 4, 4)).items() if "conv" in key}, tmp_path / "v.h5")
    with pytest.raises(WeightsError, match=r"v.h5: need 26 tensors .*; it looks like vgg19's"):
        trunk("vgg16", weights=tmp_path / "v.h5")


def test_an_incomplete_keras_file_is_named(tmp_path):
    layers = vgg((2, 2, 3, 3, 3))
    del layers["block4_conv2"]
    write_keras2(layers, tmp_path / "cut.h5")
    with pytest.raises(
        WeightsError, match=r"cut.h5: need the layer block4_conv2, which it lacks; it is another network"
    ):
        trunk("vgg16", weights=tmp_path / "cut.h5")


@pytest.mark.parametrize(
    ("outputs", "message"), [(64, r"need 1,728 numbers, got fewer"), (100_000_000, r"need floats of a network's size")]
)
def test_a_data_set_that_claims_more_than_the_file_holds_is_refused(tmp_path, outputs, message):
    with h5py.File(tmp_path / "liar.h5", "w") as file:
        group = file.create_group("block1_conv1")
        group.create_dataset("kernel", (3, 3, 3, outputs), dtype="f4")  # never written: no bytes in the file
        group.attrs["weight_names"] = [b"kernel"]
    with pytest.raises(WeightsError, match=rf"liar.h5: /block1_conv1/kernel: {message}"):
        trunk("vgg16", weights=tmp_path / "liar.h5")
