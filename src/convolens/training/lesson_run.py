"""From a lesson to a run folder: what the trainers of tasks share once data and model are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from convolens.data import DataSet, Example, Skipped
from convolens.media.files import AnyPath, make_folder, write_json
from convolens.models import load as load_model
from convolens.training import Lesson, Settings, fit
from convolens.training.learning import fingerprint
from convolens.training.run_folder import BEST, Run
from convolens.trunks import Trunk


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
    lesson: Lesson,
    settings: Settings,
    out: AnyPath,
    measure: Callable[[Any], dict[str, Any]],
    skipped: list[Skipped],
    *,
    asked: Mapping[str, Any],
    resume: bool,
    device: str,
    progress: bool,
) -> Run:
    """Trains, measures the best model, and writes down what was asked and found.

    Args:
        lesson: what to learn.
        settings: how.
        out: the run folder; made if missing.
        measure: gives the figures of a model on the pictures that were kept back.
        skipped: files that could not be used; training and measuring add to it.
        asked: the trainer's own arguments, for `config.json`.
        resume: goes on from an earlier run in `out`.
        device: where the best model is measured.
        progress: shows a bar.

    Errors as in `convolens.train`.
    """
    run = make_folder(out)
    outcome = fit(lesson, settings, run, resume=resume, progress=progress)
    best = load_model(run / BEST, device=device)
    measured = measure(best)
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
    return Run(run, run / BEST, measured, tuple(skipped))


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
