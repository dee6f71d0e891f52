"""Writes, with the code of 0.1.0, a small file of every kind that its users keep, and what 0.1.0 said of each.

Run it in an environment that has 0.1.0, not today's code, installed:

    OMP_NUM_THREADS=1 python tests/data_of_0_1_0/make_files.py tests/data_of_0_1_0/files.zip

    pictures/, *.csv, coco.json        the data: squares and discs
    weights/trunk.safetensors, .pth    a trunk's weights, as `weights import` wrote them and as `torch.save` does
    original.safetensors               a model with the network's own head
    runs/NAME                          finished run folders; runs/NAME-stopped the same, interrupted
    final/NAME.safetensors             what was trained of it, after 0.1.0 had resumed the interrupted run
    predicted/NAME                     folders of `predict --out`, interrupted, and lines/NAME.jsonl, complete
    explained/                         a folder of `explain --out`
    restyled.png, .restyled…           an interrupted `stylize`, and final/restyled.png, once it was resumed
    answers.json                       what each model says of some pictures

The trunk is the smallest there is, with zeros in the layers that no head looks at: they take no room in the archive.
"""

import csv
import json
import os
import shutil
import signal
import sys
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import torch
from convolens.workflows import bulk, explaining
from convolens.workflows.import_weights import import_weights
from convolens.workflows.training.loop import _Training
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import convolens as cl

SIDE = 32
COUNT = 20
TRUNK = "weights/trunk.safetensors"
LAST_TAP = "layer2.1"
SHARED = {
    "trunk": "resnet18", "weights": TRUNK, "validation": 0.3, "batch": 4, "epochs": 3, "precision": "float32",
    "device": "cpu", "progress": False,
}  # fmt: skip
# Together they name every option of 0.1.0's training that a checkpoint holds under a word that is no longer used.
RUNS = {
    "labels": {
        "task": "classify", "data": "labels.csv", "taps": ("layer1.1", LAST_TAP), "learn": "layer1.0", "size": SIDE,
        "average": 0.9, "smoothing": 0.1, "mixup": 0.2, "zoom": (0.5, 1.0), "ratio": 1.25, "colour": 0.1, "rate": 3e-3,
        "decay": 0.02, "clip": 0.5, "layer_decay": 0.9,
    },
    "localize": {
        "task": "localize", "data": "one.csv", "tap": LAST_TAP, "learn": "all", "size": SIDE, "hidden": 8,
        "box_cost": "l1", "rate": "find", "class_weight": 0.5,
    },
    "detect": {
        "task": "detect", "data": "several.csv", "taps": (LAST_TAP,), "learn": "stem", "size": 16, "width": 0.0625,
        "objectness": "binary", "box_cost": "giou", "negatives": 2.0, "colour": 0.5, "flip": False,
        "optimizer": "sgd", "rate": 2e-3,
    },
}  # fmt: skip
STOPPED_AT = {"labels": (1, 2), "localize": (0, 2), "detect": (0, 1)}  # epoch, steps of it
SHOWN = [f"pictures/{number:02}.png" for number in range(4)]
PREDICTED = {"labels": {"top": 2}, "detect": {"threshold": 0.01, "overlap": 0.3, "per_class": 20, "most": 5}}


def draw(number):
    """A picture and its objects, (label, corners), the first the larger."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    tint = random.uniform(0.5, 1, 3)
    pixels = (60 + 2 * rows + columns)[..., None] * tint
    objects = []
    for size in [random.integers(12, 18), random.integers(6, 9)][: 1 + number % 2] if number % 5 else []:
        left, top = random.integers(0, SIDE - size, 2)
        label = ("disc", "square")[random.integers(2)]
        inside = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
        if label == "disc":
            center = (size - 1) / 2
            inside &= (rows - top - center) ** 2 + (columns - left - center) ** 2 <= (size / 2) ** 2
        pixels[inside] = random.uniform(150, 255, 3)
        objects.append((label, (int(left), int(top), int(left + size), int(top + size))))
    return pixels.round().clip(0, 255).astype(np.uint8), objects


def write_data():
    Path("pictures").mkdir()
    rows = {"label.csv": [("path", "label")], "labels.csv": [("path", "labels")]}
    rows |= {name: [("path", "label", "x1", "y1", "x2", "y2")] for name in ("one.csv", "several.csv")}
    coco = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "disc"}, {"id": 7, "name": "square"}]}
    for number in range(COUNT):
        pixels, objects = draw(number)
        path = f"pictures/{number:02}.png"
        Image.fromarray(pixels).save(path, optimize=True)
        boxes = [(path, label, *corners) for label, corners in objects]
        rows["one.csv"] += boxes[:1] or [(path, *[""] * 5)]
        rows["several.csv"] += boxes or [(path, *[""] * 5)]
        rows["labels.csv"].append((path, ";".join(sorted({label for label, _ in objects}))))
        rows["label.csv"] += [(path, label) for label, _ in objects[:1]]
        coco["images"].append({"id": 100 + number, "file_name": Path(path).name, "width": SIDE, "height": SIDE})
    for name, several in rows.items():
        with Path(name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(several)
    Path("coco.json").write_text(json.dumps(coco))


def write_weights():
    trunk = cl.trunk("resnet18", seed=5, stem="small", width=1 / 16)
    model = cl.classifier(trunk, classes=("disc", "square"), head="original", seed=6)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(64).round_().div_(64)  # for room
        model.save("original.safetensors")
        for name, value in trunk.named_parameters():
            if name.startswith(("layer3", "layer4")):
                value.zero_()
    Path("weights").mkdir()
    torch.save(trunk.state_dict(), "weights/trunk.pth")
    pooled = cl.classifier(trunk, classes=("disc", "square"), taps=LAST_TAP)
    pooled.save("weights/pooled.safetensors")
    print(import_weights("weights/pooled.safetensors", TRUNK, "resnet18"))
    Path("weights/pooled.safetensors").unlink()


def train(name, out, **changes):
    options = {**SHARED, **RUNS[name], **changes}
    return cl.train(options.pop("task"), options.pop("data"), out=out, **options)


@contextmanager
def stopped(epoch, steps):
    """Ctrl-C after so many steps of an epoch."""
    between = _Training._between_steps

    def stopping(self):
        if (self.place.epoch, self.place.step) == (epoch, steps):
            os.kill(os.getpid(), signal.SIGINT)
        between(self)

    with mock.patch.object(_Training, "_between_steps", stopping):
        try:
            yield
        except KeyboardInterrupt as stop:
            print(stop)
        else:
            raise AssertionError("was not stopped")


def write_runs():
    head = {name: SHARED[name] for name in ("trunk", "weights", "validation", "device", "progress")}
    cl.train("classify", "label.csv", taps=LAST_TAP, learn="head", smoothing=0.1, out="runs/head", **head)
    Path("final").mkdir()
    for name, at in STOPPED_AT.items():
        train(name, f"runs/{name}")
        with stopped(*at):
            train(name, f"runs/{name}-stopped")
        shutil.copytree(f"runs/{name}-stopped", "resumed")
        train(name, "resumed", resume=True)
        whole, start = load_file(f"runs/{name}/last.ckpt"), load_file(f"runs/{name}-stopped/last.ckpt")
        resumed = load_file("resumed/last.ckpt")
        assert whole.keys() == resumed.keys() and all(torch.equal(whole[key], resumed[key]) for key in whole)
        trained = [key for key in whole if not key.startswith("optimizer") and not torch.equal(whole[key], start[key])]
        save_file({key: whole[key] for key in trained}, f"final/{name}.safetensors")
        shutil.copy("resumed/metrics.csv", f"final/{name}.csv")
        shutil.rmtree("resumed")
        Path(f"runs/{name}/last.ckpt").unlink()  # for room
    for picture in Path("runs").rglob("*.png"):  # for room
        picture.unlink()


def write_answers():
    found = {}
    for path in ["original.safetensors", *(f"runs/{name}/best.safetensors" for name in ("head", *RUNS))]:
        model = cl.load(path, device="cpu")
        options = {"threshold": 0.01, "most": 8} if model.task == "detect" else {}
        said = [bulk.Outcome(Path(), one).line() for one in model.predict(SHOWN, **options)]
        found[path] = {
            "task": model.task,
            "class_names": model.class_names,
            "taps": model.taps,
            "metrics": model.metrics,
            "options": options,
            "predictions": [{key: value for key, value in line.items() if key != "path"} for line in said],
        }
    for path, options in {TRUNK: {}, "weights/trunk.pth": {"stem": "small", "width": 1 / 16}}.items():
        trunk = cl.trunk("resnet18", weights=path, **options)
        with torch.no_grad():
            found[path] = {
                "options": options,
                "mean": trunk(trunk.preprocess(SHOWN[1]), LAST_TAP)[LAST_TAP].mean((2, 3)),
            }
    Path("answers.json").write_text(json.dumps(found, indent=1, default=bulk._plain) + "\n")


def write_predictions():
    Path("lines").mkdir()
    track = bulk.track
    for name, options in PREDICTED.items():
        model = cl.load(f"runs/{name}/best.safetensors", device="cpu")
        sources, out = ["pictures/0*.png", "label.csv"], Path("predicted", name)  # the last is no picture
        lines = bulk.predict_files(model, sources, out, progress=False, **options).lines
        lines.replace(f"lines/{name}.jsonl")
        shutil.rmtree(out)

        def two(outcomes, *rest, **more):
            for number, one in enumerate(track(outcomes, *rest, **more)):
                if number == 2:
                    raise KeyboardInterrupt
                yield one

        with mock.patch.object(bulk, "track", two):
            try:
                bulk.predict_files(model, sources, out, progress=False, **options)
            except KeyboardInterrupt:
                with (out / bulk.UNDER_WAY).open("a") as stream:  # as a power cut leaves it
                    stream.write('{"path": "pictures/02.png", "lab')


def write_explanations():
    model = cl.load("runs/head/best.safetensors", device="cpu")
    files = [Path(path) for path in SHOWN[:2]]
    assert all("error" not in line for line in explaining.explain_files(model, files, Path("explained"), ["cam"]))


STYLIZE = (
    "stylize pictures/01.png pictures/03.png restyled.png --style2 pictures/06.png --weight 1 --weight 3 "
    f"--trunk resnet18 --weights {TRUNK} --content-tap layer2.0 --style-tap stem --style-tap layer1.0 --steps 20 "
    "--optimizer adam --strength 0.6 --device cpu"
).split()


def write_restyled():
    from convolens.workflows import stylize

    from convolens.cli import app

    make = stylize.stylize

    def stopping(*arguments, on_step, **options):
        def told(step):
            on_step(step)
            if step.number == 12:
                raise KeyboardInterrupt

        return make(*arguments, on_step=told, **options)

    with mock.patch.object(stylize, "stylize", stopping):
        print(CliRunner().invoke(app, STYLIZE).output)
    for name in ("restyled.png", ".restyled.png.resume.safetensors"):
        shutil.copy(name, f"kept{name}")
    result = CliRunner().invoke(app, [*STYLIZE, "--resume"])
    assert result.exit_code == 0, result.output
    shutil.move("restyled.png", "final/restyled.png")
    for name in ("restyled.png", ".restyled.png.resume.safetensors"):
        shutil.move(f"kept{name}", name)


def main():
    target = Path(sys.argv[1]).absolute()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, chdir(folder):
        write_data()
        write_weights()
        write_runs()
        write_answers()
        write_predictions()
        write_explanations()
        write_restyled()
        with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(path for path in Path().rglob("*") if path.is_file()):
                archive.writestr(ZipInfo(path.as_posix()), path.read_bytes(), ZIP_DEFLATED)


if __name__ == "__main__":
    main()
