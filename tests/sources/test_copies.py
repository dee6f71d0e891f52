"""Models, weights and sounds from a store; what is said of them names the address."""

import glob
import tempfile

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import cli
from convolens.errors import FileError, FormatError, WeightsError
from convolens.media.files import need_file
from convolens.sources.copies import brought_here


@pytest.fixture
def model(tmp_path, store):
    made = cl.classifier(cl.trunk("resnet18", width=0.25), classes=["cat", "dog"])
    made.save(tmp_path / "best.safetensors")
    store.pipe_file("/bucket/run/best.safetensors", (tmp_path / "best.safetensors").read_bytes())
    return made


@pytest.mark.parametrize("address", ["memory://bucket/run", "memory://bucket/run/best.safetensors"])
def test_a_model_and_a_run_folder_are_loaded_from_a_store(model, address, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    loaded = cl.load(address, device="cpu")
    assert all(torch.equal(one, other) for one, other in zip(loaded.parameters(), model.parameters(), strict=True))
    assert not glob.glob(f"{tempfile.gettempdir()}/convolens-*")  # noqa: PTH207


def test_a_damaged_model_and_one_that_is_not_there_name_the_address(store):
    store.pipe_file("/bucket/m.safetensors", b"nonsense")
    with pytest.raises(WeightsError, match=r"^memory://bucket/m.safetensors: need"):
        cl.load("memory://bucket/m.safetensors")
    with pytest.raises(FileError, match=r"^memory://bucket/no.onnx: need a file or a folder, found nothing there"):
        cl.load("memory://bucket/no.onnx")
    with (
        pytest.raises(FileError, match=r"^memory://bucket: need a sound, got a folder"),
        brought_here("memory://bucket", "a sound"),
    ):
        pass


def test_weights_of_a_trunk_are_read_from_a_store(model, store, tmp_path):
    torch.save(model.trunk.state_dict(), tmp_path / "w.pth")
    store.pipe_file("/bucket/w.pth", (tmp_path / "w.pth").read_bytes())
    found = cl.trunk("resnet18", weights="memory://bucket/w.pth", width=0.25, device="cpu")
    assert torch.equal(found.state_dict()["conv1.weight"], model.trunk.state_dict()["conv1.weight"])


def test_a_sound_in_a_store_has_the_same_echo(store, tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 2)).astype(np.float32)
    cl.write_audio(tmp_path / "in.wav", samples, 8000)
    store.pipe_file("/bucket/in.wav", (tmp_path / "in.wav").read_bytes())
    assert (cl.read_audio("memory://bucket/in.wav")[0] == cl.read_audio(tmp_path / "in.wav")[0]).all()
    for source, target in ((tmp_path / "in.wav", "near.wav"), ("memory://bucket/in.wav", "far.wav")):
        assert cli.run(["echo", str(source), str(tmp_path / target), "--delay", "0.1", "--weight", "0.5"]) == 0
    assert (tmp_path / "near.wav").read_bytes() == (tmp_path / "far.wav").read_bytes()
    store.pipe_file("/bucket/bad.wav", b"RIFFnonsense")
    with pytest.raises(FormatError, match=r"^memory://bucket/bad.wav: "):
        cl.read_audio("memory://bucket/bad.wav")


def test_what_must_be_a_file_of_this_machine_says_so():
    with pytest.raises(FileError, match=r"^s3://bucket/kernel.png: need a file of this machine, got an address"):
        need_file("s3://bucket/kernel.png")
