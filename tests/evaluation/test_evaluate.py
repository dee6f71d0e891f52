import re
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import cli
from convolens.data import Box, Example
from convolens.errors import DataError, FileError
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
    with pytest.raises(DataError, match=r"need pictures that can be used, got none; .*0\.png: picture: need it large"):
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
    found = wrong_places(torch.tensor(said), labels, torch.tensor([box] * 5), examples, ("cat", "dog"))
    assert found.count == 4
    assert [one.words for one in found.worst] == [
        "is cat, found nothing (objectness 5%)",
        "shows nothing, found cat (objectness 95%)",
        "is cat, predicted as dog (98%)",
        "is cat, overlap 0.00",
    ]
    assert [one.label for one in found.worst[2].boxes] == ["dog", "is cat"]
    assert found.worst[2].boxes[0].box_xyxy == pytest.approx((20, 10, 60, 30), abs=1e-3)
