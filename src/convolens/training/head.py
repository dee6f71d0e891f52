"""Training a classifier's head on a trunk that is not trained.

Every picture goes through the trunk once, then the head is found on the pooled features alone, in a second or so.

Memory: the features, 4 bytes × features × pictures, three times that where there are few; pictures are read one batch
at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.data import DataSet, Example, Skipped
from convolens.data.model_inputs import model_batches
from convolens.distributed import World, current_world, joined
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.classify import SAVED_METRICS, targets_of
from convolens.media.files import write_rows
from convolens.media.result_folders import BEST
from convolens.models.classify import Classifier
from convolens.models.heads import PooledHead
from convolens.progress import clock
from convolens.training.chosen import in_a_sentence, input_size, seconds_for
from convolens.training.classifier_run import measured
from convolens.training.familiar import Described, every, remember, remember_by_folds
from convolens.training.head_folds import DECAYS, by_folds
from convolens.training.linear import LinearFit, fit_linear
from convolens.training.request import Request
from convolens.training.run_folder import CURVES, METRICS, Run
from convolens.training.run_log import draw_curves
from convolens.training.run_task import write_run

WEIGHT_DECAY, BATCH = 0.01, 16  # where none are requested
HEAD_SETTINGS = ("weight_decay", "seed", "batch")  # those of `Settings` that mean anything here


def train_head(
    request: Request,
    model: Classifier,
    data: tuple[DataSet, DataSet],
    loss: Callable[[Tensor, Tensor], Tensor],
    requested: Mapping[str, Any],
    folds: int | None = None,
) -> Run:
    """Finds the best head on features that are fixed.

    Args:
        request: the options that every trainer has.
        model: its head is set.
        data: to train on, and to validate on.
        loss: of scores and targets, both `(samples, classes)`: their sum over the samples.
        requested: the task's own options, for the records.
        folds: to measure by, on all of the data; the head that is kept is found on all of it.

    Errors as in `convolens.train`.
    """
    size = request.side
    decay, batch = request.training.get("weight_decay", WEIGHT_DECAY), request.training.get("batch", BATCH)
    if not isinstance(batch, int):
        raise ArgumentError(f"batch: need a whole number where only the head is trained, got {batch!r}")
    if size is not None:
        model.trunk.preprocessing = model.trunk.preprocessing.cropped(size)
    with torch.inference_mode():
        shown = input_size(model.preprocessing, data[0])
        seconds = seconds_for(model, data) if request.progress and shown else None
    long = f"about {clock(seconds)}" if seconds is not None else "one pass over the pictures"
    request.say(in_a_sentence(model, data[0], len(data[1]), shown, learned="head alone", long=long, run=request.run))
    with request.run_folder(), joined(next(model.parameters()).device) as world:
        if folds is not None:
            decays = (decay,) if "weight_decay" in request.training else DECAYS
            return _train_by_folds(world, request, model, data, loss, {**requested, "finetune": "head"}, batch, decays)
        return _train_head(
            world, request, model, data, loss, {"finetune": "head", **requested, "weight_decay": decay}, batch
        )


def _train_head(
    world: World,
    request: Request,
    model: Classifier,
    data: tuple[DataSet, DataSet],
    loss: Callable[[Tensor, Tensor], Tensor],
    requested: Mapping[str, Any],
    batch: int,
) -> Run:
    run, (training_data, validation_data) = request.run, data
    pooled = pooled_features(model, training_data, batch, "training pictures", request.progress)
    features, used, skipped = pooled.features, pooled.examples, pooled.skipped
    tested = pooled_features(model, validation_data, batch, "validation pictures", request.progress)
    _need_every_class(training_data, used, skipped)
    targets = targets_of(used, len(model.class_names)).to(features.device).double()
    rows: list[dict[str, Any]] = []
    saved = SAVED_METRICS[model.multi_label]
    steps = fit_linear(
        features,
        lambda scores: loss(scores, targets) / len(targets),
        len(model.class_names),
        weight_decay=requested["weight_decay"],
    )
    for fit in steps:
        _put(model, fit)
        found = measured(model, _scores(model, tested.features), tested.examples, tested.skipped)
        row = {"step": len(rows) + 1, "loss": fit.loss, "validation_loss": found.loss}
        rows.append(row | {f"validation_{name}": found.metrics[name] for name in saved})
        ended = request.on_step is not None and world.leads and request.on_step(dict(rows[-1])) is False
        if world.broadcast(ended):
            raise KeyboardInterrupt(f"{run}: a head alone is trained in one piece; nothing of it was kept")
    model.metrics = {name: found.metrics[name] for name in saved}
    remember(model, pooled.described, tested.described, requested["seed"], request.say)

    def written() -> Run:
        model.save(run / BEST)
        write_rows(run / METRICS, rows)
        draw_curves(run / CURVES, rows, f"validation_{saved[0]}", by="step")
        found.report(run)
        used_settings = {**request.facts(), **requested}
        return write_run(run, model, found.metrics, tuple(dict.fromkeys((*skipped, *tested.skipped))), used_settings)

    return world.broadcast(written() if world.leads else None)  # type: ignore[return-value]


def _train_by_folds(
    world: World,
    request: Request,
    model: Classifier,
    data: tuple[DataSet, DataSet],
    loss: Callable[[Tensor, Tensor], Tensor],
    requested: Mapping[str, Any],
    batch: int,
    decays: Sequence[float],
) -> Run:
    """Measures by folds, and keeps a head found on all pictures with the weight decay that suits them."""
    run, everything = request.run, data[0].having((*data[0].examples, *data[1].examples))
    pooled = pooled_features(model, everything, batch, "pictures", request.progress)
    _need_every_class(everything, pooled.examples, pooled.skipped)
    targets = targets_of(pooled.examples, len(model.class_names))
    number, saved = requested["folds"], SAVED_METRICS[model.multi_label]
    folded = by_folds(pooled.features, targets, loss, pooled.examples, number, requested["seed"], decays)
    scores = model.probabilities(folded.scores).numpy()
    found = measured(model, scores, pooled.examples, pooled.skipped)
    rows = []
    for fold in range(number):
        inside = np.flatnonzero(folded.fold == fold)
        one = measured(model, scores[inside], [pooled.examples[at] for at in inside], ())
        row = {
            "fold": fold + 1,
            "pictures": len(inside),
            "weight_decay": folded.decays[fold],
            "validation_loss": one.loss,
        }
        rows.append(row | {f"validation_{name}": one.metrics[name] for name in saved})
    spread = {f"{name}_spread": float(np.std([row[f"validation_{name}"] for row in rows], ddof=1)) for name in saved}
    wanted = targets.double()
    steps = fit_linear(
        pooled.features,
        lambda each: loss(each, wanted) / len(wanted),
        len(model.class_names),
        weight_decay=folded.decay,
    )
    _put(model, deque(steps, maxlen=1)[0])
    metrics = found.metrics.having(folds=number, **spread)
    model.metrics = {name: found.metrics[name] for name in saved}
    fold_of = {id(example): number for example, number in zip(pooled.examples, folded.fold, strict=True)}
    folds_described = np.array([fold_of[id(example)] for example in pooled.described.examples])
    remember_by_folds(model, pooled.described, folds_described, requested["seed"], request.say)

    def written() -> Run:
        model.save(run / BEST)
        write_rows(run / METRICS, rows)
        draw_curves(run / CURVES, rows, f"validation_{saved[0]}", by="fold")
        found.report(run)
        settings = {**request.facts(), **requested, "weight_decay": folded.decay}
        return write_run(run, model, metrics, tuple(dict.fromkeys(pooled.skipped)), settings)

    return world.broadcast(written() if world.leads else None)  # type: ignore[return-value]


class Pooled(NamedTuple):
    """The inputs of a head's linear layer, of which pictures they are, and the files that could not be used.

    And descriptions of those pictures, or of some of many: see `familiar.py`.
    """

    features: Tensor
    examples: list[Example]
    skipped: list[Skipped]
    described: Described


def pooled_features(model: Classifier, data: DataSet, batch: int, what: str, progress: bool) -> Pooled:
    """Computes the inputs of the head's linear layer for each picture that can be read and is large enough.

    Of several processes that were joined each for its part, and each has all.

    Raises:
        DataError: there is none.
    """
    world = current_world()
    mine = data.examples[world.part(len(data.examples), batch)]
    used: list[Example] = []
    features: list[Tensor] = []
    descriptions: list[Tensor] = []
    chosen: list[Example] = []
    skipped: list[Skipped] = []
    shown, step = progress and world.leads, every(data)
    with torch.inference_mode():
        for one, examples in model_batches(model, mine, skipped, batch=batch, what=what, progress=shown):
            pooled, described = model.features_and_description(one)
            features.append(pooled.cpu())
            some = [at for at in range(len(examples)) if (len(used) + at) % step == 0]
            descriptions.append(described[some].float().cpu())
            chosen += [examples[at] for at in some]
            used += examples
    several = world.gathered((features, used, skipped, descriptions, chosen))
    features, used, skipped, descriptions, chosen = (
        [one for part in parts for one in part] for parts in zip(*several, strict=True)
    )
    skipped = [*data.skipped, *skipped]
    if not features:
        raise DataError(f"{data.root}: need examples that can be used, got none; {skipped[0].reason}")
    return Pooled(torch.cat(features).clone(), used, skipped, Described(torch.cat(descriptions).clone(), chosen))


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
    """Computes the probability of each class."""
    linear = _linear(model)
    with torch.inference_mode():
        found: NDArray[Any] = model.probabilities(linear(features.to(linear.weight.device))).cpu().numpy()
    return found
