"""One small network of each task, what it leaves in files, and the commands that ask it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import convolens as cl
from convolens.effects.sounds.hearing import Hearing
from convolens.media.images import write_image
from convolens.models.classify import Classifier
from convolens.models.heads import PooledHead
from convolens.training.checkpoint import read_checkpoint
from convolens.training.sounds import hearing_trunk
from tests.fuzz.form import Format
from tests.fuzz.mutators import changed
from tests.fuzz.trees import change_header, change_json

SIDE = 32
PICTURE = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)


@cache
def network() -> Classifier:
    """A classifier, small."""
    trunk = cl.trunk("resnet18", width=1 / 16, stem="small", device="cpu")
    head = PooledHead([trunk.channels(trunk.taps[-1])], 2)
    return Classifier(trunk, head, taps=trunk.taps[-1:], class_names=("cat", "dog")).eval()


@cache
def listener() -> Classifier:
    """A classifier of sounds, small."""
    trunk = cl.trunk("resnet18", width=1 / 16, channels=1, device="cpu")
    return cl.classifier(hearing_trunk(trunk, Hearing(8000, 200, 80, 32, 32)), classes=["high", "low"], taps="layer2.1")


@cache
def model_seeds() -> list[bytes]:
    """A model of each task as it is saved."""
    classes = ["cat", "dog"]
    trunk = cl.trunk("resnet18", width=1 / 16, device="cpu")
    others = [cl.localizer(trunk, classes=classes, hidden=4), cl.classifier(trunk, classes=classes, multi_label=True)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        found = []
        for model in (network(), *others):
            model.save(path)
            found.append(path.read_bytes())
    return found


def change_facts(data: bytes, luck: Random) -> bytes:
    """JSON whose texts are JSON themselves: a part of either."""
    value: dict[str, Any] = json.loads(data)
    facts = value.get("__metadata__", {})
    if not facts or luck.random() < 0.3:
        return change_json(data, luck)
    name = luck.choice(list(facts))
    if luck.random() < 0.5:
        inner = json.loads(facts[name])
        facts[name] = json.dumps(changed(inner, luck))
    else:
        facts[name] = change_json(facts[name].encode(), luck).decode(errors="replace")
    return json.dumps(value).encode(errors="surrogatepass")


def read_model(path: Path) -> None:
    """Loads a model and predicts with it; what it says is finite, and probabilities."""
    model = cl.load(path, device="cpu")
    found = model.predict(PICTURE)
    if model.task == "classify":
        assert np.isfinite(found.scores).all(), found.scores
        assert model.multi_label or abs(sum(found.scores) - 1) < 1e-4, found.scores


def put_run(folder: Path, data: bytes) -> Path:
    """A run folder whose best model it is."""
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "best.safetensors").write_bytes(data)
    return folder / "run"


def stage_classes(folder: Path) -> None:
    """Four pictures of each of two classes, and one alone."""
    dice = np.random.default_rng(1)
    for name in ("cat", "dog"):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(4):
            write_image(
                folder / "data" / name / f"{number}.png", dice.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
            )
    write_image(folder / "photo.png", PICTURE)
    network().save(folder / "whole.safetensors")


TRAIN = ("--trunk", "resnet18", "--width", 1 / 16, "--stem", "small", "--size", SIDE, "--epochs", 1, "--batch", 4)
TRAIN = (*TRAIN, "--workers", 1, "--device", "cpu", "--finetune", "all", "--seed", 1)


@cache
def checkpoint_seeds() -> list[bytes]:
    """The state that trainings are resumed from, of two optimizers."""
    found = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        stage_classes(folder)
        for number, optimizer in enumerate(("adamw", "sgd")):
            options = {"width": 1 / 16, "stem": "small", "size": SIDE, "epochs": 1, "batch": 4, "workers": 1, "seed": 1}
            cl.train("classify", folder / "data", trunk="resnet18", out=folder / f"{number}", optimizer=optimizer,
                     finetune="all", device="cpu", progress=False, **options)  # fmt: skip
            found.append((folder / f"{number}" / "last.ckpt").read_bytes())
    return found


def read_state(path: Path) -> None:
    """Reads a state; how far it says that it is are numbers."""
    found = read_checkpoint(path)
    progress = found.progress
    assert isinstance(progress.epoch, int), progress
    assert isinstance(progress.rows, list), progress


def put_state(folder: Path, data: bytes) -> Path:
    """A run folder that holds it."""
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "last.ckpt").write_bytes(data)
    return folder / "run" / "last.ckpt"


def _resume(path: Path, out: Path) -> list[object]:
    (out / "last.ckpt").write_bytes(path.read_bytes())
    return ["train", "classify", path.parents[1] / "data", "--out", out, "--resume", *TRAIN]


MODEL_COMMANDS = (
    lambda path, out: ["predict", path, path.parent / "photo.png", "--json", "--device", "cpu"],
    lambda path, out: ["predict", path, path.parent / "data", "--out", out, "--device", "cpu"],
    lambda path, out: ["export", path, out / "a.onnx", "--check", path.parent / "photo.png"],
    lambda path, out: ["explain", path, path.parent / "photo.png", "--out", out / "a.png", "--device", "cpu"],
    lambda path, out: ["evaluate", path, path.parent / "data", "--html", out / "a.html", "--device", "cpu"],
    lambda path, out: ["train", "classify", path.parent / "data", "--weights", path, "--out", out / "run", *TRAIN],
)

FORMATS = {
    "model": Format(
        "case.safetensors",
        model_seeds,
        change_header(change_facts),
        read_model,
        stage_classes,
        commands=MODEL_COMMANDS,
        turns=2,
    ),
    "run folder": Format(
        "best.safetensors",
        model_seeds,
        change_header(change_facts),
        read_model,
        stage_classes,
        put_run,
        commands=MODEL_COMMANDS,
        turns=1,
    ),
    "checkpoint": Format(
        "last.ckpt",
        checkpoint_seeds,
        change_header(change_facts),
        read_state,
        stage_classes,
        put_state,
        commands=(_resume,),
    ),
}
