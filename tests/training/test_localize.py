import json

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.localize import localization_metrics
from convolens.media.images import write_image

QUICK = {"trunk": "resnet18", "weights": None, "taps": "layer2.1", "stem": "small", "hidden": 32, "size": 16,
         "batch": 8, "progress": False, "device": "cpu", "lr": 1e-3, "workers": 1}  # fmt: skip


def write_squares(folder, count, seed=0):
    """Pictures of 40 × 30 pixels with a red or a green square, or none, as a CSV."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    lines = ["path,label,x1,y1,x2,y2"]
    for number in range(count):
        pixels = random.integers(0, 60, (30, 40, 3)).astype(np.uint8)
        write = f"{number}.png,,,,,"
        if number % 4:
            side, label = int(random.integers(8, 15)), number % 2
            x, y = int(random.integers(0, 40 - side)), int(random.integers(0, 30 - side))
            pixels[y : y + side, x : x + side, label] = 250
            write = f"{number}.png,{('red', 'green')[label]},{x},{y},{x + side},{y + side}"
        write_image(folder / f"{number}.png", pixels)
        lines.append(write)
    (folder / "data.csv").write_text("\n".join(lines))
    return folder / "data.csv"


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares") / "data", 96)


@pytest.fixture(scope="module")
def run(squares, tmp_path_factory):
    return cl.train("localize", squares, out=tmp_path_factory.mktemp("run"), epochs=16, color_jitter=0.1, **QUICK)


def test_it_learns_whether_which_and_where(run, squares):
    assert run.metrics["object_auc"] >= 0.9
    assert run.metrics["class_accuracy"] >= 0.9
    assert run.metrics["mean_iou"] >= 0.4  # where blind guesses overlap by 0.15
    model = run.load(device="cpu")
    found = cl.evaluate(model, squares, progress=False)
    assert found["count"] == 96 and found["objects"] == 72
    assert found["mean_iou"] >= 0.4
    named = model.predict(squares.parent / "1.png", threshold=0.0)
    assert named.label == "green"
    assert 0 <= named.box_xyxy[0] < named.box_xyxy[2] <= 40


def test_its_folder_holds_the_parts_of_the_loss(run):
    head, *rows = (run.folder / "metrics.csv").read_text().splitlines()
    assert {"loss_object", "loss_class", "loss_box", "mean_iou"} <= set(head.split(","))
    assert len(rows) == 16
    assert json.loads((run.folder / "config.json").read_text())["settings"]["box_loss"] == "giou"


def test_a_part_of_weight_nothing_is_not_learned(squares, tmp_path):
    run = cl.train("localize", squares, out=tmp_path, epochs=1, box_weight=0.0, **QUICK)
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [row["loss_box"] for row in rows if row["event"] == "epoch"] == [0.0]


def test_the_metrics_are_those_of_cases_counted_by_hand():
    # Objectness, two classes, centre and (before the sigmoid) size. Sizes 0 are a half of the picture's side.
    output = torch.tensor([
        [2.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0],
        [-1.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0],
        [1.0, 0.0, 1.0, 0.5, 0.5, 0.0, 0.0],
        [-2.0, 0.0, 1.0, 0.5, 0.5, 0.0, 0.0],
    ])  # fmt: skip
    boxes = torch.tensor([[0.25, 0.25, 0.75, 0.75], [0.25, 0.25, 0.75, 0.5], [0.0] * 4, [0.0] * 4])
    found = localization_metrics(output, torch.tensor([0, 1, -1, -1]), boxes)
    assert found["object_accuracy"] == 0.5
    assert found["object_auc"] == 0.75  # 2 > 1, 2 > -2, -1 < 1, -1 > -2
    assert found["class_accuracy"] == 0.5
    assert found["mean_iou"] == pytest.approx((1 + 0.5) / 2)
    assert found["iou50"] == 1.0
    assert found["quality"] == pytest.approx((0.5 + 0.5 + 0.75) / 3)


def test_data_that_cannot_be_localized_is_refused(squares, tmp_path):
    two = tmp_path / "two.csv"
    write_image(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    two.write_text("path,label,x1,y1,x2,y2\na.png,cat,1,1,5,5\na.png,dog,2,2,6,6\n")
    with pytest.raises(DataError, match=r"a\.png: need one object or none to localize, got 2"):
        cl.train("localize", two, out=tmp_path / "run", **QUICK)
    (tmp_path / "classes.csv").write_text("path,label\na.png,cat\n")
    with pytest.raises(DataError, match=r"need .*(boxes to localize|two classes)"):
        cl.train("localize", tmp_path / "classes.csv", out=tmp_path / "run", **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_loss": "iou"}, "box_loss: need one of mse, l1, smooth_l1, giou, got 'iou'"),
        ({"box_weight": -1.0}, r"box_weight: need a finite number of at least 0, got -1\.0"),
        ({"box_weight": 0.0, "class_weight": 0.0, "object_weight": 0.0}, "need a part of the loss that counts"),
        ({"finetune": "layer9"}, r"finetune: need all or a tap up to layer2\.1"),
        ({"device": "cuda:7"}, "device: need one that this machine has, got 'cuda:7'"),
    ],
)
def test_options_that_cannot_be_are_refused(squares, tmp_path, options, message):
    with pytest.raises((ArgumentError, RuntimeError), match=message):
        cl.train("localize", squares, out=tmp_path, **{**QUICK, **options})
