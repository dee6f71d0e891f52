"""The pictures most like one: against all products at once, by changed copies, from tables, and by what is refused."""

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens.cli import run as command
from convolens.errors import ArgumentError, FormatError
from convolens.inference.nearest import nearest
from convolens.inference.similar import _whitening, compared, similar


def test_the_nearest_are_those_of_all_products(monkeypatch):
    random = np.random.default_rng(0)
    vectors = random.normal(0, 1, (1000, 16)).astype(np.float32)
    queries = random.normal(0, 1, (3, 16)).astype(np.float32)
    monkeypatch.setattr("convolens.inference.nearest._BLOCK", 3 * 37)  # rows to a block: 37
    found, alike = nearest(queries, vectors, 12)
    products = queries @ vectors.T
    expected = np.argsort(-products, axis=1, kind="stable")[:, :12]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(alike, np.take_along_axis(products, expected, axis=1), rtol=1e-5)
    assert nearest(queries, vectors[:5], 12)[0].shape == (3, 5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve pictures of patches, of colors and sizes of their own."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(12):
        side = int(random.integers(6, 25))
        patches = random.random((-(-96 // side), -(-96 // side), 3)) * random.random(3)
        pixels = patches.repeat(side, 0).repeat(side, 1)[:96, :96]
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def trunk():
    return cl.trunk("resnet18", width=0.25, device="cpu")


OPTIONS = {"taps": ["stem", "layer1.1"], "progress": False}


@pytest.mark.parametrize("number", [0, 5, 11])
def test_a_mirrored_and_cropped_copy_finds_its_picture(photos, trunk, number):
    pixels = np.asarray(Image.open(photos / f"{number:02}.png"))
    copy = np.ascontiguousarray(pixels[8:88, 8:88][:, ::-1])
    found = similar(trunk, copy, photos, count=3, **OPTIONS)
    assert found.paths[0] == str(photos / f"{number:02}.png")
    assert found.scores[0] > 0.85
    assert len(found.paths) == len(set(found.paths)) == 3
    assert str(found).splitlines()[0].endswith(f"{found.scores[0]:.3f}  the same")
    assert found.same == (True, False, False)
    assert found.drawn().ndim == 3


def test_light_and_contrast_of_more_pictures_than_features_hide_none():
    """Features that rise and fall together, of a scale that light changes, are told apart where they differ alone."""
    random = np.random.default_rng(0)
    common = random.random((200, 1)).astype(np.float32) * 9
    values = (common + random.random((200, 8)) + 1).astype(np.float32)
    queries = (1.3 * values + 0.02 * random.random((200, 8))).astype(np.float32)
    vectors, asked = compared([values], [queries])
    found, _ = nearest(asked, vectors, 1)
    assert (found[:, 0] == np.arange(200)).mean() > 0.95
    white = (values - values.mean(axis=0)) @ _whitening(values - values.mean(axis=0))
    covariance = white.T @ white / len(white)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-3


def test_a_mirror_image_is_as_alike_only_where_that_is_asked_for(photos, trunk):
    mirrored = np.ascontiguousarray(np.asarray(Image.open(photos / "03.png"))[:, ::-1])
    with_flip, without = (similar(trunk, mirrored, photos, flip=flip, **OPTIONS).scores[0] for flip in (True, False))
    assert with_flip == pytest.approx(1, abs=1e-6)
    assert without < with_flip - 1e-6


def test_in_a_folder_of_few_the_same_picture_in_another_size_is_alike(photos, trunk, tmp_path):
    with Image.open(photos / "03.png") as one:
        one.save(tmp_path / "a.png")
        one.resize((one.width * 3 // 4, one.height * 3 // 4)).save(tmp_path / "b.png")
    assert min(similar(trunk, tmp_path / "a.png", tmp_path, **OPTIONS).scores) > 0.9  # 0 from the mean of the two


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_table_gives_what_its_pictures_give(photos, trunk, tmp_path, suffix):
    table = tmp_path / f"photos{suffix}"
    cl.features_of_files(trunk, [photos], table, **OPTIONS)
    of_table = similar(trunk, photos / "04.png", table, count=4, progress=False)
    of_pictures = similar(trunk, photos / "04.png", photos, count=4, **OPTIONS)
    assert of_table.paths == of_pictures.paths
    np.testing.assert_allclose(of_table.scores, of_pictures.scores, atol=1e-5)


def test_features_of_another_model_are_refused(photos, trunk, tmp_path):
    cl.features_of_files(trunk, [photos], tmp_path / "photos.npz", **OPTIONS)
    other = cl.trunk("resnet18", width=0.5, device="cpu")
    with pytest.raises(
        ArgumentError, match=r"need the 32 features of stem of resnet18, got 16 numbers; give the model"
    ):
        similar(other, photos / "00.png", tmp_path / "photos.npz", progress=False)
    with pytest.raises(ArgumentError, match=r"got none, but stem, layer1\.1"):
        similar(trunk, photos / "00.png", tmp_path / "photos.npz", taps="layer2.1", progress=False)


def test_a_table_of_something_else_is_refused(photos, trunk, tmp_path):
    np.savez(tmp_path / "other.npz", path=np.array(["a.png"]), stem=np.zeros((2, 16), np.float32))
    with pytest.raises(FormatError, match="need a path and lists of numbers, alike in length"):
        similar(trunk, photos / "00.png", tmp_path / "other.npz", progress=False)
    (tmp_path / "text.npz").write_text("no table")
    with pytest.raises(FormatError, match="need a table that convolens features wrote"):
        similar(trunk, photos / "00.png", tmp_path / "text.npz", progress=False)


def test_the_command_names_the_likest_and_writes_a_sheet(photos, tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    trunk = cl.trunk("resnet18", width=0.25, device="cpu")
    cl.classifier(trunk, classes=["a", "b"], taps=["stem", "layer1.1"]).save(model)
    words = ["similar", str(photos / "02.png"), str(photos), "--model", str(model), "--count", "2"]
    assert command([*words, "--out", str(tmp_path / "sheet.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{photos / '02.png'}  1.000  the same"
    assert len(lines) == 2
    assert cl.read_image(tmp_path / "sheet.png").shape[1] > 300
