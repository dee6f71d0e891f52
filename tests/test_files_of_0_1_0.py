"""Files that 0.1.0 wrote: what it kept is read, answers as it did, and what it was interrupted in is resumed.

The files and 0.1.0's answers are in `data_of_0_1_0/files.zip`, whose `make_files.py` says what each is.
"""

import csv
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError
from convolens.evaluation.detections import write_coco_results
from convolens.inference.explain import explain_files
from convolens.inference.predict import predict_files
from tests.one_thread import one_thread  # noqa: F401 - resuming gives the same sums only in the same order

FILES = Path(__file__).parent / "data_of_0_1_0" / "files.zip"
TRUNK = "weights/trunk.safetensors"
SHOWN = [f"pictures/{number:02}.png" for number in range(4)]
SHARED = {
    "trunk": "resnet18", "weights": TRUNK, "validation": 0.3, "batch": 4, "epochs": 3, "precision": "float32",
    "device": "cpu", "progress": False,
}  # fmt: skip
# What 0.1.0 was asked for, in today's words.
RUNS = {
    "labels": {
        "task": "classify", "data": "labels.csv", "taps": ("layer1.1", "layer2.1"), "finetune": "layer1.0", "size": 32,
        "ema": 0.9, "label_smoothing": 0.1, "mixup": 0.2, "scale": (0.5, 1.0), "ratio": (0.8, 1.25),
        "color_jitter": 0.1, "lr": 3e-3, "weight_decay": 0.02, "clip_grad": 0.5, "layer_decay": 0.9,
    },
    "localize": {
        "task": "localize", "data": "one.csv", "taps": "layer2.1", "finetune": "all", "size": 32, "hidden": 8,
        "box_loss": "l1", "lr": "find", "class_weight": 0.5,
    },
    "detect": {
        "task": "detect", "data": "several.csv", "taps": ("layer2.1",), "finetune": "stem", "size": 16,
        "width": 0.0625, "objectness": "binary", "box_loss": "giou", "negatives": 2.0, "color_jitter": 0.5,
        "flip": False, "optimizer": "sgd", "lr": 2e-3,
    },
}  # fmt: skip
MODELS = ["original.safetensors", *(f"runs/{name}/best.safetensors" for name in ("head", *RUNS))]
DETECTING = {"threshold": 0.01, "nms_iou": 0.3, "top_k": 20, "max_detections": 5}
PREDICTED = {"labels": {"top": 2}, "detect": DETECTING}
STYLIZE = (
    "stylize pictures/01.png pictures/03.png restyled.png --style2 pictures/06.png --mix 1 --mix 3 "
    f"--trunk resnet18 --weights {TRUNK} --content-tap layer2.0 --style-tap stem --style-tap layer1.0 --steps 20 "
    "--optimizer adam --strength 0.6 --device cpu --resume"
).split()


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A copy of the files, as the folder to work in: they name one another by relative paths."""
    with ZipFile(FILES) as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)


def answer(path):
    return json.loads(Path("answers.json").read_text())[path]


def close(found, expected, tolerance=1e-5):
    """Numbers within the tolerance, everything else alike."""
    if isinstance(expected, dict):
        return {name: close(found[name], value, tolerance) for name, value in expected.items()} == dict.fromkeys(
            expected, True
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected, [tolerance] * len(found)))
    return found == (pytest.approx(expected, rel=tolerance, abs=tolerance) if isinstance(expected, float) else expected)


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def train(name, **changes):
    options = {**SHARED, **RUNS[name], "out": f"runs/{name}-stopped", **changes}
    return cl.train(options.pop("task"), options.pop("data"), resume=True, **options)


@pytest.mark.parametrize("path", MODELS)
def test_a_model_is_what_it_was_and_says_what_it_said(path):
    expected = answer(path)
    model = cl.load(path, device="cpu")
    assert (model.task, list(model.class_names), list(model.taps)) == (
        expected["task"],
        expected["class_names"],
        expected["taps"],
    )
    assert close(model.metrics, expected["metrics"])
    options = {"max_detections" if name == "most" else name: value for name, value in expected["options"].items()}
    found = [one.to_dict() for one in model.predict(SHOWN, **options)]
    assert close(found, expected["predictions"])


def test_a_model_of_several_labels_stays_one():
    assert cl.load("runs/labels/best.safetensors", device="cpu").multi_label
    assert not cl.load("runs/head/best.safetensors", device="cpu").multi_label


@pytest.mark.parametrize("path", MODELS)
def test_a_model_that_is_saved_anew_says_the_same(path, tmp_path):
    model = cl.load(path, device="cpu")
    model.save(tmp_path / "anew.safetensors")
    again = cl.load(tmp_path / "anew.safetensors", device="cpu")
    assert [one.to_dict() for one in again.predict(SHOWN)] == [one.to_dict() for one in model.predict(SHOWN)]
    assert again.metrics == model.metrics


@pytest.mark.parametrize("name", ["head", *RUNS, "labels-stopped"])
def test_a_run_folder_is_its_best_model(name):
    found = cl.load(f"runs/{name}", device="cpu")
    best = load_file(f"runs/{name}/best.safetensors")
    assert all(torch.equal(value, best[key]) for key, value in found.state_dict().items())


@pytest.mark.parametrize("path", [TRUNK, "weights/trunk.pth"])
def test_weights_give_the_features_that_they_gave(path):
    expected = answer(path)
    trunk = cl.trunk("resnet18", weights=path, device="cpu", **expected["options"])
    with torch.no_grad():
        found = trunk(trunk.preprocess(SHOWN[1]), "layer2.1")["layer2.1"].mean((2, 3))
    assert close(found.tolist(), expected["mean"])


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_training_is_resumed_and_ends_as_it_would_have(name):
    run = train(name)
    found, expected = load_file(run.folder / "last.ckpt"), load_file(f"final/{name}.safetensors")
    for key, value in expected.items():
        torch.testing.assert_close(found[key.replace("average.", "ema.")], value, rtol=1e-3, atol=2e-5)
    with (run.folder / "metrics.csv").open() as new, Path("final", f"{name}.csv").open() as old:
        rows, before = list(csv.DictReader(new)), list(csv.DictReader(old))
    assert [float(row["loss"]) for row in rows] == pytest.approx([float(row["cost"]) for row in before], rel=1e-4)
    assert [float(row["lr"]) for row in rows] == pytest.approx([float(row["rate"]) for row in before])


@pytest.mark.parametrize(("name", "change", "message"), [
    ("labels", {"ema": None}, "resume: need the ema of the run in .*, 0.9, got None"),
    ("labels", {"label_smoothing": 0.0}, "resume: need the label smoothing of the run in .*, 0.1, got 0.0"),
    ("localize", {"lr": 0.1}, "resume: need the lr of the run in .*, 'find', got 0.1"),
    ("detect", {"finetune": "all"}, "resume: need the finetune of the run in .*, 'stem', got 'all'"),
])  # fmt: skip
def test_an_interrupted_training_is_not_resumed_as_another(name, change, message):
    with pytest.raises(ArgumentError, match=message):
        train(name, **change)


@pytest.mark.parametrize(("name", "options"), PREDICTED.items())
def test_interrupted_predictions_are_resumed(name, options):
    model, out = cl.load(f"runs/{name}", device="cpu"), Path("predicted", name)
    kept = (out / "predictions.part.jsonl").read_text().splitlines()[:2]
    done = predict_files(model, ["pictures/0*.png", "label.csv"], out, progress=False, **options)
    assert (done.before, done.done, done.failed) == (2, 8, 1)
    assert done.lines.read_text().splitlines()[:2] == kept
    found, expected = lines(done.lines), lines(f"lines/{name}.jsonl")
    assert "error" in found[-1] and "error" in expected[-1]
    assert close(found[:-1], expected[:-1])


@pytest.mark.parametrize("options", [{**DETECTING, "max_detections": 6}, {**DETECTING, "nms_iou": 0.4}, {"top_k": 20}])
def test_predictions_with_other_options_are_not_resumed(options):
    with pytest.raises(ArgumentError, match="predicted/detect: holds predictions of another model or with other optio"):
        predict_files(cl.load("runs/detect", device="cpu"), SHOWN, "predicted/detect", progress=False, **options)


def test_lines_of_a_detector_are_results_of_coco():
    kept = [line for line in lines("lines/detect.jsonl") if "error" not in line]
    Path("whole.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    count = write_coco_results("whole.jsonl", "coco.json", "results.json")
    assert count == len(json.loads(Path("results.json").read_text())) == sum(len(line["labels"]) for line in kept) > 0


def test_explanations_go_into_the_folder_that_holds_0_1_0s_and_say_the_same():
    before = lines("explained/explanations.jsonl")
    model = cl.load("runs/head", device="cpu")
    assert not any(one.error for one in explain_files(model, SHOWN[:2], Path("explained"), ["cam"]))
    after = lines("explained/explanations.jsonl")
    assert close(after, before, 1e-4)


def test_an_interrupted_stylize_is_resumed_and_ends_as_it_would_have(capsys):
    assert cli.app(STYLIZE, standalone_mode=False) is None
    assert "wrote restyled.png" in capsys.readouterr().err
    found, expected = (np.asarray(Image.open(path)).astype(int) for path in ("restyled.png", "final/restyled.png"))
    assert np.abs(found - expected).max() <= 1
    assert not Path(".restyled.png.resume.safetensors").exists()


@pytest.mark.parametrize(
    "change",
    [["--mix", "2"], ["--tv-weight", "6"], ["--tv-color-weight", "3"], ["--padding", "constant"], ["--seed", "3"]],
)
def test_an_interrupted_stylize_is_not_resumed_as_another(change):
    given = [one for at, one in enumerate(STYLIZE) if "--mix" not in STYLIZE[max(at - 1, 0) : at + 1]]
    mix = [*change, "--mix", "3"] if change[0] == "--mix" else ["--mix", "1", "--mix", "3", *change]
    with pytest.raises(ArgumentError, match=r"restyled.png: was begun with other options; give the same to resume"):
        cli.app([*given, *mix], standalone_mode=False)
