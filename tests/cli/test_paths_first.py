"""A path with nothing there is told before any option, which may only be wrong for what would be chosen without it."""

import pytest

from convolens import cli

NEED = "error: nowhere: need a folder with one folder of pictures for each class, or annotations, found nothing there\n"


@pytest.mark.parametrize(
    "line",
    [
        "train classify nowhere --epochs 1",
        "train classify pictures --validation nowhere --epochs 1",
        "train localize nowhere --lr -1",
        "train detect nowhere --batch 0",
        "train unusual nowhere --method none",
        "doctor nowhere --labels --folds 1",
        "convert nowhere out --to none",
    ],
)
def test_a_path_with_nothing_there_is_told_first(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    assert cli.run(line.split()) == 2
    assert capsys.readouterr().err == NEED


def test_a_pattern_of_good_pictures_is_no_path(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["train", "unusual", "good/*.png"]) == 2
    assert "error: good/*.png: need pictures (" in capsys.readouterr().err
