"""From a model and its training set to a run folder: what the trainers share once data and model are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from convolens.data import DataSet, Example, Skipped
from convolens.distributed import World, joined
from convolens.effects.sounds.hearing import hears
from convolens.evaluation.result import Evaluation
from convolens.media.files import write_json
from convolens.media.inputs import given
from convolens.media.result_folders import BEST
from convolens.models import load as load_model
from convolens.models.trunk_model import TrunkModel
from convolens.training.advice import advice_on
from convolens.training.chosen import in_a_sentence
from convolens.training.loop import EPOCHS, Outcome, fit
from convolens.training.pictures import EVERYTHING, PictureCache, Pictures, TrainableTrunk, Views, fingerprint
from convolens.training.request import Request
from convolens.training.run_folder import CONFIG, Run
from convolens.training.settings import Settings
from convolens.training.task import Objective, TrainingTask
from convolens.training.validation_loss import validation_loss


@runtime_checkable
class PictureObjective(Objective, Views, Protocol):
    """What is minimized over views of pictures."""

    def facts(self) -> dict[str, Any]:
        """What must be the same for a run to be resumed, beside what must be in every task, in plain values."""


@runtime_checkable
class Predicted(Protocol):
    """What a model predicts for examples, with the truth."""

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Files that could not be used."""

    def evaluation(self) -> Evaluation:
        """Compares what was predicted with the truth."""


@dataclass(frozen=True)
class Measured:
    """What a model turned out to be on the validation set.

    Attributes:
        metrics: all of them.
        loss: the mean over the pictures, or over some of them.
        skipped: files that could not be used.
        report: adds the task's own pictures to the run folder.
    """

    metrics: Evaluation
    loss: float
    skipped: Sequence[Skipped]
    report: Callable[[Path], None] = lambda run: None


class Validation:
    """Measures a model on the validation set after each epoch, and remembers what the best one turned out to be.

    Args:
        measure: a model → what it turned out to be.
        saved: the metrics that go into the model file; the first is monitored. One that has no value, since nothing
            could be read that has one, counts as 0.
        count: how many pictures there are to measure on.
    """

    def __init__(self, measure: Callable[[Any], Measured], saved: Sequence[str], count: int) -> None:
        self.measured, self.saved, self.count = measure, saved, count
        self._last: Measured | None = None
        self._best: Measured | None = None

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Measures a model; gives the metrics to save, and the loss."""
        self._last = found = self.measured(model)
        saved = {name: found.metrics[name] or 0.0 for name in self.saved}
        return {"validation_loss": found.loss} | saved

    def save(self, model: nn.Module, path: Path, metrics: Mapping[str, float]) -> None:
        """Writes the best model so far, which is the one that was measured last."""
        assert isinstance(model, TrunkModel)
        model.metrics, self._best = dict(metrics), self._last
        model.save(path)

    def of_best(self, model: nn.Module, world: World) -> Measured | None:
        """Returns what the best model turned out to be, in the first of the processes.

        All of them measure it where an earlier run found it.
        """
        if world.broadcast(self._best is None):
            self._best = self.measured(model)
        return self._best


def run_task(
    request: Request,
    settings: Settings,
    model: TrunkModel,
    pictures: Pictures,
    objective: PictureObjective,
    validation: Validation,
    requested: Mapping[str, Any],
    finish: Callable[[Any], None] | None = None,
) -> Run:
    """Trains a model on a trunk and writes down what was requested and found.

    Args:
        request: the options that every trainer has.
        settings: how to train.
        model: a classifier, localizer or detector; on its device, trained in place.
        pictures: the training set.
        objective: what is minimized.
        validation: how the model is measured.
        requested: the task's own options, and what was made of the others, for `config.json`.
        finish: adds to the best model what is found in it once it is trained.

    Errors as in `convolens.train`.
    """
    finetune = request.finetune or EVERYTHING
    task = TrainingTask(
        model=model,
        trainable=TrainableTrunk(model.trunk, max(model.taps, key=model.trunk.taps.index), finetune),
        training_set=pictures,
        objective=objective,
        validation_count=validation.count,
        monitored=validation.saved[0],
        measure=validation.measure,
        save=validation.save,
        facts=_facts(model, finetune, pictures.data) | objective.facts(),
    )
    size = objective.facts()["size"]
    sentence = in_a_sentence(
        model, pictures.data, validation.count, (size, size) if isinstance(size, int) else size,
        learned="all of it trained" if finetune == EVERYTHING else f"trained at or after {finetune}",
        long=_how_long(settings), run=request.run,
    )  # fmt: skip
    request.say(sentence)
    with request.run_folder() as run, joined(next(model.parameters()).device) as world:
        resume = request.resume or request.restarted
        outcome = fit(
            task,
            settings,
            run,
            resume=resume,
            progress=request.progress,
            started=request.started,
            on_epoch=request.on_epoch,
            on_step=request.on_step,
        )
        with given():  # of its own: what is read there is written again, with more
            best = load_model(run / BEST, device=request.device)
        found = validation.of_best(best, world)
        if finish is not None:
            finish(best)
        skipped = tuple(chain.from_iterable(world.gathered(pictures.skipped)))

        def written(found: Measured) -> Run:
            if finish is not None:
                best.save(run / BEST)
            found.report(run)
            used = {**request.facts(), "finetune": finetune, **requested, **outcome.settings.to_dict()}
            unused = tuple(dict.fromkeys((*skipped, *found.skipped)))
            return write_run(run, best, found.metrics, unused, used, outcome)

        return world.broadcast(written(found) if world.leads and found else None)  # type: ignore[return-value]


def _how_long(settings: Settings) -> str:
    """Says when the training ends."""
    limits = [f"{settings.minutes:g} minutes"] if settings.minutes is not None else []
    if settings.epochs or not limits:
        limits.append(f"{settings.epochs or EPOCHS:,} epochs")
    return " or ".join(limits)


def run_on_boxes(
    request: Request,
    settings: Settings,
    model: TrunkModel,
    data: tuple[DataSet, DataSet],
    objectives: tuple[PictureObjective, PictureObjective],
    predict: Callable[[Any, Sequence[Example]], Predicted],
    saved: Sequence[str],
    requested: Mapping[str, Any],
) -> Run:
    """Trains a model of where things are, whose loss on the validation set is taken over views as the training's is.

    Args:
        request: the options that every trainer has.
        settings: how to train.
        model: a localizer or a detector.
        data: to train on, and to validate on.
        objectives: what is minimized, and the same over pictures as they are.
        predict: a model and examples → what it predicts for them, from which it is evaluated.
        saved: which of them go into the model file, see `Validation`.
        requested: as in `run_task`.
    """
    cache, (objective, plain) = PictureCache(), objectives
    pictures, plain_pictures = (Pictures(part, views, cache) for part, views in zip(data, objectives, strict=True))

    def measured(one: nn.Module) -> Measured:
        predicted = predict(one, data[1].examples)
        loss = validation_loss(plain_pictures, plain, one)
        return Measured(predicted.evaluation(), loss, (*data[1].skipped, *predicted.skipped))

    validation = Validation(measured, saved, len(data[1]))
    return run_task(request, settings, model, pictures, objective, validation, requested)


def write_run(
    run: Path,
    model: TrunkModel,
    metrics: Evaluation,
    skipped: Sequence[Skipped],
    settings: Mapping[str, Any],
    outcome: Outcome | None = None,
) -> Run:
    """Writes the facts of a training whose best model is in the folder already.

    Args:
        run: the run folder.
        model: the best model.
        metrics: of that, on the validation set.
        skipped: files that could not be used.
        settings: what was requested and found.
        outcome: how the training went; None where only a head was trained.
    """
    ended = {"ended_by": outcome.ended_by, "best_epoch": outcome.best_epoch} if outcome else {}
    facts = {
        "task": model.task,
        "class_names": model.class_names,
        "taps": model.taps,
        "settings": {**settings, "taps": model.taps},
        **ended,
        "validation": metrics,
        "skipped": [{"path": one.path, "reason": one.reason} for one in skipped],
    }
    write_json(run / CONFIG, facts)
    epochs = len(outcome.rows) if outcome else None
    advice = advice_on(
        model.task, metrics, epochs=epochs, weights=settings["weights"] is not None, of_sounds=hears(model)
    )
    return Run(run, model.task, metrics, tuple(skipped), advice)


def _facts(model: TrunkModel, finetune: str, data: DataSet) -> dict[str, Any]:
    """Returns what must be the same for a run to be resumed: the trunk, what of it is trained, and the data."""
    return {
        "trunk": model.trunk.name,
        "weights": model.trunk.weights,
        "stem": model.trunk.options.get("stem"),
        "width": model.trunk.options.get("width"),
        "taps": list(model.taps),
        "classes": list(model.class_names),
        "finetune": finetune,
        "pictures": fingerprint(data),
    }
