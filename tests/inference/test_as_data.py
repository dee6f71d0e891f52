"""`predict --as` and `--table`: predictions as data to correct, and as rows, of every task."""

import csv
import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from convolens import cli
from convolens.data import read_data, read_with_faults
from convolens.media.images import write_image
from convolens.models.classify import Prediction
from convolens.models.detect import Detections

BOX = (2.0, 4.0, 12.5, 20.0)
NAMES = ("cat", "dog")


@dataclass(frozen=True)
class Place:
    label: str | None
    score: float
    box_xyxy: tuple[float, float, float, float] | None
    objectness: float


class Model(nn.Module):
    """Finds a dog in bright pictures and nothing in dark ones, by any task."""

    class_names = NAMES

    def __init__(self, task, *, multi_label=False):
        super().__init__()
        self.task, self.multi_label = task, multi_label
        self.register_buffer("number", torch.tensor(1.0))

    def predict(self, images, *, top=None, threshold=0.5, batch=16):
        return [self.found(bool(one.mean() > 100)) for one in images]

    def found(self, bright):
        if self.task == "classify":
            order = (1, 0) if bright else (0, 1)
            return Prediction(tuple(NAMES[n] for n in order), (0.75, 0.25))
        if self.task == "localize":
            return Place("dog" if bright else None, 0.75, BOX if bright else None, 0.9)
        count = int(bright)
        return Detections(
            np.array([BOX] * count, np.float32).reshape(-1, 4), ("dog",) * count, np.array([0.75] * count, np.float32),
            np.array([1] * count, np.int64), np.array([0] * count, np.int64),
        )  # fmt: skip


@pytest.fixture
def predict(tmp_path, monkeypatch):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    write_image(tmp_path / "photos" / "deep" / "bright.png", np.full((30, 40), 200, np.uint8))
    write_image(tmp_path / "photos" / "dark.png", np.full((30, 40), 20, np.uint8))

    def run(task, *line, **options):
        monkeypatch.setattr("convolens.models.load", lambda *_, **__: Model(task, **options))
        return cli.run(
            ["predict", "model", str(tmp_path / "photos"), "--out", str(tmp_path / "found"), *map(str, line)]
        )

    return run


@pytest.mark.parametrize("form", ["csv", "coco", "voc", "yolo", "label-studio", "cvat", "labelme"])
@pytest.mark.parametrize("task", ["localize", "detect"])
def test_boxes_that_were_found_are_data_in_every_format(task, form, predict, tmp_path, capsys):
    assert predict(task, "--as", form) == 0
    found = read_with_faults(tmp_path / "found" / form, format=form).data
    boxes = {
        e.path.name: [(found.class_names[box.label], box.xyxy, box.score) for box in e.boxes] for e in found.examples
    }
    kept = 0.75 if form in ("coco", "label-studio", "labelme") else None
    name = "deep_bright.png" if form == "voc" else "bright.png"
    assert boxes == {name: [("dog", BOX, kept)], "dark.png": []}
    assert ("1 score" in capsys.readouterr().err) == (kept is None)


@pytest.mark.parametrize(("form", "several"), [("folders", False), ("csv", False), ("csv", True), ("cvat", True)])
def test_classes_that_were_named_are_data(form, several, predict, tmp_path):
    assert predict("classify", "--as", form, multi_label=several) == 0
    found = read_data(tmp_path / "found" / form, format=form)
    assert found.kind == ("labels" if several else "label")
    assert {e.path.name: [found.class_names[n] for n in e.labels] for e in found.examples} == {
        "bright.png": ["dog"], "dark.png": ["cat"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        (
            "classify",
            ["--as", "yolo"],
            "--as: need a format that holds label for a model that can classify, got 'yolo'",
        ),
        ("detect", ["--as", "folders"], "--as: need a format that holds boxes for a model that can detect"),
        ("detect", ["--table", "found.txt"], "found.txt: need a table's suffix, .csv or .parquet, got .txt"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(task, line, message, predict, tmp_path, capsys):
    assert predict(task, *line) == 2
    assert f"error: {message}" in capsys.readouterr().err
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize("option", ["as", "table"])
def test_without_out_there_is_nothing_to_write_from(option, monkeypatch, capsys):
    monkeypatch.setattr("convolens.models.load", lambda *_, **__: Model("detect"))
    assert cli.run(["predict", "model", "photos", f"--{option}", "csv"]) == 2
    assert capsys.readouterr().err.startswith(f"error: --{option}: need --out too, where predictions are kept")


def test_data_that_is_there_is_refused_before_the_work(predict, tmp_path, capsys):
    assert predict("detect", "--as", "csv") == 0
    assert predict("detect", "--as", "csv") == 2
    assert "csv: is already there" in capsys.readouterr().err


def test_a_table_has_a_row_for_each_object_and_for_what_failed(predict, tmp_path):
    (tmp_path / "photos" / "broken.png").write_bytes(b"none")
    assert predict("detect", "--table", tmp_path / "found.csv") == 2
    with (tmp_path / "found.csv").open(newline="") as stream:
        rows = {row["path"].rpartition("/")[2]: row for row in csv.DictReader(stream)}
    assert rows["bright.png"]["label"] == "dog" and float(rows["bright.png"]["x2"]) == 12.5
    assert rows["dark.png"]["label"] == ""
    assert "broken.png" in rows["broken.png"]["error"]


def test_a_table_of_classes_has_a_row_for_each(predict, tmp_path):
    assert predict("classify", "--table", tmp_path / "found.csv") == 0
    with (tmp_path / "found.csv").open(newline="") as stream:
        assert [(row["label"], row["score"]) for row in csv.DictReader(stream)][:2] == [
            ("cat", "0.75"),
            ("dog", "0.25"),
        ]


def test_parquet_keeps_numbers(predict, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert predict("localize", "--table", tmp_path / "found.parquet") == 0
    rows = parquet.read_table(tmp_path / "found.parquet").to_pylist()
    assert {row["path"].rpartition("/")[2]: (row["label"], row["y1"]) for row in rows} == {
        "bright.png": ("dog", 4.0), "dark.png": (None, None),
    }  # fmt: skip


def test_parquet_without_pyarrow_says_what_to_install(predict, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("convolens.media.table_files.find_spec", lambda name: None)
    assert predict("detect", "--table", tmp_path / "found.parquet") == 2
    assert "pip install 'convolens[tables]'" in capsys.readouterr().err


def test_the_doctor_writes_a_table_of_places(predict, tmp_path):
    (tmp_path / "photos" / "boxes.csv").write_text(
        "path,label,x1,y1,x2,y2\ndark.png,cat,5,5,5,9\ndark.png,dog,1,1,9,9\n"
    )
    assert cli.run(["doctor", str(tmp_path / "photos" / "boxes.csv"), "--table", str(tmp_path / "all.csv")]) == 1
    with (tmp_path / "all.csv").open(newline="") as stream:
        rows = {row["kind"]: row for row in csv.DictReader(stream)}
    assert rows["box without area"]["level"] == "fault" and rows["box without area"]["x1"] == "5.0"


def test_detections_are_what_supervision_takes():
    """Its `Detections(xyxy, confidence, class_id)` needs `(n, 4)` numbers, `(n,)` numbers and `(n,)` integers."""
    found = Model("detect").found(True)
    assert found.boxes_xyxy.shape == (1, 4) and found.scores.shape == (1,) and found.classes.shape == (1,)
    assert found.classes.dtype == np.int64
    assert json.loads(json.dumps(found.to_dict()))["labels"] == ["dog"]
    assert "supervision" not in sys.modules
