"""Detections that did not learn from the boxes that they judge: of a model given, or of detectors of other folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from convolens.data import DataSet, Example, Skipped
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.detect import detect_all
from convolens.evaluation.detections import Found
from convolens.exported import ExportedDetector
from convolens.loading import load
from convolens.media.files import AnyPath
from convolens.models.detect import Detector
from convolens.training.fold_fit import assign_folds
from convolens.training.train import train

BATCH = 16  # pictures at once

Detected = tuple[list[Found], list[Example], list[Skipped]]


def detected_by(model: AnyPath, data: DataSet, *, device: str, progress: bool) -> Detected:
    """What a model finds in the pictures, as classes of the data.

    Raises:
        ArgumentError: no detector.
        DataError: none of its classes is one of the data's, or no picture can be used.
        FileError, WeightsError: it cannot be read.
    """
    detector = load(model, device=device)
    if not isinstance(detector, Detector | ExportedDetector):
        raise ArgumentError(f"model: need a detector to judge boxes by, got one to {detector.task}: {model}")
    number_of = {name: number for number, name in enumerate(data.class_names)}
    known = np.array([number_of.get(name, -1) for name in detector.class_names])
    if (known < 0).all():
        raise DataError(
            f"{model}: need a detector of classes of {data.root} ({', '.join(data.class_names[:8])}), got one of "
            f"{', '.join(detector.class_names[:8])}"
        )
    one = detect_all(detector, data.examples, batch=BATCH, source=data.root, progress=progress)
    return [_of_classes(each, known) for each in one.found], one.examples, one.skipped


def _of_classes(found: Found, number_of: np.ndarray) -> Found:
    labels = number_of[found.labels]
    kept = labels >= 0
    return Found(found.boxes_xyxy[kept], labels[kept], found.scores[kept])


def detected_by_folds(
    data: DataSet, path: AnyPath, folds: int, *, seed: int, device: str, progress: bool, options: Mapping[str, Any]
) -> Detected:
    """What detectors find in pictures that they were not trained on: one for each fold, trained on all others.

    Of the fold itself a detector has only its best epoch.

    Args:
        data: with at least two pictures that have objects.
        path: where it was read from.
        folds: how many; at most as many as there are pictures with objects.
        seed: of the folds and of the training.
        device: where training and detectors run.
        progress: shows bars.
        options: of `convolens.train`.

    Errors as of `convolens.train`.
    """
    pictures = list(dict.fromkeys(example.file.resolve() for example in data.examples))
    label_of = {example.file.resolve(): min(example.labels, default=-1) for example in data.examples}
    with_objects = sum(label >= 0 for label in label_of.values())
    if with_objects < 2:
        raise DataError(f"{data.root}: need at least two pictures with objects to learn from, got {with_objects}")
    folds = min(folds, with_objects)
    fold_of = dict(zip(pictures, assign_folds(np.array([label_of[one] for one in pictures]), folds, seed), strict=True))
    found: list[Found] = []
    used: list[Example] = []
    skipped: list[Skipped] = []
    with TemporaryDirectory() as folder:
        for number in range(folds):
            listed = Path(folder, f"{number}.txt")
            listed.write_text("".join(f"{one}\n" for one in pictures if fold_of[one] == number), encoding="utf-8",
                              errors="surrogateescape")  # fmt: skip
            run = train("detect", path, validation=listed, out=Path(folder, f"run-{number}"), seed=seed, device=device,
                        progress=progress, **options)  # fmt: skip
            mine = data.having(one for one in data.examples if fold_of[one.file.resolve()] == number)
            parts = detected_by(run.best, mine, device=device, progress=progress)
            found += parts[0]
            used += parts[1]
            skipped += parts[2]
    return found, used, skipped


def classes_of(examples: Sequence[Example], found: Sequence[Found]) -> set[int]:
    """The classes that are said or seen anywhere."""
    said = {box.label for example in examples for box in example.objects}
    return said | {int(label) for one in found for label in one.labels}
