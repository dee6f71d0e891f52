"""From a lesson to a run folder: what the trainers of tasks share once data and model are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from convolens.data import DataSet, Example, Skipped
from convolens.media.files import make_folder, write_json
from convolens.models import load as load_model
from convolens.models.model_file import BEST
from convolens.training import Lesson, Settings, fit
from convolens.training.advice import advice_on
from convolens.training.learning import fingerprint
from convolens.training.run_folder import Run
from convolens.trunks import Trunk


@runtime_checkable
class MeasuringLesson(Lesson, Protocol):
    """A lesson that remembers what was measured of the model that it saved."""

    @property
    def best_found(self) -> dict[str, Any]:
        """All figures of the best model; empty where a run before this one found it."""


@runtime_checkable
class OnTrunk(Protocol):
    """A model of any task."""

    @property
    def trunk(self) -> Trunk:
        """The feature extractor."""

    @property
    def taps(self) -> tuple[str, ...]:
        """Those of its taps that are looked at."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each class."""


def run_lesson(
    lesson: MeasuringLesson,
    settings: Settings,
    run: Path,
    measure: Callable[[Any], dict[str, Any]],
    skipped: list[Skipped],
    *,
    asked: Mapping[str, Any],
    resume: bool,
    device: str,
    progress: bool,
    started: float,
) -> Run:
    """Trains, measures the best model, and writes down what was asked and found.

    Args:
        lesson: what to learn.
        settings: how.
        run: the run folder; made if missing.
        measure: gives the figures of a model on the validation pictures.
        skipped: files that could not be used; training and measuring add to it.
        asked: the trainer's own arguments, for `config.json`.
        resume: goes on from an earlier run there.
        device: where the best model is measured.
        progress: shows a bar.
        started: when the work began, by `time.monotonic`.

    Errors as in `convolens.train`.
    """
    make_folder(run)
    outcome = fit(lesson, settings, run, resume=resume, progress=progress, started=started)
    best = load_model(run / BEST, device=device)
    measured = lesson.best_found or measure(best)
    facts = {
        "task": best.task,
        "class_names": best.class_names,
        "settings": {**asked, **outcome.settings.to_dict()},
        "ended_by": outcome.ended_by,
        "best_epoch": outcome.best_epoch,
        "validation": measured,
        "skipped": [{"path": one.path, "reason": one.reason} for one in skipped],
    }
    write_json(run / "config.json", facts)
    weights = asked.get("weights") is not None
    advice = advice_on(best.task, measured, epochs=len(outcome.rows), weights=weights)
    return Run(run, best.task, measured, tuple(skipped), advice)


def learned_facts(model: OnTrunk, finetune: str, data: DataSet, describe: Callable[[Example], str]) -> dict[str, Any]:
    """What every run is known by: the trunk, what of it learns, and the data, each picture described by `describe`."""
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


def described_boxes(example: Example) -> str:
    """The objects of an example, to tell data apart by."""
    return " ".join(f"{box.label}:{box.xyxy}" for box in example.objects)
