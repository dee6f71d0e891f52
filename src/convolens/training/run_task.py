"""From a task to a run folder: what the trainers share once data and model are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from convolens.data import DataSet, Example, Skipped
from convolens.evaluation.result import Evaluation
from convolens.media.files import AnyPath, make_folder, write_json
from convolens.models import load as load_model
from convolens.models.model_file import BEST
from convolens.training import Settings, TrainingTask, fit
from convolens.training.advice import advice_on
from convolens.training.loop import Outcome
from convolens.training.pictures import Pictures, TrainableTrunk, fingerprint
from convolens.training.run_folder import Run
from convolens.training.task import Objective
from convolens.trunks import Trunk


@runtime_checkable
class OnTrunk(Protocol):
    """A model of any task."""

    task: str
    metrics: dict[str, float]

    @property
    def trunk(self) -> Trunk:
        """The feature extractor."""

    @property
    def taps(self) -> tuple[str, ...]:
        """Those of its taps that are looked at."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each class."""

    def save(self, path: AnyPath) -> None:
        """Writes the model file."""


class ValidationMetrics:
    """A model's metrics on the validation set: after each epoch, and those of the best model.

    Args:
        measure: a model → all its metrics, and its `validation_loss`.
        saved: those of them that go into the model file; the first is monitored. One that has no value, since nothing
            could be read that has one, counts as 0.
        count: how many pictures there are to measure on.
    """

    def __init__(self, measure: Callable[[Any], Evaluation], saved: Sequence[str], count: int) -> None:
        self.measured, self.saved, self.count = measure, saved, count
        self.best: Evaluation | None = None  # none where a run before this one found the best model
        self._last: Evaluation | None = None

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Those to keep."""
        found = self.measured(model)
        loss, self._last = found.pop("validation_loss"), found
        return {"validation_loss": loss} | {name: 0.0 if found[name] is None else found[name] for name in self.saved}

    def save(self, model: nn.Module, path: Path, metrics: Mapping[str, float]) -> None:
        """Writes the best model so far, which is the one that was measured last."""
        assert isinstance(model, OnTrunk)
        model.metrics, self.best = dict(metrics), self._last
        model.save(path)


def task_on_trunk(
    model: nn.Module,
    pictures: Pictures,
    objective: Objective,
    metrics: ValidationMetrics,
    *,
    finetune: str,
    describe: Callable[[Example], str],
    facts: Mapping[str, Any],
) -> TrainingTask:
    """The training task of a model on a trunk.

    Args:
        model: a classifier, localizer or detector; on its device, trained in place.
        pictures: what it learns from.
        objective: what is minimized.
        metrics: how it is measured.
        finetune: `all`, or the tap that training begins at.
        describe: what is known of a picture, to tell data sets apart by.
        facts: the task's own, beside the trunk, what of it is trained, and the data.
    """
    assert isinstance(model, OnTrunk)
    deepest = max(model.taps, key=model.trunk.taps.index)
    return TrainingTask(
        model=model,
        trainable=TrainableTrunk(model.trunk, deepest, finetune),
        training_set=pictures,
        objective=objective,
        validation_count=metrics.count,
        monitored=metrics.saved[0],
        measure=metrics.measure,
        save=metrics.save,
        facts=_facts(model, finetune, pictures.data, describe) | dict(facts),
    )


def run_task(
    task: TrainingTask,
    settings: Settings,
    run: Path,
    report: Callable[[Any], Evaluation],
    skipped: list[Skipped],
    *,
    requested: Mapping[str, Any],
    resume: bool,
    device: str,
    progress: bool,
    started: float,
) -> Run:
    """Trains, measures the best model, and writes down what was requested and found.

    Args:
        task: what to learn.
        settings: how.
        run: the run folder; made if missing.
        report: gives the metrics of a model on the validation set, and adds to the run folder what the task has to
            show.
        skipped: files that could not be used; training and measuring add to it.
        requested: the trainer's own arguments, for `config.json`.
        resume: goes on from an earlier run there.
        device: where the best model is measured.
        progress: shows a bar.
        started: when the work began, by `time.monotonic`.

    Errors as in `convolens.train`.
    """
    make_folder(run)
    outcome = fit(task, settings, run, resume=resume, progress=progress, started=started)
    best = load_model(run / BEST, device=device)
    return write_run(run, best, report(best), skipped, {**requested, **outcome.settings.to_dict()}, outcome)


def write_run(
    run: Path,
    model: nn.Module,
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
    assert isinstance(model, OnTrunk)
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
    write_json(run / "config.json", facts)
    epochs = len(outcome.rows) if outcome else None
    advice = advice_on(model.task, metrics, epochs=epochs, weights=settings["weights"] is not None)
    return Run(run, model.task, metrics, tuple(skipped), advice)


def described_boxes(example: Example) -> str:
    """The objects of an example, to tell data apart by."""
    return " ".join(f"{box.label}:{box.xyxy}" for box in example.objects)


def _facts(model: OnTrunk, finetune: str, data: DataSet, describe: Callable[[Example], str]) -> dict[str, Any]:
    """What every run is known by: the trunk, what of it is trained, and the data, each picture by `describe`."""
    return {
        "trunk": model.trunk.name,
        "weights": model.trunk.weights,
        "stem": model.trunk.options.get("stem"),
        "width": model.trunk.options.get("width"),
        "taps": list(model.taps),
        "classes": list(model.class_names),
        "finetune": finetune,
        "pictures": fingerprint(data.examples, describe),
    }
