import numpy as np
import pytest

import convolens as cl
from convolens.errors import DataError
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
    assert "need a picture large enough for conv2_1, got 1×9 pixels" in found["skipped"][0]["reason"]


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
    with pytest.raises(DataError, match=r"need pictures that can be used, got none; .*0\.png: need a picture large"):
        cl.evaluate(model, tmp_path, progress=False)


def test_evaluating_leaves_the_mode_as_it_was_and_never_trains(model, tmp_path):
    fill(tmp_path / "dark", np.zeros((9, 9), np.uint8))
    model.train()
    try:
        cl.evaluate(model, tmp_path, progress=False)
        assert model.training
    finally:
        model.eval()
