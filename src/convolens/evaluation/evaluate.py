"""How good a model is on pictures that it has not been trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from convolens.arrays import as_flag
from convolens.clusters.ray_workers import Cluster
from convolens.data import DataSet, Skipped, read_data
from convolens.data.dataset import need_one_label
from convolens.data.inspection import read_inspected
from convolens.data.sounds import by_hearing, is_of_sounds
from convolens.distributed import joined, leads, started_by_torchrun
from convolens.effects.sounds.hearing import hears
from convolens.errors import ArgumentError, DataError, need_one_of
from convolens.evaluation.classify import metrics_of, score_pictures
from convolens.evaluation.detect import detect_all
from convolens.evaluation.detections import curves, detection_confusion
from convolens.evaluation.events import event_scores
from convolens.evaluation.familiar import measure_familiar, need_familiarity
from convolens.evaluation.in_parts import ByCluster, InParts, by_processes
from convolens.evaluation.localize import locate_all
from convolens.evaluation.mistakes import wrong_class, wrong_classes, wrong_detections, wrong_places, wrong_verdicts
from convolens.evaluation.page import (
    confusion_part,
    evaluation_page,
    mistakes_part,
    precision_recall_part,
    reliability_part,
)
from convolens.evaluation.result import Evaluation
from convolens.evaluation.unusual import inspect_all
from convolens.exported import (
    Exported,
    ExportedClassifier,
    ExportedDetector,
    ExportedInspector,
    ExportedLocalizer,
    ExportedModel,
)
from convolens.media.files import AnyPath, need_target
from convolens.media.inputs import reads
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.inputs import running_on
from convolens.models.localize import Localizer
from convolens.models.unusual import Inspector
from convolens.pages import Part


class Measured(NamedTuple):
    """The numbers, which files could not be used, and what makes the rest of a page, if one is wanted."""

    numbers: Evaluation
    skipped: Sequence[Skipped]
    parts: Callable[[], Sequence[Part]]


@reads("data")
def evaluate(
    model: Classifier | Localizer | Detector | Inspector | Exported,
    data: AnyPath,
    *,
    split: str | None = None,
    batch: int = 16,
    html: AnyPath | None = None,
    unfamiliar: AnyPath | None = None,
    progress: bool = True,
    device: str = "auto",
    cluster: str | None = None,
    workers: int | None = None,
    gpus_per_worker: float = 0.0,
    threads_per_worker: int = 1,
) -> Evaluation:
    """Runs the model over data whose answers are known, and compares.

    Of the processes that `torchrun` started each must call it: each runs the model over its part of the pictures, and
    each is given the numbers of all of them, to the bit what one process alone would find.

    Args:
        model: a classifier, a localizer, a detector or an inspector, in torch or exported.
        data: a folder with one folder of pictures for each class, or any other format of `convolens.data`, near or in
            a store; names as the model's, some may be missing. For an inspector a folder laid out as MVTec AD is, or
            with a folder `good` and others, and with masks in `ground_truth` where there are some.
        split: `train`, `validation` or `test` of data that has splits. None takes the test split, or else that for
            validation, so that nothing is measured on what was learned from.
        batch: pictures of one size that go through the network at once.
        html: writes a page there too: what was predicted as what, how far confidence can be trusted or how precision
            falls with recall, worst mistakes.
        unfamiliar: pictures of anything but the model's classes, in a folder, by a pattern or at an address: also
            measures how well a classifier tells them apart from `data`, which goes through it once more.
        progress: shows a bar with the time left.
        device: where to run: `cpu`, `cuda`, …; `auto` is where the model is.
        cluster: has the workers of a cluster run the model (Ray, extra `cluster`): its address, `auto` for the one that
            this machine is part of, or `local` for workers on this machine. They are sent the model, paths and answers,
            and read pictures themselves, so that every machine must see the data. A worker that is lost costs the
            blocks that it had in hand.
        workers: how many; None: as many as the cluster has room for.
        gpus_per_worker: of each; less than 1 where several share one.
        threads_per_worker: that each computes with, and processors that it is given.

    Returns:
        A dict of plain numbers with a `summary()`, a `plot()` and a look in a notebook; `save` writes its page, the
        numbers or the plot later.
        For a classifier `count top1 top5 macro_f1 ece per_class confusion`, or, where a picture may show several
        classes, `count mean_ap macro_f1 exact per_class`, of parts of recordings also `event_f1 event_precision
        event_recall` of listening to all of them, within 50 ms, as in `convolens.evaluation.metrics`, and with
        `unfamiliar` those of `convolens.evaluation.familiar`; for a localizer the
        figures of `convolens.evaluation.localize`; for a detector those of `convolens.evaluation.detect`, for an
        inspector those of `convolens.evaluation.unusual`. And `skipped`: files that could not be used, path and reason.

    Raises:
        FileError: the data is not there, or the page cannot be written, or there is no such cluster.
        ArgumentError: what workers have, without `cluster`; `unfamiliar` of a model that does not know what it learned
            from; or `cluster` in processes that `torchrun` started.
        MissingExtraError: a cluster without Ray.
        DeviceError: the cluster has no room for a worker.
        TrainingError: a block of pictures ended its worker ten times.
        DataError: a class that the model does not know, no such split, or no picture that can be used.

    >>> from tempfile import TemporaryDirectory
    >>> from convolens.media.images import write_image
    >>> from convolens.models.classify import classifier
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("cat", "dog"):
    ...         (Path(folder) / name).mkdir()
    ...         write_image(f"{folder}/{name}/1.png", np.zeros((32, 32, 3), np.uint8))
    ...     found = evaluate(classifier("resnet18", classes=["cat", "dog"]), folder, progress=False)
    >>> found["count"], found["top1"]
    (2, 0.5)
    """
    where = Cluster.of(cluster, workers, gpus_per_worker, threads_per_worker)
    if where is not None and started_by_torchrun():
        raise ArgumentError("cluster: need one process, whose cluster does the work, got several of torchrun's")
    if html is not None and leads():
        need_target(html)
    as_flag(progress, "progress")
    if not hasattr(model, "task"):
        raise ArgumentError(f"model: need one that cl.load or cl.train gives, got {type(model).__name__}")
    need_one_of("model: its task", model.task, _MEASURES)
    if unfamiliar is not None:
        need_familiarity(model)
    chosen = _read(model, data, split)
    measure = partial(_MEASURES[model.task], model, chosen, batch, progress)
    if where is not None:
        measured = _with_unfamiliar(
            measure(ByCluster(where)), model, chosen, unfamiliar, batch, progress, ByCluster(where)
        )
    else:
        with running_on(model, device), joined(_device(model)):
            measured = _with_unfamiliar(measure(by_processes), model, chosen, unfamiliar, batch, progress, by_processes)
    skipped = [{"path": str(one.path), "reason": one.reason} for one in (*chosen.skipped, *measured.skipped)]
    name = model.path.name if isinstance(model, ExportedModel) else model.trunk.name
    title = f"{model.task.capitalize()}: {name} on {Path(data).name}"
    found = measured.numbers.having(skipped=skipped)
    found.make_page = lambda: evaluation_page(title, str(data), found, measured.parts())
    if html is not None and leads():
        found.write_page(html)
    return found


def _device(model: Any) -> torch.device:
    parameter = None if isinstance(model, ExportedModel) else next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _read(model: Any, data: AnyPath, split: str | None) -> DataSet:
    """What is to be measured on."""
    if model.task == Inspector.task:
        return read_inspected(data, split)
    return _heard(model, _chosen(read_data(data, class_names=model.class_names), split))


def _heard(model: Any, data: DataSet) -> DataSet:
    """Labels of sounds where they are in the model's own pictures of these.

    Raises:
        DataError: boxes in sounds for a model that sees, or in pictures for one that hears.
    """
    if data.kind != "boxes" or model.task == Classifier.task:
        return data
    if hears(model) != is_of_sounds(data):
        kinds = ("sounds", "pictures") if hears(model) else ("pictures", "sounds")
        raise DataError(f"{data.root}: need {kinds[0]}, as the network was taught by {kinds[0]}, got {kinds[1]}")
    return by_hearing(data, model.preprocessing.sound) if hears(model) else data


def _chosen(data: DataSet, split: str | None) -> DataSet:
    """The split that is to be measured on."""
    if split is not None:
        return data.split(split)
    return next((data.split(name) for name in ("test", "validation") if name in data.splits), data)


def _with_unfamiliar(
    measured: Measured,
    model: Any,
    data: DataSet,
    unfamiliar: AnyPath | None,
    batch: int,
    progress: bool,
    in_parts: InParts,
) -> Measured:
    """What was measured, and where that is wanted how well the model tells other pictures apart."""
    if unfamiliar is None:
        return measured
    numbers, skipped = measure_familiar(model, data.examples, unfamiliar, batch, progress, in_parts)
    return Measured(measured.numbers.having(**numbers), (*measured.skipped, *skipped), measured.parts)


def _classifier(
    model: Classifier | ExportedClassifier, data: DataSet, batch: int, progress: bool, in_parts: InParts
) -> Measured:
    if not model.multi_label:
        need_one_label(data)
    scores, used, skipped = score_pictures(
        model, data.examples, batch=batch, source=data.root, progress=progress, in_parts=in_parts
    )
    found = metrics_of(model, scores, used)
    if hears(model):
        found = found.having(**event_scores(model, data.examples, skipped))

    def parts() -> list[Part]:
        if model.multi_label:
            return [mistakes_part(wrong_classes(scores, used, model.class_names))]
        labels = np.array([example.labels[0] for example in used])
        return [
            confusion_part(np.array(found["confusion"]), model.class_names),
            reliability_part(scores, labels),
            mistakes_part(wrong_class(scores, used, model.class_names)),
        ]

    return Measured(found, skipped, parts)


def _localizer(
    model: Localizer | ExportedLocalizer, data: DataSet, batch: int, progress: bool, in_parts: InParts
) -> Measured:
    located = locate_all(model, data.examples, batch=batch, source=data.root, progress=progress, in_parts=in_parts)
    return Measured(
        located.evaluation(), located.skipped, lambda: [mistakes_part(wrong_places(located, model.class_names))]
    )


def _detector(
    model: Detector | ExportedDetector, data: DataSet, batch: int, progress: bool, in_parts: InParts
) -> Measured:
    detected = detect_all(model, data.examples, batch=batch, source=data.root, progress=progress, in_parts=in_parts)
    found, used, names = detected.found, detected.examples, model.class_names

    def parts() -> list[Part]:
        return [
            precision_recall_part(curves(used, found, len(names)), names),
            confusion_part(detection_confusion(used, found, len(names)), [*names, "nothing"]),
            mistakes_part(wrong_detections(found, used, names)),
        ]

    return Measured(detected.evaluation(), detected.skipped, parts)


def _inspector(
    model: Inspector | ExportedInspector, data: DataSet, batch: int, progress: bool, in_parts: InParts
) -> Measured:
    found = inspect_all(model, data.examples, batch=batch, source=data.root, progress=progress, in_parts=in_parts)
    return Measured(found.evaluation(), found.skipped, lambda: [mistakes_part(wrong_verdicts(found))])


# How each task's models are measured, and what a page about them shows.
_MEASURES: dict[str, Callable[[Any, DataSet, int, bool, InParts], Measured]] = {
    Classifier.task: _classifier,
    Localizer.task: _localizer,
    Detector.task: _detector,
    Inspector.task: _inspector,
}
