"""The likest looked at again: of many pieces of one lawn the same one comes first; what has gone is told of."""

import shutil

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens.cli import run as command
from convolens.tour.pictures import photo
from tests.inference.test_near_copies import altered

OPTIONS = {"taps": ["stem", "layer1.1"], "progress": False}


@pytest.fixture(scope="module")
def lawn(tmp_path_factory):
    """25 squares of a photo of grass, of which none overlap."""
    folder = tmp_path_factory.mktemp("lawn")
    pixels = np.asarray(Image.open(photo("grass.png")).convert("RGB"))
    for number in range(25):
        top, left = 96 * (number // 5), 96 * (number % 5)
        Image.fromarray(pixels[top : top + 96, left : left + 96]).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def trunk():
    return cl.trunk("resnet18", width=0.25, device="cpu")


def first(trunk, lawn, number, **options):
    copy = altered(np.asarray(Image.open(lawn / f"{number:02}.png")), number)
    return cl.similar(trunk, copy, lawn, count=3, **OPTIONS, **options)


def test_the_same_piece_of_grass_comes_before_all_other_grass(trunk, lawn):
    numbers = range(1, 25, 3)
    right = {closely: [first(trunk, lawn, n, closely=closely).paths[0] == str(lawn / f"{n:02}.png") for n in numbers]
             for closely in (0, 100)}  # fmt: skip
    assert sum(right[0]) < len(numbers) - 2
    assert all(right[100])


def test_its_score_is_the_correlation_and_the_others_keep_theirs(trunk, lawn):
    alone, found = (first(trunk, lawn, 6, closely=closely) for closely in (0, 100))
    assert found.scores[0] > 0.85
    others = dict(zip(alone.paths, alone.scores, strict=True))
    assert all(
        others[path] == score for path, score in zip(found.paths[1:], found.scores[1:], strict=True) if path in others
    )
    assert found.same == (True, False, False)
    assert found.unopened == ()


def test_a_mirrored_piece_is_the_same_only_where_that_is_asked_for(trunk, lawn):
    assert first(trunk, lawn, 6).same == (True, False, False)
    assert not any(first(trunk, lawn, 6, flip=False).same)


def test_pictures_that_have_gone_are_ranked_by_features_and_told_of(trunk, lawn, tmp_path, capsys):
    folder = tmp_path / "lawn"
    shutil.copytree(lawn, folder)
    model = tmp_path / "model.safetensors"
    cl.classifier(trunk, classes=["a", "b"], taps=OPTIONS["taps"]).save(model)
    table = tmp_path / "lawn.npz"
    cl.features_of_files(trunk, [folder], table, **OPTIONS)
    copy = altered(np.asarray(Image.open(folder / "06.png")), 6)
    assert cl.similar(trunk, copy, table, **OPTIONS).paths[0] == str(folder / "06.png")
    shutil.rmtree(folder)
    found = cl.similar(trunk, copy, table, **OPTIONS)
    assert len(found.unopened) == 25
    assert "06.png" in " ".join(found.unopened)
    assert found.paths == cl.similar(trunk, copy, table, closely=0, **OPTIONS).paths
    Image.fromarray(copy).save(tmp_path / "copy.png")
    assert command(["similar", str(tmp_path / "copy.png"), str(table), "--model", str(model)]) == 0
    assert "25 of the likest could not be looked at again: " in capsys.readouterr().err
