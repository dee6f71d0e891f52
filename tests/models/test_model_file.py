import json
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from convolens.errors import FileError, WeightsError
from convolens.models.model_file import read_model_file, write_model_file
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
    with pytest.raises(WeightsError, match=r"model\.safetensors: need a model file .* got a damaged file or none"):
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
