"""The doctor with a network: cut and mirrored copies in data, of one split and of two, and what was known before."""

import json
import shutil

import pytest
from PIL import Image

import convolens as cl
from convolens.cli import run as command
from convolens.data.doctor import diagnose
from convolens.inference.copies_in_data import with_cut_copies
from tests.inference.test_near_copies import altered, scene

TAPS = ["stem", "layer1.1"]


@pytest.fixture
def data(tmp_path):
    """Two splits of two classes of three scenes; a cut copy in each class's train, and one across the splits."""
    for number in range(12):
        split, label = ("train", "val")[number // 6], "ab"[number % 2]
        folder = tmp_path / split / label
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(number)).save(folder / f"{number}.png")
    for number, name in ((0, "train/a/0-cut.png"), (1, "train/b/1-cut.png"), (3, "val/b/3-cut.png")):
        Image.fromarray(altered(scene(number))).save(tmp_path / name)
    return tmp_path


def pairs(found, kind):
    of_kind = [one for each in found.findings if each.kind == kind for one in each.all_instances]
    return {tuple(sorted((one.path.name, one.other.name))) for one in of_kind}


def test_cut_copies_are_named_and_those_in_two_splits_are_faults(data):
    before = diagnose(data, progress=False)
    assert not before.findings
    found = with_cut_copies(before, cl.trunk("resnet18", width=0.25, device="cpu"), taps=TAPS, progress=False)
    assert pairs(found, "cut copy") == {("0-cut.png", "0.png"), ("1-cut.png", "1.png"), ("3-cut.png", "3.png")}
    assert pairs(found, "cut copy in two splits") == {("3-cut.png", "3.png")}
    assert [one.kind for one in found.faults] == ["cut copy in two splits"]
    assert found.findings[0] == found.faults[0]


def test_what_the_doctor_named_before_and_what_cannot_be_read_is_not_named_again(data):
    shutil.copy(data / "train" / "a" / "2.png", data / "train" / "a" / "2-again.png")
    (data / "train" / "a" / "bad.png").write_bytes(b"no picture")
    before = diagnose(data, progress=False)
    found = with_cut_copies(before, cl.trunk("resnet18", width=0.25, device="cpu"), taps=TAPS, progress=False)
    assert pairs(found, "copy") == {("2-again.png", "2.png")}
    assert len(pairs(found, "cut copy")) == 3
    assert [one.count for one in found.findings if one.kind == "unreadable file"] == [1]


def test_the_command_writes_them_into_its_table(data, tmp_path, capsys):
    table = tmp_path / "found.csv"
    line = ["doctor", str(data), "--near-copies", "--trunk", "vgg16", "--weights", "hed", "--tap", "conv2_2"]
    assert command([*line, "--json", "--table", str(table)]) == 1
    kinds = {one["kind"]: one["count"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert kinds == {"cut copy in two splits": 1, "cut copy": 3}
    assert table.read_text().count("3-cut.png") == 2


def test_its_options_mean_nothing_without_it(data, capsys):
    assert command(["doctor", str(data), "--tap", "conv2_2"]) == 2
    assert "--tap: need --labels or --near-copies for it" in capsys.readouterr().err
    assert command(["doctor", str(data), "--near-copies", "--folds", "3"]) == 2
    assert "--folds: need --labels for it" in capsys.readouterr().err
    assert command(["doctor", str(data), "--near-copies", "--labels"]) == 2
    assert "--near-copies: need it without --labels" in capsys.readouterr().err
