import json

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import convolens as cl
from tests.export.conftest import NAMES, picture

SHAPES = [(40, 40), (48, 48), (49, 48), (47, 80), (300, 15), (15, 300), (333, 500), (1, 1), (700, 1200)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_classifier_gives_the_same_probabilities(classifier, shape):
    model, written = classifier
    mine, other = model.predict(picture(*shape)), cl.load(written.path).predict(picture(*shape))
    assert other.labels == mine.labels
    np.testing.assert_allclose(other.scores, mine.scores, atol=1e-5)


def test_it_says_what_it_was_checked_on(classifier):
    _, written = classifier
    assert written.check["pictures"] == 10
    assert 0 < written.check["probability"] < 1e-4
    assert str(written).startswith("ONNX Runtime agrees on 10 pictures; largest difference")


@pytest.mark.parametrize("kind", ["gray", "transparent", "path", "sixteen bits", "floats"])
def test_kinds_of_pictures(classifier, tmp_path, kind):
    model, written = classifier
    rgb = picture(60, 70)
    given = {
        "gray": rgb[..., 0],
        "transparent": np.dstack([rgb, rgb[..., :1]]),
        "path": tmp_path / "photo.png",
        "sixteen bits": rgb.astype(np.uint16) * 257,
        "floats": np.float32(rgb) / 255,
    }[kind]
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    mine, other = model.predict(given), cl.load(written.path).predict(given)
    assert other.labels == mine.labels
    np.testing.assert_allclose(other.scores, mine.scores, atol=1e-5)


def test_names_are_a_promise(classifier):
    """The file alone, by ONNX's own means."""
    model, written = classifier
    onnx.checker.check_model(onnx.load(written.path), full_check=True)
    session = onnxruntime.InferenceSession(written.path)
    (given,), (probabilities,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("picture", "tensor(uint8)", ["height", "width", 3])
    assert (probabilities.name, probabilities.shape) == ("probabilities", [3])
    (found,) = session.run(None, {"picture": picture(50, 90)})
    mine = model.predict(picture(50, 90))
    assert NAMES[found.argmax()] == mine.labels[0]
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["convolens.class_names"]) == NAMES
    assert json.loads(said["convolens.task"]) == "classify"
    assert json.loads(said["convolens.metrics"]) == {"top1": 0.75}
    assert json.loads(said["convolens.check"]) == written.check
    assert json.loads(said["convolens.preprocessing"])["crop"] == 40


def test_no_path_of_the_machine_is_in_the_file(classifier):
    assert b"site-packages" not in classifier[1].path.read_bytes()
    assert b"convolens/models" not in classifier[1].path.read_bytes()


def test_several_pictures_and_top(classifier):
    loaded = cl.load(classifier[1].path)
    found = loaded.predict([picture(40, 50), picture(60, 50)], top=1)
    assert [len(one.labels) for one in found] == [1, 1]
    assert loaded.predict([]) == []
    assert (loaded.task, loaded.class_names, loaded.metrics) == ("classify", tuple(NAMES), {"top1": 0.75})


def test_it_predicts_without_torch(classifier, tmp_path):
    import subprocess
    import sys

    Image.fromarray(picture(50, 60)).save(tmp_path / "photo.png")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from convolens.cli import run\n"
        f"sys.exit(run(['predict', {str(classifier[1].path)!r}, {str(tmp_path / 'photo.png')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "next: --out FOLDER keeps the answers, with annotated pictures\n")
    assert classifier[0].predict(picture(50, 60)).labels[0] in done.stdout


def test_evaluating_gives_the_same_numbers(classifier, tmp_path):
    model, written = classifier
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        for seed in range(2):
            Image.fromarray(picture(50, 44 + seed, seed=number + seed)).save(tmp_path / name / f"{seed}.png")
    mine = cl.evaluate(model, tmp_path, progress=False)
    other = cl.evaluate(cl.load(written.path), tmp_path, progress=False)
    assert other["confusion"] == mine["confusion"]
    assert other["ece"] == pytest.approx(mine["ece"], abs=1e-5)


def test_predictions_of_files(classifier, tmp_path):
    from convolens.inference.predict import predict_files

    Image.fromarray(picture(50, 60)).save(tmp_path / "photo.png")
    loaded = cl.load(classifier[1].path)
    done = predict_files(loaded, [tmp_path / "photo.png"], tmp_path / "out", progress=False)
    again = predict_files(loaded, [tmp_path / "photo.png"], tmp_path / "out", progress=False)
    assert (done.done, again.done, again.before) == (1, 0, 1)
    line = json.loads(done.lines.read_text())
    assert line["labels"] == list(classifier[0].predict(picture(50, 60)).labels)
    with pytest.raises(cl.errors.ArgumentError, match="another model"):
        predict_files(classifier[0], [tmp_path / "photo.png"], tmp_path / "out", progress=False)
