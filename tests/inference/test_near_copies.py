"""Near copies: parts that are found where they lie, groups of them, and what is no copy."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import convolens as cl
from convolens.cli import run as command
from convolens.errors import ArgumentError
from convolens.inference.near_copies import _likely
from convolens.inference.placed import placed, thumbnail

OPTIONS = {"taps": ["stem", "layer1.1"], "progress": False}


def scene(seed):
    """Blots of three sizes, in colors."""
    random = np.random.default_rng(seed)
    values = sum(gaussian_filter(random.normal(0, side, (96, 96, 3)), (side, side, 0)) for side in (2, 5, 12))
    values = (values - values.min()) / np.ptp(values)
    return (255 * values).astype(np.uint8)


def altered(pixels, seed=0):
    """Mirrored, cut to 70% of the area, lighter, and kept as a JPEG of quality 40."""
    top, left = np.random.default_rng(seed).integers(0, 96 - 80 + 1, 2)
    cut = np.clip(pixels[top : top + 80, left : left + 80, :][:, ::-1] * 1.2, 0, 255).astype(np.uint8)
    kept = io.BytesIO()
    Image.fromarray(cut).save(kept, "JPEG", quality=40)
    return np.asarray(Image.open(kept))


@pytest.mark.parametrize("seed", range(6))
def test_a_part_lies_in_its_picture_and_in_no_other(seed):
    whole, copy, other = (thumbnail(one) for one in (scene(seed), altered(scene(seed), seed), scene(seed + 50)))
    assert placed(copy, whole) > 0.9
    assert placed(whole, copy) == placed(copy, whole)
    assert placed(copy, other) < 0.8


def test_a_mirrored_one_counts_only_where_that_is_asked_for():
    whole = thumbnail(scene(0))
    mirrored = np.ascontiguousarray(whole[:, ::-1])
    assert placed(mirrored, whole) == pytest.approx(1, abs=1e-3)
    assert placed(mirrored, whole, flip=False) < 0.8


def test_the_correlation_is_that_of_the_definition():
    whole = thumbnail(scene(3))
    part = whole[4:24, 6:30] * 0.5 + 20
    assert placed(part, whole, flip=False) == pytest.approx(1, abs=1e-4)
    noisy = part + np.random.default_rng(0).normal(0, 6, part.shape).astype(np.float32)
    expected = np.corrcoef(noisy.ravel(), whole[4:24, 6:30].ravel())[0, 1]
    assert placed(noisy.astype(np.float32), whole, flip=False) == pytest.approx(expected, abs=0.02)


def test_plain_pictures_are_like_none():
    assert placed(np.full((32, 32), 90, np.float32), thumbnail(scene(0))) == -1
    assert placed(np.full((32, 32), 90, np.float32), np.full((32, 32), 90, np.float32)) == -1


def test_of_many_the_likest_by_features_are_looked_at():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(200, 64)).astype(np.float32)
    vectors[150] = vectors[20] + 0.1 * vectors[21]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [(one, other) for one, others in _likely(vectors) for other in others]
    assert (20, 150) in pairs
    assert all(one < other for one, other in pairs)
    assert len(pairs) == len(set(pairs)) <= 200 * 10
    assert sum(len(others) for _, others in _likely(vectors[:30])) == 30 * 29 // 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten scenes, of which two have one copy and one has two."""
    root = tmp_path_factory.mktemp("scenes")
    for number in range(10):
        Image.fromarray(scene(number)).save(root / f"{number}.png")
    for number, copies in ((2, 1), (5, 2), (7, 1)):
        for copy in range(copies):
            Image.fromarray(altered(scene(number), copy)).save(root / f"{number}-{copy}.png")
    return root


def test_groups_are_those_that_were_made(folder):
    trunk = cl.trunk("resnet18", width=0.25, device="cpu")
    (folder / "bad.png").write_bytes(b"no picture")
    found = cl.near_copies(trunk, folder, **OPTIONS)
    (folder / "bad.png").unlink()
    names = [{path.rsplit("/", 1)[1] for path in group} for group in found.groups]
    assert names == [{"5.png", "5-0.png", "5-1.png"}, {"2.png", "2-0.png"}, {"7.png", "7-0.png"}]
    assert len(found.failed) == 1
    assert cl.near_copies(trunk, folder, least=1, **OPTIONS).groups == ()
    with pytest.raises(ArgumentError, match="least: need a correlation above 0 and at most 1"):
        cl.near_copies(trunk, folder, least=0, **OPTIONS)


def test_the_command_names_groups(folder, tmp_path, capsys):
    trunk, model = cl.trunk("resnet18", width=0.25, device="cpu"), tmp_path / "model.safetensors"
    cl.classifier(trunk, classes=["a", "b"], taps=["stem", "layer1.1"]).save(model)
    assert command(["similar", str(folder), "--groups", "--model", str(model), "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)
    assert sorted(map(len, groups)) == [2, 2, 3]
    assert command(["similar", str(folder), "--model", str(model)]) == 2
    assert "among: need pictures to look through" in capsys.readouterr().err
    assert command(["similar", str(folder), "--groups", "--model", str(model), "--out", "sheet.png"]) == 2
    assert "out: need a picture that is looked for" in capsys.readouterr().err
