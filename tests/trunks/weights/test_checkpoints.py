"""State dicts as other people's programs leave them: what is in them is loaded exactly, by its content, or named."""

import argparse
import gzip
import json
import os
import pathlib
import pickle
import tarfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from convolens.errors import FileNote, WeightsError
from convolens.trunks import published
from convolens.trunks.registry import trunk
from convolens.trunks.weights.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def state():
    """A whole ResNet18 of three classes under torchvision's names."""
    network = trunk("resnet18", seed=1, device="cpu")
    head = network.original_head(3)
    with torch.no_grad():
        for number, value in enumerate(head.parameters()):
            value.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(number))
    return {**network.state_dict(), **{key: value.detach() for key, value in head.state_dict().items()}}


def below(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def zeros(state):
    return {key: value * 0 for key, value in state.items()}


def need_equal(path, state):
    network, head, _ = published("resnet18", path)
    found = {**network.state_dict(), **head.state_dict()}
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())


def as_mmpretrain(state):
    return {("head." if key.startswith("fc.") else "backbone.") + key: value for key, value in state.items()}


OPTIMIZER = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
SETTINGS = {
    "args": argparse.Namespace(lr=0.1, out=pathlib.Path("runs"), model="resnet18"),
    "best": np.float64(0.5),
    "history": np.arange(3.0),
    "counts": defaultdict(int, a=1),
    "order": OrderedDict(b=2),
}
FILES = {
    "reference.pth": lambda s: {"model": s, "optimizer": OPTIMIZER, "epoch": 3, **SETTINGS},
    "model_best.pth.tar": lambda s: {"epoch": 3, "arch": "resnet18", "state_dict": below("module.", s)},
    "last.ckpt": lambda s: {"pytorch-lightning_version": "2.1.0", "state_dict": below("model.", s), "hyper": {"lr": 1}},
    "pytorch_model.bin": lambda s: s,
    "no suffix": lambda s: s,
    "histology.pth": lambda s: {"state_dict": below("model.resnet.", s)},
    "compiled.pt": lambda s: below("module._orig_mod.", s),
    "anything.pth": lambda s: below("the_net.of_mine.", s),
    "ema.bin": lambda s: {"epoch": 1, "ema_state_dict": below("module.", s)},
    "mmpretrain.pth": lambda s: {"meta": {"CLASSES": ("a", "b")}, "state_dict": as_mmpretrain(s)},
    "detectron.pth": lambda s: {
        "model": below("backbone.bottom_up.", s),
        "iteration": 9,
        "scheduler": {"last_epoch": 9},
    },
    "random.pth": lambda s: {"net": s, "torch_rng": torch.get_rng_state(), "numpy_rng": ("MT19937", np.arange(9))},
    "swa.pth": lambda s: {"n_averaged": torch.tensor(4), **below("module.", s)},
    "basicsr.pth": lambda s: {"params": s, "iter": 5},
    "mp_rank_00_model_states.pt": lambda s: {"module": below("module.", s), "ds_config": {}, "buffer_names": []},
    "best.pth": lambda s: {"best_state": s, "best_acc": 0.5, "history": [{"loss": 1.0}]},
    "class.pth": lambda s: {"classifier": {"arch": "resnet18", "weights": s}},
    "list.pth": lambda s: [{"lr": 0.1}, s],
    "tuple.pth": lambda s: (s, OPTIMIZER),
    "criterion.pth": lambda s: {"criterion": {"loss.weight": torch.ones(3)}, "trained": below("net.", s)},
    "all cast.pth": lambda s: {key: value.float() for key, value in s.items()},  # counters too
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_programs_checkpoint_is_loaded_exactly(name, zipped, state, tmp_path):
    torch.save(FILES[name](state), tmp_path / name, _use_new_zipfile_serialization=zipped)
    need_equal(tmp_path / name, state)


def as_transformers(key):
    """As ResNetForImageClassification of Hugging Face's transformers calls the tensor."""
    kinds = {"conv": "convolution", "bn": "normalization"}
    if key.startswith("fc."):
        return key.replace("fc.", "classifier.1.")
    *place, layer, rest = key.split(".")
    if not place:
        return f"resnet.embedder.embedder.{kinds[layer[:-1]]}.{rest}"
    before = f"resnet.encoder.stages.{int(place[0][5:]) - 1}.layers.{place[1]}"
    if "downsample" in place:
        return f"{before}.shortcut.{'normalization' if layer == '1' else 'convolution'}.{rest}"
    return f"{before}.layer.{int(layer[-1]) - 1}.{kinds[layer[:-1]]}.{rest}"


@pytest.mark.parametrize("prefix", ["", "model."])
def test_transformers_names_are_torchvisions(prefix, state, tmp_path):
    assert (
        as_transformers("layer2.0.downsample.1.weight")
        == "resnet.encoder.stages.1.layers.0.shortcut.normalization.weight"
    )
    renamed = {prefix + as_transformers(key): value for key, value in state.items()}
    torch.save(renamed, tmp_path / "pytorch_model.bin")
    need_equal(tmp_path / "pytorch_model.bin", state)


@pytest.mark.parametrize(("name", "save"), [("model.safetensors", save_file), ("pytorch_model.bin", torch.save)])
def test_weights_in_several_files_are_read_by_their_index(name, save, state, tmp_path):
    stem, _, end = name.partition(".")
    keys = list(state)
    parts = {f"{stem}-{number + 1:05}-of-00003.{end}": keys[number::3] for number in range(3)}
    for part, held in parts.items():
        save({"model." + key: state[key] for key in held}, tmp_path / part)
    index = tmp_path / f"{name}.index.json"
    files = {"model." + key: part for part, held in parts.items() for key in held}
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    need_equal(index, state)
    with pytest.raises(WeightsError, match=r"it is one part of several: give the index beside them"):
        trunk("resnet18", weights=tmp_path / f"{stem}-00002-of-00003.{end}")
    index.write_text(json.dumps({"weight_map": {**files, "a": f"{stem}-00001-of-00003.{end}"}}))
    with pytest.raises(WeightsError, match=r"index\.json: need the 123 tensors that it names, got 1 missing \(a\)"):
        trunk("resnet18", weights=index)
    (tmp_path / f"{stem}-00003-of-00003.{end}").unlink()
    with pytest.raises(WeightsError, match=r"00003-of-00003.*found nothing there"):
        trunk("resnet18", weights=index)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../b.bin"}}',
                                     '{"weight_map": {"a": "/etc/b.bin"}}', '{"weight_map": {"a": 3}}'])  # fmt: skip
def test_an_index_that_is_none_or_leads_elsewhere_is_refused(content, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(
        WeightsError, match=r"index\.json: need (an index of weights|names of files beside|a weights file)"
    ):
        trunk("resnet18", weights=tmp_path / "model.safetensors.index.json")


def exported(path):
    program = torch.export.export(nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, path)


def tarred(path):
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a.pth"))


FOREIGN = {
    "a.pt2": (exported, "an exported program"),
    "a.onnx": (lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0"), "an ONNX model"),
    "onnx.pth": (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch\x1a\x052.1.0"), "an ONNX model"),
    "a.tflite": (lambda path: path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(50)), "a TensorFlow Lite model"),
    "a.pth.gz": (lambda path: path.write_bytes(gzip.compress(b"a")), "a gzip archive; unpack it"),
    "a.pth.tar": (tarred, "a tar archive; unpack it"),
    "lfs.pth": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "a pointer of Git LFS"),
    "lfs.safetensors": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "a pointer of Git",
    ),
    "page.pth": (lambda path: path.write_text("\n<!DOCTYPE html><html>"), "a web page, as failed downloads leave"),
    "a.npz": (lambda path: np.savez(path, a=np.zeros(3)), "arrays of NumPy's"),
    "config.json": (lambda path: path.write_text('{"a": 1}'), "a JSON file; give the file of tensors"),
    "R-50.pkl": (lambda path: path.write_bytes(pickle.dumps({"model": {}}, 2)), "a pickle that torch did not write"),
}


@pytest.mark.filterwarnings("ignore")  # of torch.export's own
@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_weights_file_is_called_what_it_is(name, tmp_path):
    write, what = FOREIGN[name]
    write(tmp_path / name)
    with pytest.raises(
        WeightsError, match=rf"{name}: need a (weights file|state dict|PyTorch weights file).*got .*{what}"
    ):
        trunk("resnet18", weights=tmp_path / name)


def test_safetensors_below_a_prefix_are_loaded(state, tmp_path):
    save_file(below("model.", state), tmp_path / "model.bin")  # told by its content
    need_equal(tmp_path / "model.bin", state)


def test_of_plain_and_averaged_weights_the_averaged_are_taken_and_that_is_told(state, tmp_path):
    torch.save({"state_dict": zeros(state), "state_dict_ema": state}, tmp_path / "ema.pth")
    with pytest.warns(
        FileNote,
        match=r"ema\.pth: took the averaged weights \(state_dict_ema\), not the others beside them \(state_dict\)",
    ):
        need_equal(tmp_path / "ema.pth", state)


AVERAGED_BESIDE = {
    "basicsr": lambda s: {"params": zeros(s), "params_ema": s},
    "dino": lambda s: {"student": below("module.backbone.", zeros(s)), "teacher": below("backbone.", s)},
    "torchvision": lambda s: {"model": zeros(s), "model_ema": {"n_averaged": torch.tensor(9), **below("module.", s)}},
    "nested": lambda s: {"model": {"net": zeros(s)}, "ema": {"decay": 0.99, "shadow": s}},
    "kept best": lambda s: {"last_state": zeros(s), "best_state": s},
    "in one": lambda s: {"state_dict": {**below("model.", zeros(s)), **below("model_ema.module.", s)}},
    "in one, first": lambda s: {**below("ema_model.", s), **below("model.", zeros(s))},
    "in one, last": lambda s: {**below("student.", zeros(s)), **below("teacher.", s)},
}


@pytest.mark.parametrize("name", AVERAGED_BESIDE)
def test_of_several_weights_in_any_place_the_better_are_taken_and_the_others_named(name, state, tmp_path):
    torch.save(AVERAGED_BESIDE[name](state), tmp_path / "a.pth")
    with pytest.warns(FileNote, match=r"a\.pth: took the .* not (the|\d+) others"):
        need_equal(tmp_path / "a.pth", state)


def test_of_state_dicts_of_which_none_is_known_to_be_meant_all_are_named(state, tmp_path):
    torch.save({"left": state, "right": {"one": dict(state)}}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth: need one state dict, got 2 \(left, right\.one\); save the one"):
        trunk("resnet18", weights=tmp_path / "a.pth")


def test_averaged_weights_without_names_are_mentioned(state, tmp_path):
    shadows = {"decay": 0.99, "shadow_params": list(state.values())}
    torch.save({"state_dict": state, "ema": shadows}, tmp_path / "a.pth")
    with pytest.warns(FileNote, match=r"a\.pth: holds averaged weights without names \(ema\), which are not taken"):
        need_equal(tmp_path / "a.pth", state)


def test_settings_among_the_tensors_are_passed_over_with_a_word(state, tmp_path):
    torch.save({**state, "epoch": 3, "optimizer": OPTIMIZER}, tmp_path / "a.pth")
    with pytest.warns(FileNote, match=r"a\.pth: passed over what is no tensor among the weights: epoch, optimizer"):
        need_equal(tmp_path / "a.pth", state)


def test_containers_that_hold_themselves_end(state, tmp_path):
    around = {"list": [], "model": state}
    around["list"] += [around, around]
    torch.save(around, tmp_path / "a.pth")
    need_equal(tmp_path / "a.pth", state)


def test_a_counter_that_counts_nothing_whole_is_refused(state, tmp_path):
    torch.save({**state, "bn1.num_batches_tracked": torch.tensor(0.5)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth: bn1\.num_batches_tracked: need torch\.int64, got torch\.float32"):
        trunk("resnet18", weights=tmp_path / "a.pth")


def test_what_lies_outside_the_network_is_told(state, tmp_path):
    torch.save({**below("backbone.", state), "criterion.weight": torch.ones(3)}, tmp_path / "a.pth")
    with pytest.warns(FileNote, match=r"below backbone\., not 1 others \(criterion\.weight\)"):
        need_equal(tmp_path / "a.pth", state)


def test_of_two_networks_the_trained_one_is_taken_where_it_is_known(state, tmp_path):
    both = {**below("module.encoder_k.", zeros(state)), **below("module.encoder_q.", state)}
    torch.save({"state_dict": both}, tmp_path / "moco.pth")
    with pytest.warns(FileNote, match=r"tensors below encoder_q\., not 122 others"):
        need_equal(tmp_path / "moco.pth", state)
    torch.save({**below("left.", state), **below("right.", state)}, tmp_path / "two.pth")
    with pytest.raises(WeightsError, match=r"two\.pth: need one network, got 2, below left\., right\.; save the one"):
        trunk("resnet18", weights=tmp_path / "two.pth")


class Stranger:
    """A class of somebody's program."""


class Payload:
    """Unpickling it makes a folder: the sign that code ran."""

    def __init__(self, sign):
        self.sign = sign

    def __reduce__(self):
        return os.mkdir, (str(self.sign),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_class_that_is_refused_is_named_with_a_remedy(zipped, state, tmp_path):
    torch.save({"model": state, "what": Stranger()}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"a\.pth: need .* got [\w.]*test_checkpoints\.Stranger, .*state_dict\(\)"):
        trunk("resnet18", weights=tmp_path / "a.pth")
    torch.save({"model": state, "what": Payload(tmp_path / "ran")}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"b\.pth: need .* got (posix|nt)\.mkdir, which could run code; not loaded"):
        trunk("resnet18", weights=tmp_path / "b.pth")
    assert not (tmp_path / "ran").exists()


def test_settings_are_not_built():
    """NumPy's numbers can be pickled so that building them reads memory that is not theirs; nothing stands for them."""
    from convolens.trunks.weights.pickles import _HARMLESS

    assert {kind[0].__module__ for kind in _HARMLESS} <= {"convolens.trunks.weights.pickles", "collections"}


@pytest.mark.filterwarnings("ignore")  # tracing is on its way out
def test_a_program_is_told_as_such(tmp_path):
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8)), tmp_path / "traced.pt")
    with pytest.raises(WeightsError, match=r"traced\.pt: need a state dict, got a TorchScript program"):
        trunk("resnet18", weights=tmp_path / "traced.pt")


def test_a_tensor_spread_out_of_fewer_numbers_is_refused(tmp_path):
    torch.save({"pre_logits.fc1.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth: need dense tensors of real numbers, got others"):
        trunk("vgg16", weights=tmp_path / "a.pth")


@pytest.mark.bad_input
@pytest.mark.parametrize("zipped", [True, False])
def test_damage_anywhere_is_one_sentence(zipped, tmp_path):
    torch.save({"a": torch.arange(4.0)}, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "whole.pth").read_bytes()
    refused = 0
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        for data in (bytes(damaged), whole[:at]):
            (tmp_path / "a.pth").write_bytes(data)
            try:
                read_checkpoint(tmp_path / "a.pth")  # flipped numbers are numbers
            except WeightsError as error:
                refused += "a.pth: need " in str(error)
    assert refused > len(whole) / 3


@pytest.mark.bad_input
@pytest.mark.parametrize("weights", ["a" * 5000 + "/x.pth", "a\0.pth", "a\0", "b" * 5000])
def test_a_name_that_no_file_can_have_is_refused(weights):
    with pytest.raises((WeightsError, ValueError)) as refused:
        trunk("resnet18", weights=weights)
    assert type(refused.value).__module__ == "convolens.errors"


def test_pickles_of_nothing_we_know_are_told(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps(3))
    with pytest.raises(WeightsError, match=r"a\.pth: need "):
        trunk("resnet18", weights=tmp_path / "a.pth")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files")
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".h5"])
def test_pipes_and_devices_are_refused_before_they_are_read(suffix, tmp_path):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(WeightsError, match=rf"{name}\{suffix}: need a weights file, got a device or a pipe"):
            trunk("resnet18", weights=tmp_path / f"{name}{suffix}")
