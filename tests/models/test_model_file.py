import json
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from convolens.errors import FileError, WeightsError
from convolens.models import Classifier, load
from convolens.models.heads import PooledHead
from convolens.models.model_file import read_model_file, write_model_file
from convolens.trunks.registry import trunk
from convolens.trunks.weights import tensor_file
from convolens.trunks.weights.strict import load_strictly
from tests.file_size import files_of_at_most


def fill(file, model):
    load_strictly(model, file.tensors, file.path)


FACTS = {"task": "classify", "class_names": ["brick", "grass"], "metrics": {"top1": 0.5}}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "model.safetensors"
    write_model_file(path, nn.Linear(3, 2), FACTS)
    return path


def test_facts_and_tensors_come_back_as_they_were(tmp_path):
    model = nn.Linear(3, 2)
    write_model_file(tmp_path / "model.safetensors", model, FACTS)
    read = read_model_file(tmp_path / "model.safetensors")
    assert {name: read.facts[name] for name in FACTS} == FACTS
    assert read.words("class_names") == ("brick", "grass")
    assert torch.equal(read.tensors["weight"], model.weight)


def test_any_safetensors_reader_can_read_the_facts(stored):
    data = stored.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["class_names"]) == ["brick", "grass"]
    assert metadata["version"] == "1"


def test_a_model_without_memory_of_its_own_is_filled(stored):
    with torch.device("meta"):
        model = nn.Linear(3, 2)
    fill(read_model_file(stored), model)
    assert torch.equal(model.weight, read_model_file(stored).tensors["weight"])


def test_weights_kept_in_half_precision_are_computed_with_in_the_models(tmp_path):
    model = nn.Linear(3, 2)
    write_model_file(tmp_path / "model.safetensors", nn.Linear(3, 2).half(), FACTS)
    fill(read_model_file(tmp_path / "model.safetensors"), model)
    assert model.weight.dtype == torch.float32
    assert model(torch.ones(1, 3)).isfinite().all()


def test_writing_replaces_the_old_file_only_when_the_new_one_is_whole(stored):
    before = stored.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_model_file(stored, nn.Linear(3, 2), {"task": object()})
    assert stored.read_bytes() == before
    assert list(stored.parent.iterdir()) == [stored]


@pytest.mark.parametrize("size", [0, 100, 4096])
def test_a_disk_that_fills_up_is_one_sentence_and_keeps_the_old_file(stored, size):
    before = stored.read_bytes()
    with (
        files_of_at_most(size),
        pytest.raises(FileError, match=r"safetensors: cannot be written: File too large$"),
    ):
        write_model_file(stored, nn.Linear(300, 20), FACTS)
    assert stored.read_bytes() == before
    assert list(stored.parent.iterdir()) == [stored]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"need a name that ends in \.safetensors, got \.pth"):
        write_model_file(tmp_path / "model.pth", nn.Linear(3, 2), FACTS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"model\.safetensors: need a model, found nothing there"):
        read_model_file(tmp_path / "model.safetensors")


class Payload:
    """Unpickling it creates a file: if that file ever exists, something ran the pickle."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_a_pickle_is_refused_by_what_it_is_and_never_run(tmp_path, zipped, name):
    mark = tmp_path / "ran"
    torch.save({"weight": Payload(mark)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="got a pickle, which could run code and is not opened"):
        read_model_file(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"just some text, no model",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: struct.pack("<Q", 1 << 62) + data[8:],
        lambda data: data.replace(b'"shape":[2,3]', b'"shape":[9,9]'),
        lambda data: data.replace(b'"F32"', b'"F99"'),
        lambda data: data.replace(b'"data_offsets":[0,', b'"data_offsets":[4,'),
    ],
    ids=["empty", "text", "cut header", "cut data", "longer", "huge header", "lying shape", "dtype", "offsets"],
)
def test_a_damaged_file_or_a_lying_header_is_refused_by_name(stored, damage):
    damaged = damage(stored.read_bytes())
    assert damaged != stored.read_bytes()
    stored.write_bytes(damaged)
    with pytest.raises(
        WeightsError, match=r"model\.safetensors: need a model file .* got a damaged one or something else"
    ):
        read_model_file(stored)


def test_plain_weights_are_told_from_a_model(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="without its facts; plain weights are for training"):
        read_model_file(tmp_path / "weights.safetensors")


def rewrite(path, **changes):
    read = read_model_file(path)
    metadata = {name: json.dumps(fact) for name, fact in read.facts.items()} | changes
    save_file(dict(read.tensors), path, metadata=metadata)


@pytest.mark.parametrize("version", ["2", "0", "true", '"1"'])
def test_a_version_that_is_not_known_is_refused(stored, version):
    rewrite(stored, version=version)
    with pytest.raises(WeightsError, match="need model version 1 or earlier"):
        read_model_file(stored)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_facts_that_are_not_json_are_refused(stored, text):
    rewrite(stored, metrics=text)
    with pytest.raises(WeightsError, match="the facts in its header are not JSON"):
        read_model_file(stored)


def test_a_fact_of_the_wrong_kind_is_named(stored):
    rewrite(stored, class_names="[1, 2]", metrics='"good"')
    read = read_model_file(stored)
    with pytest.raises(WeightsError, match=r"need 'class_names' in its header as a list of texts, got \[1, 2\]"):
        read.words("class_names")
    with pytest.raises(WeightsError, match="need 'metrics' in its header as a dict, got 'good'"):
        read.fact("metrics", dict)
    with pytest.raises(WeightsError, match="need 'taps' in its header as a list, got None"):
        read.fact("taps", list)


def test_tensors_of_another_model_are_listed(stored):
    read = read_model_file(stored)
    with pytest.raises(WeightsError, match=r"got 2 missing \(0.bias, 0.weight\) and 2 unknown \(bias, weight\)"):
        fill(read, nn.Sequential(nn.Linear(3, 2)))
    with pytest.raises(
        WeightsError, match=r"got 2 of other shapes \(weight \(2, 3\) for \(4, 3\), bias \(2,\) for \(4,\)\)"
    ):
        fill(read, nn.Linear(3, 4))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64])
def test_numbers_of_another_kind_are_refused(stored, dtype):
    read = read_model_file(stored)
    odd = replace(read, tensors={name: tensor.to(dtype) for name, tensor in read.tensors.items()})
    with pytest.raises(WeightsError, match=rf"(bias|weight): need torch.float32, got {dtype}"):
        fill(odd, nn.Linear(3, 2))


def test_weights_that_are_no_numbers_are_refused(stored):
    read = read_model_file(stored)
    spoiled = {name: tensor.where(tensor != tensor.max(), torch.nan) for name, tensor in read.tensors.items()}
    with pytest.raises(
        WeightsError, match=r"model.safetensors: (bias|weight): need finite numbers, got NaN or infinity"
    ):
        fill(replace(read, tensors=spoiled), nn.Linear(3, 2))


def test_a_model_in_memory_does_not_depend_on_its_file(stored):
    read = read_model_file(stored)
    kept = {name: tensor.clone() for name, tensor in read.tensors.items()}
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-24] + bytes(24))  # a mapped file would change its tensors, and one cut short kill us
    assert all(torch.equal(read.tensors[name], value) for name, value in kept.items())
    os.truncate(stored, 16)
    assert all(torch.equal(read.tensors[name], value) for name, value in kept.items())


def test_the_same_model_gives_the_same_bytes(tmp_path):
    torch.manual_seed(0)
    models = [nn.Linear(3, 2)] * 8
    files = [tmp_path / f"{number}.safetensors" for number in range(8)]
    for file, model in zip(files, models, strict=True):
        write_model_file(file, model, {name: name for name in "abcdefgh"})
    assert len({file.read_bytes() for file in files}) == 1  # safetensors' own order is another each time


def test_a_full_disk_while_a_model_is_written_is_one_sentence(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensor_file, "save_file", full)
    with pytest.raises(FileError, match=r"m\.safetensors: cannot be written: .*No space left on device"):
        write_model_file(tmp_path / "m.safetensors", nn.Linear(3, 2), FACTS)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def classifier_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "whole.safetensors"
    body = trunk("resnet18", width=1 / 16, device="cpu")
    head = PooledHead([body.channels(body.taps[-1])], 2)
    Classifier(body, head, taps=body.taps[-1:], class_names=("cat", "dog")).save(path)
    return path


TRUNK = {"name": "resnet18", "weights": None}
FALSE_FACTS = {
    "a name that is a list": ({"trunk": {**TRUNK, "name": ["resnet18"]}}, "need a trunk of"),
    "weights that are no name": ({"trunk": {**TRUNK, "weights": [1]}}, "need the trunk's weights by a name"),
    "epsilon as text": ({"options": {"norm_epsilon": "1e-5"}}, "norm_epsilon: need a number from 0 to 1"),
    "a huge epsilon": ({"options": {"norm_epsilon": 1e30}}, "norm_epsilon: need a number from 0 to 1"),
    "ceil mode as a number": ({"options": {"ceil_mode": 3}}, "ceil_mode: need True or False"),
    "bias as text": ({"options": {"bias": "yes"}}, "bias: need True or False"),
    "width as a truth value": ({"options": {"width": True}}, "width: need a number"),
    "order": ({"preprocessing": {"order": "grb"}}, "order: need one of rgb, bgr"),
    "interpolation": ({"preprocessing": {"interpolation": 3}}, "interpolation: need one of bilinear, bicubic"),
    "antialias": ({"preprocessing": {"antialias": "no"}}, "need antialias as true or false"),
    "a deviation of 0": ({"preprocessing": {"deviation": [0, 1, 1]}}, "need a number that can be divided by"),
    "a mean beyond floats": ({"preprocessing": {"mean": [10**400, 0, 0]}}, "need a finite number"),
    "a truth value as a size": ({"preprocessing": {"resize": True}}, "need resize of 1 to 8192 pixels"),
    "a head that is a list": ({"head": ["gap"]}, "need 'head' in its header as a str"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("case", FALSE_FACTS)
def test_facts_are_checked_by_kind(case, classifier_file, tmp_path):
    changes, message = FALSE_FACTS[case]
    read = read_model_file(classifier_file)
    facts = json.loads(json.dumps(dict(read.facts)))
    facts["trunk"].update(changes.get("trunk", {}))
    facts["trunk"]["options"].update(changes.get("options", {}))
    facts["preprocessing"].update(changes.get("preprocessing", {}))
    facts.update({name: value for name, value in changes.items() if name == "head"})
    path = tmp_path / "false.safetensors"
    save_file(dict(read.tensors), path, metadata={name: json.dumps(fact) for name, fact in facts.items()})
    with pytest.raises(WeightsError, match=rf"false\.safetensors: .*{message}"):
        load(path, device="cpu")


def test_weights_so_large_that_scores_are_nan_are_told(classifier_file, tmp_path):
    read = read_model_file(classifier_file)
    path, large = tmp_path / "large.safetensors", dict(read.tensors)
    large["trunk.conv1.weight"] = torch.full_like(large["trunk.conv1.weight"], 3e38)
    save_file(large, path, metadata={name: json.dumps(fact) for name, fact in read.facts.items()})
    model = load(path, device="cpu")
    with pytest.raises(WeightsError, match="need finite scores, got NaN or infinity; its weights are damaged"):
        model.predict(np.full((40, 40, 3), 200, np.uint8))
