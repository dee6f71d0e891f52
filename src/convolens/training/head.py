"""Training a classifier's head on a trunk that stays as it is.

Every picture goes through the trunk once, then the head is found on the pooled features alone, in a second or so.

Memory: the features, 4 bytes × features × pictures; pictures are read one batch at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.data import DataSet, Example, Skipped
from convolens.data.model_inputs import model_batches
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.classify import SAVED_METRICS, log_loss, metrics_of, targets_of
from convolens.media.files import make_folder, write_rows
from convolens.models.classify import Classifier
from convolens.models.heads import PooledHead
from convolens.models.model_file import BEST
from convolens.training.classifier_run import report_classifier
from convolens.training.journal import draw_curves
from convolens.training.linear import LinearFit, fit_linear
from convolens.training.run_folder import CURVES, Run
from convolens.training.run_task import write_run


def train_head(
    model: Classifier,
    training_data: DataSet,
    validation_data: DataSet,
    run: Path,
    *,
    size: int | None,
    weight_decay: float,
    batch: int,
    loss: Callable[[Tensor, Tensor], Tensor],
    skipped: list[Skipped],
    settings: dict[str, Any],
    progress: bool,
) -> Run:
    """Finds the best head on features that stay as they are.

    Args:
        model: its head is set.
        training_data: what to learn from.
        validation_data: what to measure on.
        run: the run folder; made if missing.
        size: the side that pictures are brought to; None leaves them to the model's preprocessing.
        weight_decay: holds the head's weights small; more of it suits few pictures.
        batch: pictures of one size that go through the trunk at once.
        loss: of scores and targets, both `(samples, classes)`: their sum over the samples.
        skipped: files that could not be used so far; more are added.
        settings: what was requested, for the records.
        progress: shows a bar with the time left.

    Errors as in `convolens.train`.
    """
    if size is not None and size < 1:
        raise ArgumentError(f"size: need at least 1 pixel, got {size}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ArgumentError(f"weight_decay: need a finite number of at least 0, got {weight_decay}")
    if size is not None:
        model.trunk.preprocessing = model.trunk.preprocessing.cropped(size)
    make_folder(run)
    known, used = pooled_features(model, training_data, skipped, batch, "training pictures", progress)
    tested, tests = pooled_features(model, validation_data, skipped, batch, "validation pictures", progress)
    _need_every_class(training_data, used, skipped)
    targets = targets_of(used, len(model.class_names)).to(known.device).double()
    rows: list[dict[str, Any]] = []
    kept = SAVED_METRICS[model.multi_label]
    steps = fit_linear(
        known, lambda scores: loss(scores, targets) / len(targets), len(model.class_names), weight_decay=weight_decay
    )
    for fit in steps:
        _put(model, fit)
        scores = _scores(model, tested)
        measured = metrics_of(model, scores, tests)
        row = {"step": len(rows) + 1, "loss": fit.loss, "validation_loss": log_loss(model, scores, tests)}
        rows.append(row | {f"validation_{name}": measured[name] for name in kept})
    model.metrics = {name: measured[name] for name in kept}
    model.save(run / BEST)
    write_rows(run / "metrics.csv", rows)
    draw_curves(run / CURVES, rows, f"validation_{kept[0]}", by="step")
    metrics = report_classifier(model, run, _scores(model, tested), tests)
    return write_run(run, model, metrics, skipped, settings | {"size": size, "weight_decay": weight_decay})


def pooled_features(
    model: Classifier, data: DataSet, skipped: list[Skipped], batch: int, what: str, progress: bool
) -> tuple[Tensor, list[Example]]:
    """What the head's linear layer sees of each picture that can be read, and which those are.

    Pictures that cannot be read, or are too small for the taps, are added to `skipped`.
    """
    used: list[Example] = []
    found: list[Tensor] = []
    with torch.inference_mode():
        for one, seen in model_batches(model, data.examples, skipped, batch=batch, what=what, progress=progress):
            found.append(model.features(one).cpu())
            used += seen
    if not found:
        raise DataError(f"{data.root}: need pictures that can be used, got none; {skipped[0].reason}")
    return torch.cat(found).clone(), used


def _need_every_class(data: DataSet, used: Sequence[Example], skipped: Sequence[Skipped]) -> None:
    missing = sorted(set(range(len(data.class_names))) - {label for example in used for label in example.labels})
    if missing:
        paths = {example.path for example in data.examples if missing[0] in example.labels}
        reason = next((f"; {one.reason}" for one in skipped if one.path in paths), "")
        name = data.class_names[missing[0]]
        raise DataError(f"{data.root}: need pictures of {name!r} that can be used to train on, got none{reason}")


def _linear(model: Classifier) -> nn.Linear:
    assert isinstance(model.head, PooledHead)  # train_classifier made it so
    return model.head.linear


def _put(model: Classifier, fit: LinearFit) -> None:
    linear = _linear(model)
    with torch.no_grad():
        linear.weight.copy_(fit.weight)
        linear.bias.copy_(fit.bias)


def _scores(model: Classifier, features: Tensor) -> NDArray[Any]:
    """The probability of each class."""
    linear = _linear(model)
    with torch.inference_mode():
        found: NDArray[Any] = model.probabilities(linear(features.to(linear.weight.device))).cpu().numpy()
    return found
