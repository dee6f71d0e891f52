import csv
import importlib.util
import json
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError, DataError, FileError, WeightsError
from convolens.media.images import read_image, write_image

_spec = importlib.util.spec_from_file_location("textures", Path(__file__).parents[2] / "examples" / "textures.py")
textures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(textures)

TRUNK = {"trunk": "vgg16", "weights": "hed", "taps": "conv2_1", "progress": False, "device": "cpu"}


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surfaces")
    textures.write_textures(folder, size=32, train=30, test=20)
    return folder


@pytest.fixture(scope="module")
def run(surfaces, tmp_path_factory):
    return cl.train("classify", surfaces / "train", out=tmp_path_factory.mktemp("runs") / "a" / "b", **TRUNK)


def test_training_crops_and_testing_crops_share_no_pixel():
    photo = np.arange(100 * 100).reshape(100, 100).astype(np.uint16)
    seen = {
        part: {int(value) for _, crop in textures.crops(photo, part, 300, 16, seed=0) for value in crop.ravel()}
        for part in ("train", "test")
    }
    assert not seen["train"] & seen["test"]
    assert len(seen["train"]) > 6000
    assert len(seen["test"]) > 3000


def test_a_model_trained_on_crops_knows_the_surfaces_where_it_has_not_looked(run, surfaces):
    model = run.load(device="cpu")
    found = cl.evaluate(model, surfaces / "test", progress=False)
    assert found["count"] == 60
    assert found["top1"] >= 0.95
    paths = sorted((surfaces / "test" / "grass").iterdir())
    named = [one.labels[0] for one in model.predict(paths)]
    assert named.count("grass") == found["confusion"][1][1]


def test_half_grass_and_half_brick_lights_up_on_the_right_half_for_each(run, surfaces):
    grass, brick = (read_image(surfaces / "test" / name / "0003.png") for name in ("grass", "brick"))
    model = run.load(device="cpu")
    for left, right, names in [(grass, brick, ("grass", "brick")), (brick, grass, ("brick", "grass"))]:
        both = np.hstack([left, right])
        for side, name in enumerate(names):
            for method in ("cam", "layercam"):
                heat = cl.explain(model, both, target=name, method=method).normalized()
                halves = heat[:, :32].mean(), heat[:, 32:].mean()
                assert halves[side] > 1.5 * halves[1 - side], (name, method, halves)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "least"), [(32, 0.97), (64, 0.995)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_example_reaches_what_is_promised(tmp_path, size, least, seed):
    textures.write_textures(tmp_path, size=size, seed=seed)
    taps = ("conv2_1", "conv3_1", "conv4_1")
    run = cl.train("classify", tmp_path / "train", out=tmp_path / "run", **{**TRUNK, "taps": taps})
    found = cl.evaluate(run.load(device="cpu"), tmp_path / "test", progress=False)
    print(f"{size} pixels, seed {seed}: {found['top1']:.2%} of {found['count']}")
    assert found["count"] == 600
    assert found["top1"] >= least


def test_the_run_folder_holds_the_model_and_how_it_came_about(run):
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "best.safetensors",
        "config.json",
        "confusion.png",
        "curves.png",
        "metrics.csv",
        "mistakes.png",
    ]
    config = json.loads((run.folder / "config.json").read_text())
    assert config["class_names"] == ["brick", "grass", "gravel"]
    assert (config["settings"]["trunk"], config["settings"]["taps"]) == ("vgg16", ["conv2_1"])
    with (run.folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["loss"]) == pytest.approx(np.log(3), rel=1e-6)
    assert float(rows[-1]["validation_top1"]) == run.metrics["top1"]
    with Image.open(run.folder / "confusion.png") as drawn:
        assert min(drawn.size) > 200
    assert run.load(device="cpu").metrics["top1"] == run.metrics["top1"]


def test_others_may_read_the_model_as_they_may_any_file(run):
    mode = {path.name: path.stat().st_mode for path in run.folder.iterdir()}
    assert mode["best.safetensors"] == mode["config.json"]


def test_the_same_data_gives_the_same_model_bit_for_bit(run, surfaces, tmp_path):
    again = cl.train("classify", surfaces / "train", out=tmp_path, **TRUNK)
    assert torch.equal(again.load(device="cpu").head.linear.weight, run.load(device="cpu").head.linear.weight)
    assert again.metrics == run.metrics


def test_validation_may_be_a_folder_of_its_own(surfaces, tmp_path):
    run = cl.train("classify", surfaces / "train", validation=surfaces / "test", out=tmp_path, **TRUNK)
    assert run.metrics["count"] == 60
    measured = cl.evaluate(run.load(device="cpu"), surfaces / "test", progress=False)
    assert measured["confusion"] == run.metrics["confusion"]


def test_pictures_of_many_sizes_are_brought_to_one(tmp_path):
    for number, (name, value) in enumerate([("dark", 0), ("light", 255)]):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(5):
            shape = (20 + 3 * index, 31 - 2 * number, 3)
            write_image(tmp_path / "data" / name / f"{index}.png", np.full(shape, value, np.uint8))
    run = cl.train("classify", tmp_path / "data", size=16, out=tmp_path / "run", **TRUNK)
    model = run.load(device="cpu")
    assert model.preprocess(np.zeros((40, 70, 3), np.uint8)).shape == (1, 3, 16, 16)
    assert model.predict(np.zeros((40, 70, 3), np.uint8)).labels[0] == "dark"
    with pytest.raises(ArgumentError, match="size: need a whole number of at least 1, got 0"):
        cl.train("classify", tmp_path / "data", size=0, out=tmp_path / "none", **TRUNK)


def spoil(folder):
    """Pictures that cannot be used: empty, cut short, and a text of a picture's name."""
    good = (folder / "brick" / "0000.png").read_bytes()
    (folder / "brick" / "empty.png").write_bytes(b"")
    (folder / "brick" / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "grass" / "text.jpg").write_text("no picture")


def test_pictures_that_cannot_be_used_are_counted_with_their_reasons_and_the_rest_is_learned(tmp_path, capsys):
    textures.write_textures(tmp_path, size=32, train=8, test=1)
    spoil(tmp_path / "train")
    arguments = ["--trunk", "vgg16", "--weights", "hed", "--tap", "conv2_1", "--out", str(tmp_path / "run")]
    assert cli.run(["train", "classify", str(tmp_path / "train"), *arguments]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("6 pictures: top-1 ")  # the answer alone
    assert err.count("skipped: ") == 3
    assert "skipped 3 files\n" in err and f"wrote {tmp_path / 'run'}: the model is " in err
    for name, reason in [
        ("empty.png", "got 0 bytes"),
        ("cut.png", "damaged picture"),
        ("text.jpg", "got a file that is none"),
    ]:
        assert any(name in line and reason in line for line in err.splitlines())
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert len(config["skipped"]) == 3


def test_a_class_of_which_no_picture_can_be_read_is_named_with_a_reason(tmp_path):
    textures.write_textures(tmp_path, size=32, train=4, test=1)
    for path in (tmp_path / "train" / "grass").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"need pictures of 'grass' that can be used to train on, got none; .*got 0 bytes"
    ):
        cl.train("classify", tmp_path / "train", out=tmp_path / "run", **TRUNK)
    assert not (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"task": "dream"}, ArgumentError, "task: need one of classify, localize, detect, unusual, got 'dream'"),
        ({"trunk": "vgg99"}, ArgumentError, "trunk: need one of .*vgg16.*, got 'vgg99'"),
        ({"weights": "nothing"}, (ArgumentError, FileError), "nothing"),
        ({"taps": "conv9_9"}, ArgumentError, "taps: need one of conv1_1"),
        ({"validation": 1.5}, ArgumentError, "validation: need a fraction between 0 and 1, got 1.5"),
        ({"validation": "nowhere"}, FileError, "nowhere: need a folder with one folder of pictures"),
        ({"batch": 0}, ArgumentError, "batch: need a whole number of at least 1, or 'auto', got 0"),
        ({"weight_decay": float("nan")}, ArgumentError, "weight_decay: need a number at least 0, got nan"),
        ({"learning_rate": 0.1}, ArgumentError, "learning_rate: is no option of train classify"),
        ({"weigth_decay": 0.1}, ArgumentError, r"weigth_decay: is no option .*; did you mean 'weight_decay'\?"),
        ({"seed": -1}, ArgumentError, "seed: need a whole number of at least 0, got -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(surfaces, tmp_path, change, error, message):
    arguments = {"task": "classify", "data": surfaces / "train", "out": tmp_path / "run", **TRUNK, **change}
    with pytest.raises(error, match=message):
        cl.train(**arguments)


def test_a_run_folder_that_is_a_file_is_refused(surfaces, tmp_path):
    (tmp_path / "run").write_text("here first")
    with pytest.raises(FileError, match="need a folder to write into, cannot make it"):
        cl.train("classify", surfaces / "train", out=tmp_path / "run", **TRUNK)


def test_the_command_line_trains_predicts_and_evaluates(surfaces, tmp_path, capsys):
    out = str(tmp_path / "run")
    trained = ["train", "classify", str(surfaces / "train"), "--trunk", "vgg16", "--weights", "hed"]
    assert cli.run([*trained, "--tap", "conv1_2", "--tap", "conv2_1", "--validation", str(surfaces / "test"),
                    "--out", out]) == 0  # fmt: skip
    assert f"the model is {out}/best.safetensors" in capsys.readouterr().err
    model = out  # the run folder will do

    shown = [str(surfaces / "test" / name / "0000.png") for name in ("grass", "brick")]
    assert cli.run(["predict", model, *shown, "--top", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{shown[0]}  grass ") and second.startswith(f"{shown[1]}  brick ")

    assert cli.run(["evaluate", model, str(surfaces / "test")]) == 0
    report = capsys.readouterr().out
    assert report.startswith("60 pictures: top-1 ")
    assert report.splitlines()[1].split() == ["class", "precision", "recall", "f1", "pictures"]
    assert cli.run(["evaluate", model, str(surfaces / "test"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert f"top-1 {figures['top1']:.1%}" in report


@pytest.mark.parametrize("there", ["best.safetensors", "last.ckpt"])
def test_a_run_that_is_there_is_neither_replaced_nor_touched_unless_that_is_requested(
    surfaces, tmp_path, capsys, there
):
    before = tmp_path / "run" / there
    before.parent.mkdir()
    before.write_text("what a night of training gave")
    train = ["train", "classify", str(surfaces / "train"), "--trunk", "vgg16", "--weights", "hed", "--tap", "conv2_1"]
    assert cli.run([*train, "--out", str(before.parent)]) == 2
    said = capsys.readouterr().err
    assert f"error: {before.parent}: need a folder without a run, found {there} there; " in said
    assert "--overwrite replaces it" in said and ("--resume resumes it" in said) == (there == "last.ckpt")
    assert before.read_text() == "what a night of training gave"
    with pytest.raises(ArgumentError, match="overwrite: need one of resume=True and overwrite=True, got both"):
        cl.train("localize", surfaces, trunk="vgg16", weights=None, out=before.parent, resume=True, overwrite=True)
    run = cl.train("classify", surfaces / "train", out=before.parent, overwrite=True, **TRUNK)
    assert run.load(device="cpu").class_names == ("brick", "grass", "gravel")


def test_a_run_shows_itself_and_its_folder_is_a_model(run):
    assert cl.load(run.folder, device="cpu").class_names == ("brick", "grass", "gravel")
    assert f"top-1 {run.metrics['top1']:.1%}" in repr(run) and len(repr(run)) < 250
    assert "gravel" in run._repr_html_() and run._repr_png_().startswith(b"\x89PNG")
    with (run.folder / "metrics.csv").open() as stream:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(stream)]
    assert losses[0] == pytest.approx(np.log(3), abs=0.5) and losses[-1] < losses[0]


def test_a_folder_without_a_run_and_a_resumable_state_are_no_models(tmp_path):
    with pytest.raises(FileError, match=r"need a model or the folder of a run, found no best\.safetensors there"):
        cl.load(tmp_path)
    save_file({"x": torch.zeros(1)}, tmp_path / "last.ckpt", metadata={"convolens": "{}"})
    with pytest.raises(WeightsError, match=r"need a model, got the state that .* its best model so far is .*best\."):
        cl.load(tmp_path / "last.ckpt")


def test_one_bad_file_among_many_is_reported_the_rest_predicted_and_the_exit_code_says_so(run, surfaces, capsys):
    good = str(surfaces / "test" / "grass" / "0000.png")
    assert cli.run(["predict", str(run.best), "nowhere.png", good, "--json"]) == 2
    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert first == {"path": "nowhere.png", "error": "nowhere.png: need a picture, found nothing there"}
    assert (second["path"], second["labels"][0]) == (good, "grass")
    assert err == "error: nowhere.png: need a picture, found nothing there\n"


class Payload:
    """Unpickling it creates a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def test_the_command_line_refuses_what_is_no_model_in_one_line(tmp_path, surfaces, capsys):
    mark = tmp_path / "ran"
    torch.save(Payload(mark), tmp_path / "evil.pth")
    (tmp_path / "text.safetensors").write_text("just some text, and no model")
    save_file({"x": torch.zeros(1)}, tmp_path / "plain.safetensors")
    (tmp_path / "one" / "brick").mkdir(parents=True)
    (tmp_path / "empty" / "brick").mkdir(parents=True)
    (tmp_path / "empty" / "grass").mkdir()
    shown = str(surfaces / "test" / "grass" / "0000.png")
    copyfile(shown, tmp_path / "one" / "brick" / "0.png")
    train = ["--trunk", "vgg16", "--weights", "hed", "--out", str(tmp_path / "run")]
    for arguments, message in [
        (["predict", tmp_path / "evil.pth", shown], "got a pickle, which could run code and is not opened"),
        (["predict", tmp_path / "text.safetensors", shown], "got a damaged one or something else"),
        (["predict", tmp_path / "plain.safetensors", shown], "got a .safetensors file without its facts"),
        (["predict", tmp_path / "gone.safetensors", shown], "need a model, found nothing there"),
        (["evaluate", tmp_path / "gone.safetensors", surfaces], "need a model, found nothing there"),
        (["train", "classify", tmp_path / "one", *train], "need at least two classes, got one ('brick')"),
        (["train", "classify", tmp_path / "empty", *train], "need pictures of the class 'brick', found none"),
        (["train", "classify", tmp_path / "gone", *train], "found nothing there"),
        (["train", "classify", surfaces / "train", *train[:2], "--weights", tmp_path / "evil.pth", *train[4:]], "evil"),
    ]:
        assert cli.run([str(word) for word in arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ") and message in err and err.count("\n") == 1
    assert not mark.exists()
    assert not (tmp_path / "run").exists()


def test_the_command_line_explains_into_one_picture_or_a_folder(run, surfaces, tmp_path, capsys):
    shown = [surfaces / "test" / name / "0001.png" for name in ("grass", "brick")]
    assert cli.run(["explain", str(run.best), str(shown[0]), "--out", str(tmp_path / "why.png")]) == 0
    line, said = capsys.readouterr()
    assert line.startswith(f"{shown[0]}  grass ") and said.startswith(f"wrote {tmp_path / 'why.png'}\nnext: ")
    with Image.open(tmp_path / "why.png") as overlay:
        assert overlay.size == (480, 480) and overlay.mode == "RGB"

    other = tmp_path / "other.png"
    other.write_bytes(shown[1].read_bytes())
    out = tmp_path / "all"
    asked = ["--target", "brick", "--method", "gradcam", "--out", str(out)]
    assert cli.run(["explain", str(run.best), str(shown[0]), "nowhere.png", str(other), *asked]) == 2
    found = capsys.readouterr()
    assert found.err == f"error: nowhere.png: need a picture, found nothing there\nwrote {out}\n"
    assert found.out.count("  brick ") == 2
    written = sorted(path.name for path in out.rglob("*") if path.is_file())  # in folders as their pictures are
    assert written == ["0001.png", "explanations.jsonl", "other.png"]


def test_an_explanation_that_cannot_be_is_refused_in_one_line(run, surfaces, tmp_path, capsys):
    shown = surfaces / "test" / "grass" / "0001.png"
    for arguments, message in [
        ([shown, "--out", tmp_path, "--target", "gras"], "did you mean 'grass'?"),
        ([shown, "--out", tmp_path, "--method", "magic"], "--method: need one of auto, cam"),
        ([shown, "--out", tmp_path, "--tap", "conv5_3"], "--tap: need some that the model passes (conv1_1"),
        ([shown, shown, "--out", tmp_path / "why.png"], "--out: need a folder for several pictures, got the picture"),
        ([shown, "--out", shown], "is the input, which is never overwritten"),
    ]:
        assert cli.run(["explain", str(run.best), *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ") and message in err and err.count("\n") == 1
