"""Folders of our own results are no data, wherever they lie."""

import numpy as np
import pytest

import convolens as cl
from convolens import cli
from convolens.data import read_data
from convolens.errors import FileNote
from convolens.media.images import write_image
from convolens.media.picture_files import find_pictures

TRAIN = "train classify . --trunk resnet18 --stem small --width 0.25 --device cpu --out run"
HEAD = f"{TRAIN} --finetune head"
WHOLE = f"{TRAIN} --finetune all --epochs 1 --batch 4"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    for name, level in (("dark", 40), ("light", 200)):
        for number in range(4):
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            write_image(tmp_path / "photos" / name / f"{number}.png", np.full((16, 16, 3), level + number, np.uint8))
    trunk = cl.trunk("resnet18", stem="small", width=0.25, seed=0, device="cpu")
    model = cl.classifier(trunk, classes=("dark", "light"), taps="layer1.0", seed=0)
    model.save(tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.mark.parametrize("line", [
    HEAD, WHOLE,
    "predict ../model.safetensors dark light --out predicted",
    "explain ../model.safetensors dark light --out why",
])  # fmt: skip
def test_results_among_the_classes_are_no_class_and_no_pictures_of_any(photos, line):
    (out,) = (word for before, word in zip(line.split(), line.split()[1:], strict=False) if before == "--out")
    before, pictures = read_data(photos), list(find_pictures([photos / "dark", photos / "light"]))
    assert cli.run(line.split()) == 0
    with pytest.warns(FileNote, match=f"{out}: passed over, as it holds results of convolens$"):
        after = read_data(photos)
    assert after.class_names == before.class_names == ("dark", "light")
    assert [one.path for one in after.examples] == [one.path for one in before.examples]
    with pytest.warns(FileNote, match=f"{out}: passed over"):
        assert list(find_pictures([photos])) == pictures
    if out != "run":  # which has pictures only where something was mistaken
        with pytest.warns(FileNote, match=f"{out}: passed over 1 .json"):  # the lines: it is a folder like any other
            assert list(find_pictures([photos / out]))


def test_the_same_command_again_learns_from_the_same_pictures(photos, capsys):
    assert cli.run(WHOLE.split()) == 0
    first = (photos / "run" / "best.safetensors").read_bytes()
    assert cli.run([*WHOLE.split(), "--overwrite"]) == 0
    assert "note: run: passed over" in capsys.readouterr().err
    assert (photos / "run" / "best.safetensors").read_bytes() == first
