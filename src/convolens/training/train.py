"""Training: pictures in folders and a trunk in, a model file and the story of its making out."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from convolens.errors import ArgumentError, did_you_mean, need_one_of
from convolens.media.files import AnyPath
from convolens.training.classify import train_classifier
from convolens.training.detect import train_detector
from convolens.training.localize import train_localizer
from convolens.training.run_folder import Run
from convolens.training.settings import OPTION_NAMES

# A task's trainer takes the data, `trunk`, `weights`, `out` and options of its own.
TRAINERS: dict[str, Callable[..., Run]] = {
    "classify": train_classifier,
    "localize": train_localizer,
    "detect": train_detector,
}


def train(task: str, data: AnyPath, *, trunk: str, weights: AnyPath | None, out: AnyPath, **options: Any) -> Run:
    """Trains a network for a task.

    Args:
        task: `classify`, `localize` or `detect`.
        data: a folder with one folder of pictures for each class, or another format of `convolens.data`.
        trunk: its name, `vgg16`.
        weights: of the trunk: a name from the weights table or a path; None for random ones, which see little.
        out: the run folder; made if missing, files of an earlier run in it are replaced.
        options: the task's own, see `train_classifier`, `train_localizer` and `train_detector` in
            `convolens.training`.

    Raises:
        ArgumentError: no such task, trunk, tap or option.
        DataError: fewer than two classes, or a class without pictures that can be read.
        FileError: the data is not there, or the run folder cannot be written.
        WeightsError: the weights are not there or another network's.
    """
    need_one_of("task", task, TRAINERS)
    known = [*signature(TRAINERS[task]).parameters, *OPTION_NAMES]
    for name in options:
        if name not in known:
            raise ArgumentError(f"{name}: is no option of train {task}{did_you_mean(name, known)}")
    return TRAINERS[task](data, trunk=trunk, weights=weights, out=out, **options)
