"""An inspector from good pictures to answers: trained, kept, asked, measured, exported."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import convolens as cl
from convolens.data.inspection import read_good
from convolens.errors import ArgumentError, DataError, MethodError, WeightsError
from convolens.inference.lines import prediction_rows

OPTIONS = {"trunk": "resnet18", "width": 0.25, "taps": ["stem", "layer1.1"], "size": 64, "progress": False}


def surface(random, *, spot=False):
    """Stripes with noise; with a bright square where something is wrong."""
    pixels = 90 + 30 * np.sin(np.arange(80) / 3)[:, None, None] + random.normal(0, 6, (80, 60, 3))
    if spot:
        pixels[30:50, 20:40] = 240
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder laid out as MVTec AD is."""
    root, random = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for name, count in (("train/good", 12), ("test/good", 5), ("test/spot", 5), ("ground_truth/spot", 5)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            if name.startswith("ground"):
                mask = np.zeros((80, 60), np.uint8)
                mask[30:50, 20:40] = 255
                Image.fromarray(mask).save(root / name / f"{number}_mask.png")
            else:
                Image.fromarray(surface(random, spot="spot" in name)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module", params=["padim", "patchcore"])
def run(request, parts, tmp_path_factory):
    return cl.train(
        "unusual", parts, method=request.param, out=tmp_path_factory.mktemp("runs") / request.param, **OPTIONS
    )


def test_what_is_unusual_is_found_and_where(run, parts):
    model = run.load()
    good, spot = model.predict([parts / "test/good/0.png", parts / "test/spot/0.png"])
    assert (good.label, spot.label) == ("good", "unusual")
    assert good.score < 1 <= spot.score
    assert spot.heatmap.shape == (80, 60)
    row, column = np.unravel_index(spot.heatmap.argmax(), spot.heatmap.shape)
    assert 26 <= row < 54 and 16 <= column < 44
    x1, y1, x2, y2 = spot.boxes_xyxy[0]
    assert x1 < 30 < x2 and y1 < 40 < y2
    assert str(spot).startswith("unusual ")
    assert spot.drawn().shape[2] == 3
    assert "heatmap" not in spot.to_dict()


def test_an_inspector_is_measured_by_pictures_and_by_pixels(run, parts, tmp_path):
    found = cl.evaluate(run.load(), parts, progress=False, html=tmp_path / "page.html")
    assert found["count"] == 10
    assert found["image_auroc"] == 1
    assert found["pixel_auroc"] > 0.9
    assert 0.5 < found["pro"] <= 1
    assert found["per_class"]["spot"] == {"count": 5, "auroc": 1.0, "found": 1.0}
    assert "PRO" in found.summary()
    assert "image AUROC" in found.summary()


def test_predictions_of_many_are_lines_and_rows(run, parts, tmp_path):
    from convolens.inference.predict import predict_files

    found = predict_files(run.load(), [parts / "test"], tmp_path / "out", progress=False)
    assert (found.done, found.failed) == (10, 0)
    rows = prediction_rows(found.lines)
    assert {row["label"] for row in rows} == {"good", "unusual"}
    assert all("x1" in row for row in rows if row["label"] == "unusual")


def test_a_threshold_moves_the_verdict(run, parts):
    model, picture = run.load(), parts / "test/spot/0.png"
    score = model.predict(picture).score
    assert model.predict(picture, threshold=score * 1.01).label == "good"
    with pytest.raises(ArgumentError, match="threshold: need a number above 0"):
        model.predict(picture, threshold=0)


def test_too_few_good_pictures_are_refused(parts, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        (few / f"{number}.png").write_bytes((parts / f"train/good/{number}.png").read_bytes())
    with pytest.raises(DataError, match="need at least 8 good pictures to know how they vary, got 3; add some"):
        cl.train("unusual", few, out=tmp_path / "run", **OPTIONS)


def test_pictures_of_defects_are_not_taken_for_good_ones(parts, tmp_path):
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="need a folder train/good beside test"):
        read_good(tmp_path)
    assert len(read_good(parts)) == 12
    assert len(read_good(parts / "train")) == 12


def test_options_of_steps_are_refused(parts, tmp_path):
    with pytest.raises(ArgumentError, match="epochs: is no option of train unusual"):
        cl.train("unusual", parts, out=tmp_path / "run", epochs=3, **OPTIONS)


def test_statistics_of_another_size_are_refused(run, tmp_path):
    with safe_open(run.best, framework="pt") as stored:
        facts = dict(stored.metadata())
    known = json.loads(facts["statistics"])
    facts["statistics"] = json.dumps({**known, "features": known["features"] + 1})
    save_file(load_file(run.best), tmp_path / "other.safetensors", metadata=facts)
    with pytest.raises(WeightsError, match="statistics: need those of"):
        cl.load(tmp_path / "other.safetensors")


def test_an_inspector_explains_itself(run):
    with pytest.raises(MethodError, match="whose predict gives the heatmap"):
        cl.explain(run.load(), np.zeros((80, 60, 3), np.uint8))


def test_an_exported_inspector_gives_the_same_answers(run, parts, tmp_path):
    model = run.load()
    written = cl.export(model, tmp_path / "model.onnx", check=[parts / "test/spot/1.png"])
    loaded = cl.load(written.path)
    for name in ("good", "spot"):
        picture = parts / "test" / name / "0.png"
        mine, other = model.predict(picture), loaded.predict(picture)
        assert other.label == mine.label
        assert other.score == pytest.approx(mine.score, rel=1e-3)
        np.testing.assert_allclose(other.heatmap, mine.heatmap, atol=2e-3 * mine.heatmap.max())
