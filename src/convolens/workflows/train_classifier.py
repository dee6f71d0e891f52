"""Training a classifier's head on a trunk that stays as it is.

Every picture goes through the trunk once, then the head is found on the pooled features alone, in a second or so.

Memory: the features, 4 bytes × features × pictures; pictures are read one batch at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convolens.errors import ArgumentError, DataError
from convolens.media.files import AnyPath
from convolens.tasks.classify import Classifier, classifier
from convolens.tasks.heads import PooledHead
from convolens.tasks.pictures import pick_device
from convolens.workflows.data import DataSet, Skipped, read_data, split
from convolens.workflows.data.dataset import need_one_label
from convolens.workflows.linear import LinearFit, fit_linear
from convolens.workflows.metrics import classification_metrics
from convolens.workflows.model_inputs import model_batches
from convolens.workflows.run_folder import Run, draw_confusion, make_folder, write_json, write_rows

# Numbers of the validation that go into the model file and, after each step, into metrics.csv.
KEPT = ("top1", "macro_f1", "ece", "count")


def train_classifier(
    data: AnyPath,
    *,
    trunk: str,
    weights: AnyPath | None,
    out: AnyPath,
    taps: Sequence[str] | str | None = None,
    validation: float | AnyPath | None = None,
    size: int | None = None,
    decay: float = 0.01,
    seed: int = 0,
    batch: int = 16,
    device: str = "auto",
    progress: bool = True,
) -> Run:
    """Trains a pooled linear head on a frozen trunk.

    Args:
        data: a folder with one folder of pictures for each class, or any other format of `workflows.data`.
        trunk: the trunk's name.
        weights: of the trunk; None for random ones.
        out: the run folder.
        taps: one or several of the trunk's taps, their features side by side; None takes the last.
        validation: the share of every class that is kept back to measure on, a list of pictures (`.txt`), or other
            data. None takes the data's own parts, or a share of 0.2.
        size: pictures are brought to this side (the shorter side resized, the centre cut out); None takes them as
            the weights' preprocessing leaves them.
        decay: holds the head's weights small; more of it suits few pictures.
        seed: of the split.
        batch: pictures of one size that go through the trunk at once.
        device: `auto`, `cpu`, `cuda`, …
        progress: shows a bar with the time left.

    Errors as in `convolens.train`.
    """
    settings = {name: value for name, value in locals().items() if name != "progress"}
    if size is not None and size < 1:
        raise ArgumentError(f"size: need at least 1 pixel, got {size}")
    if not (math.isfinite(decay) and decay >= 0):
        raise ArgumentError(f"decay: need a finite number of at least 0, got {decay}")
    if seed < 0:
        raise ArgumentError(f"seed: need a whole number of at least 0, got {seed}")
    read = read_data(data)
    need_one_label(read)
    training, held_out = split(read, validation, seed)
    model = classifier(trunk, weights=weights, classes=read.class_names, taps=taps).to(pick_device(device))
    if size is not None:
        model.trunk.preprocessing = replace(model.trunk.preprocessing, resize=size, crop=size)
    run = make_folder(out)
    skipped = list(dict.fromkeys((*training.skipped, *held_out.skipped)))
    known = pooled_features(model, training, skipped, batch, "training pictures", progress)
    tested = pooled_features(model, held_out, skipped, batch, "validation pictures", progress)
    _need_every_class(training, known[1], skipped)
    rows = _fit(model, known, tested, decay)
    measured = _measure(model, tested)
    model.metrics = {name: measured[name] for name in KEPT}
    _write(run, model, rows, measured, settings, skipped)
    return Run(run, run / "best.safetensors", measured, tuple(skipped))


def pooled_features(
    model: Classifier, data: DataSet, skipped: list[Skipped], batch: int, what: str, progress: bool
) -> tuple[Tensor, Tensor]:
    """What the head's linear layer sees of each picture that can be read, and the numbers of their classes.

    Pictures that cannot be read, or are too small for the taps, are added to `skipped`.
    """
    labels: list[int] = []
    with torch.inference_mode():
        inputs = model_batches(model, data.examples, labels, skipped, batch=batch, what=what, progress=progress)
        found = [model.features(one).cpu() for one in inputs]
    if not found:
        raise DataError(f"{data.root}: need pictures that can be used, got none; {skipped[0].reason}")
    return torch.cat(found).clone(), torch.tensor(labels)


def _need_every_class(data: DataSet, labels: Tensor, skipped: list[Skipped]) -> None:
    missing = sorted(set(range(len(data.class_names))) - set(labels.tolist()))
    if missing:
        paths = {example.path for example in data.examples if example.labels[0] == missing[0]}
        reason = next((f"; {one.reason}" for one in skipped if one.path in paths), "")
        name = data.class_names[missing[0]]
        raise DataError(f"{data.root}: need pictures of {name!r} that can be used to train on, got none{reason}")


def _fit(
    model: Classifier, known: tuple[Tensor, Tensor], tested: tuple[Tensor, Tensor], decay: float
) -> list[dict[str, Any]]:
    """Puts the best head into the model; a row of figures for each step."""
    rows: list[dict[str, Any]] = []
    for fit in fit_linear(*known, len(model.class_names), decay=decay):
        _put(model, fit)
        measured = _measure(model, tested)
        rows.append({"step": len(rows) + 1, "cost": fit.cost} | {f"validation_{name}": measured[name] for name in KEPT})
    return rows


def _linear(model: Classifier) -> nn.Linear:
    assert isinstance(model.head, PooledHead)  # train_classifier made it so
    return model.head.linear


def _put(model: Classifier, fit: LinearFit) -> None:
    linear = _linear(model)
    with torch.no_grad():
        linear.weight.copy_(fit.weight)
        linear.bias.copy_(fit.bias)


def _measure(model: Classifier, tested: tuple[Tensor, Tensor]) -> dict[str, Any]:
    features, labels = tested
    linear = _linear(model)
    with torch.inference_mode():
        scores = linear(features.to(linear.weight.device)).softmax(dim=1).cpu().numpy()
    return classification_metrics(scores, labels.numpy(), model.class_names)


def _write(
    run: Path,
    model: Classifier,
    rows: list[dict[str, Any]],
    measured: dict[str, Any],
    settings: dict[str, Any],
    skipped: Iterable[Skipped],
) -> None:
    facts = {
        "task": model.task,
        "class_names": model.class_names,
        "taps": model.taps,
        "settings": settings | {"taps": model.taps},
        "validation": measured,
        "skipped": [{"path": one.path, "reason": one.reason} for one in skipped],
    }
    write_json(run / "config.json", facts)
    write_rows(run / "metrics.csv", rows)
    draw_confusion(run / "confusion.png", measured["confusion"], model.class_names)
    model.save(run / "best.safetensors")
