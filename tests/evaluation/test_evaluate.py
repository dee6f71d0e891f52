import csv
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import cli
from convolens.data import Box, Example
from convolens.errors import DataError, FileError, FormatError
from convolens.evaluation.detect import DetectorEvaluation
from convolens.evaluation.localize import LocalizerEvaluation, Located
from convolens.evaluation.metrics import classification_metrics, multi_label_metrics
from convolens.evaluation.mistakes import wrong_classes, wrong_places
from convolens.evaluation.page import confusion_part
from convolens.media.images import write_image


@pytest.fixture(scope="module")
def model():
    return cl.classifier("vgg16", classes=("dark", "light"), taps="conv2_1")


def fill(folder, *pictures):
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        write_image(folder / f"{number}.png", picture)


def test_a_picture_too_small_for_the_taps_is_skipped_and_named(model, tmp_path):
    fill(tmp_path / "dark", np.zeros((9, 9), np.uint8), np.zeros((1, 9), np.uint8))
    found = cl.evaluate(model, tmp_path, progress=False)
    assert found["count"] == 1
    assert found["skipped"][0]["path"].endswith("dark/1.png")
    assert "picture: need it large enough for conv2_1 (stride 2), got 1×9 pixels" in found["skipped"][0]["reason"]


def test_the_figures_are_those_of_the_predictions(model, tmp_path):
    pictures = [np.full((8 + number, 9, 3), 25 * number, np.uint8) for number in range(6)]
    fill(tmp_path / "dark", *pictures[:3])
    fill(tmp_path / "light", *pictures[3:])
    named = [one.labels[0] for one in model.predict(pictures)]
    found = cl.evaluate(model, tmp_path, progress=False, batch=2)
    truths = ["dark"] * 3 + ["light"] * 3
    assert found["top1"] == np.mean([name == truth for name, truth in zip(named, truths, strict=True)])
    assert [sum(row) for row in found["confusion"]] == [3, 3]


def test_a_folder_in_which_no_picture_can_be_used_is_refused(model, tmp_path):
    fill(tmp_path / "dark", np.zeros((1, 1), np.uint8))
    with pytest.raises(DataError, match=r"need examples that can be used, got none; .*0\.png: picture: need it large"):
        cl.evaluate(model, tmp_path, progress=False)


def test_evaluating_leaves_the_mode_as_it_was_and_never_trains(model, tmp_path):
    fill(tmp_path / "dark", np.zeros((9, 9), np.uint8))
    model.train()
    try:
        cl.evaluate(model, tmp_path, progress=False)
        assert model.training
    finally:
        model.eval()


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_measured(model, tmp_path):
    with pytest.raises(FileError, match=r"page.html: need an existing folder to write into"):
        cl.evaluate(model, tmp_path / "no data", html=tmp_path / "nowhere" / "page.html", progress=False)


def test_of_data_in_parts_the_one_farthest_from_training_is_measured(model, tmp_path):
    for part, count in (("train", 3), ("val", 2)):
        fill(tmp_path / part / "dark", *[np.full((9, 9), number, np.uint8) for number in range(count)])
    assert cl.evaluate(model, tmp_path, progress=False)["count"] == 2
    assert cl.evaluate(model, tmp_path, split="train", progress=False)["count"] == 3
    with pytest.raises(DataError, match="need a split 'test', got train, validation"):
        cl.evaluate(model, tmp_path, split="test", progress=False)


def test_the_page_shows_the_worst_mistakes_and_fetches_nothing(model, tmp_path, capsys):
    pictures = [np.full((8 + number, 9, 3), 25 * number, np.uint8) for number in range(6)]
    named = [one.labels[0] for one in model.predict(pictures)]
    for name in ("dark", "light"):  # each in the other's folder
        fill(tmp_path / "data" / ({"dark": "light", "light": "dark"}[name]), *[
            picture for picture, said in zip(pictures, named, strict=True) if said == name
        ] or [np.zeros((1, 1), np.uint8)])  # fmt: skip
    model.save(tmp_path / "m.safetensors")
    command = ["evaluate", tmp_path / "m.safetensors", tmp_path / "data", "--html", tmp_path / "page.html"]
    assert cli.run([str(word) for word in command]) == 0
    assert "top-1 0.0%" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert "The worst 6 of 6." in page
    assert page.count(", predicted as") == 2 * 6  # as text and for those who cannot see it
    assert "How far its confidence can be trusted" in page
    assert "http" not in page


def test_the_page_of_many_classes_names_the_most_frequent_mistakes():
    counts = np.eye(30, dtype=np.int64) * 50
    counts[3, 7], counts[8, 1] = 9, 4
    shown = confusion_part(counts, [f"class {number}" for number in range(30)]).figures[0]
    rows = re.findall(r'"row">([^<]*)</th><td>([^<]*)</td><td>([^<]*)<', shown)
    assert rows == [("class 3", "class 7", "9"), ("class 8", "class 1", "4")]


def test_pictures_of_several_classes_are_wrong_where_one_is_missed_or_made_up():
    examples = [Example(Path(f"{name}.png"), labels) for name, labels in (("a", (0,)), ("b", (0, 1)), ("c", ()))]
    scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.3, 0.7]])
    found = wrong_classes(scores, examples, ("cat", "dog"))
    assert [(one.example.path.stem, one.words) for one in found.worst] == [
        ("b", "shows cat, dog; dog was given 10%"),
        ("c", "shows nothing; dog was given 70%"),
    ]


def test_a_localizers_mistakes_go_from_missed_over_misnamed_to_misplaced(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((50, 100), np.uint8))
    box, labels = (0.2, 0.2, 0.6, 0.6), torch.tensor([0, 0, 0, -1, 0])
    example = Example(tmp_path / "a.png", (0,), (Box(0, (20, 10, 60, 30)),))
    # objectness, two class scores, centre and the sigmoids' arguments of the size
    at, away, size = (0.4, 0.4), (0.8, 0.8), [float(torch.tensor(0.4).logit())] * 2
    said = [(3, 2, -2, *at, *size), (-3, 2, -2, *at, *size), (3, -2, 2, *at, *size), (3, 2, -2, *at, *size)]
    said.append((3, 2, -2, *away, *size))
    empty = Example(tmp_path / "a.png", ())
    examples = [example, example, example, empty, example]
    located = Located(torch.tensor(said), labels, torch.tensor([box] * 5), tuple(examples), ())
    found = wrong_places(located, ("cat", "dog"))
    assert found.count == 4
    assert [one.words for one in found.worst] == [
        "is cat, found nothing (objectness 5%)",
        "shows nothing, found cat (objectness 95%)",
        "is cat, predicted as dog (98%)",
        "is cat, overlap 0.00",
    ]
    assert [one.label for one in found.worst[2].boxes] == ["dog", "is cat"]
    assert found.worst[2].boxes[0].box_xyxy == pytest.approx((20, 10, 60, 30), abs=1e-3)


def test_an_evaluation_is_plain_numbers_that_say_themselves_and_are_drawn(model, tmp_path):
    pictures = [np.full((8, 9, 3), 25 * number, np.uint8) for number in range(6)]
    fill(tmp_path / "data" / "dark", *pictures[:3])
    fill(tmp_path / "data" / "light", *pictures[3:])
    found = cl.evaluate(model, tmp_path / "data", progress=False)
    assert found == json.loads(json.dumps(found)) and list(found)[:3] == ["count", "top1", "top5"]
    assert found.summary() == repr(found)[len("ClassifierEvaluation(") : -1]
    assert found.summary().startswith(f"6 pictures: top-1 {found['top1']:.1%}, macro-F1 ")
    lines = str(found).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["class", "dark", "light"]
    axes = found.plot()
    assert axes.get_title() == found.summary()
    np.testing.assert_allclose(axes.images[0].get_array(), np.array(found["confusion"]) / 3)
    assert "<figcaption>6 pictures: top-1" in found._repr_html_() and "light" in found._repr_html_()
    for name, first in (("e.html", b"<!"), ("e.json", b"{"), ("e.png", b"\x89PNG")):
        assert found.save(tmp_path / name).read_bytes().startswith(first)
    with pytest.raises(FormatError, match=r"e\.txt: need a name that ends in \.html"):
        found.save(tmp_path / "e.txt")


@pytest.mark.parametrize(
    ("found", "summary", "bars"),
    [
        (
            multi_label_metrics(np.array([[0.9, 0.2], [0.6, 0.7]]), np.eye(2, dtype=bool), ("cat", "dog")),
            "2 pictures: mean average precision 1.000, macro-F1 0.833, all classes right 50.0%",
            {"cat": 1.0, "dog": 1.0},
        ),
        (
            LocalizerEvaluation({"count": 9, "objects": 4, "object_accuracy": 0.5, "object_auc": 0.25,
                                 "class_accuracy": 1.0, "mean_iou": 0.75, "iou50": 0.5}),
            "9 pictures, 4 objects: object or none right 50.0%, AUC 0.250, class right 100.0%, mean IoU 0.750, "
            "IoU of at least .5 50.0%",
            {"object or none right": 0.5, "AUC": 0.25, "class right": 1, "mean IoU": 0.75, "IoU of at least .5": 0.5},
        ),
        (
            DetectorEvaluation({"count": 9, "objects": 20, "ap": 0.5, "ap50": 0.75, "ap75": None, "per_class": {
                "cat": {"ap": 0.25, "ap50": 0.5, "count": 10}, "dog": {"ap": 0.75, "ap50": 1.0, "count": 10}}}),
            "9 pictures, 20 objects: AP 0.500, at IoU .5 0.750, at IoU .75 none",
            {"cat": 0.25, "dog": 0.75},
        ),
    ],
)  # fmt: skip
def test_each_task_says_and_draws_its_own_numbers(found, summary, bars):
    assert found.summary() == summary
    axes = found.plot()
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert dict(zip(names, [bar.get_width() for bar in axes.patches], strict=True)) == bars
    assert type(pickle.loads(pickle.dumps(found))) is type(found)
    assert found._repr_png_().startswith(b"\x89PNG")


def test_of_many_classes_the_lowest_have_a_bar():
    per_class = {f"class {number}": {"ap": number / 40, "ap50": 1.0, "count": 1} for number in range(40)}
    axes = DetectorEvaluation({"count": 40, "per_class": per_class}).plot()
    assert len(axes.patches) == 30 and axes.get_xlabel() == "average precision: the 30 lowest of 40"
    assert axes.get_yticklabels()[-1].get_text() == "class 0"  # on top


def test_a_confusion_matrix_of_many_classes_is_larger_and_of_very_many_has_no_names():
    def evaluation(classes):
        names = [f"class {number}" for number in range(classes)]
        return classification_metrics(np.eye(classes), np.arange(classes), names)

    sides = [evaluation(classes).drawn().shape[0] for classes in (3, 20, 70)]
    assert sides == sorted(set(sides)) and sides[-1] == 24 * 110
    assert len(evaluation(20).plot().texts) == 20 and not evaluation(70).plot().texts


def rows_of(table):
    if table.suffix == ".csv":
        return list(csv.DictReader(table.read_text().splitlines()))
    return pytest.importorskip("pyarrow.parquet").read_table(table).to_pylist()


@pytest.mark.parametrize("name", ["found.csv", "found.parquet"])
def test_the_commands_table_has_a_row_for_all_and_one_for_each_class(model, tmp_path, name):
    for at in range(6):
        fill(tmp_path / "data" / ("dark", "light")[at % 2] / str(at), np.full((8 + at, 9, 3), 25 * at, np.uint8))
    model.save(tmp_path / "model.safetensors")
    assert cli.run(["evaluate", str(tmp_path / "model.safetensors"), str(tmp_path / "data"), "--table",
                    str(tmp_path / name)]) == 0  # fmt: skip
    found = cl.evaluate(model, tmp_path / "data", progress=False)
    all_, *classes = rows_of(tmp_path / name)
    assert all_["class"] == "all" and float(all_["top1"]) == found["top1"] and int(all_["count"]) == 6
    assert [row["class"] for row in classes] == list(found["per_class"]) == ["dark", "light"]
    for row in classes:
        wanted = found["per_class"][row["class"]]
        assert {key: float(row[key]) for key in wanted} == pytest.approx(wanted)


def test_a_class_called_all_has_a_row_of_its_own(tmp_path):
    model = cl.classifier("vgg16", classes=("all", "none"), taps="conv2_1")
    fill(tmp_path / "data" / "all", np.zeros((9, 9), np.uint8))
    fill(tmp_path / "data" / "none", np.zeros((9, 9), np.uint8))
    model.save(tmp_path / "model.safetensors")
    assert cli.run(["evaluate", str(tmp_path / "model.safetensors"), str(tmp_path / "data"), "--table",
                    str(tmp_path / "found.csv")]) == 0  # fmt: skip
    rows = rows_of(tmp_path / "found.csv")
    assert [(row["class"], row["count"]) for row in rows] == [("all", "2"), ("all", "1"), ("none", "1")]


def test_a_table_of_no_kind_is_refused_before_anything_is_measured(model, tmp_path, capsys):
    fill(tmp_path / "data" / "dark", np.zeros((9, 9), np.uint8))
    model.save(tmp_path / "model.safetensors")
    assert (
        cli.run(["evaluate", str(tmp_path / "model.safetensors"), str(tmp_path / "data"), "--table", "found.xls"]) == 2
    )
    assert "found.xls: need a table's suffix, .csv or .parquet, got .xls" in capsys.readouterr().err
