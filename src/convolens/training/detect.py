"""Training a detector: what is where, many at once, by one loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from convolens.data import DataSet, Example, Loaded, Skipped, read_data, split
from convolens.data.augment_objects import (
    SIDES,
    ObjectAugmentation,
    draw_object_colors,
    draw_objects_view,
    filled,
    objects_in,
)
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.detect import DetectorEvaluation, detect_all
from convolens.media.files import AnyPath, make_folder
from convolens.models.detect import DetectionLoss, Detector
from convolens.models.detect.build import detector
from convolens.models.detect.cost import BoxLoss, Objectness
from convolens.training import Batch, Settings, TrainingOptions
from convolens.training.distributed import own_device
from convolens.training.fit_boxes import fitted_shapes, object_sides
from convolens.training.pictures import EVERYTHING, Pictures, normalized, trunk_for
from convolens.training.run_folder import Run, need_free_run
from convolens.training.run_task import ValidationMetrics, described_boxes, run_task, task_on_trunk
from convolens.training.task import Sample, stacked
from convolens.training.validation_loss import validation_loss
from convolens.trunks import Preprocessing

SIZE = 300  # the paper's
UNCHANGED = ObjectAugmentation(1.0, crop=False, flip=False, color_jitter=0.0)
SAVED_METRICS = ("ap", "ap50", "ap75", "count")


def train_detector(
    data: AnyPath,
    *,
    trunk: str,
    weights: AnyPath | None,
    out: AnyPath,
    taps: Sequence[str] | str | None = None,
    finetune: str = EVERYTHING,
    stem: Literal["full", "small"] = "full",
    width: float = 1.0,
    validation: float | AnyPath | None = None,
    size: int | tuple[int, int] | None = None,
    fit_boxes: bool = False,
    objectness: Objectness = "softmax",
    box_loss: BoxLoss = "smooth_l1",
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    negatives: float = 3.0,
    negatives_when_empty: int = 12,
    zoom_out: float = 4.0,
    crop: bool = True,
    flip: bool = True,
    color_jitter: float = 1.0,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    progress: bool = True,
    **training: Unpack[TrainingOptions],
) -> Run:
    """Trains a detector on pictures with any number of boxes each.

    Args:
        data: pictures with boxes, in a format of `convolens.data`.
        trunk: the trunk's name.
        weights: of the trunk, or a whole detector to go on from, see `convolens.detector`; None for random ones.
        out: the run folder.
        taps: the trunk's maps that are looked at; None takes those of `convolens.detector`.
        finetune: `all`, or the tap that training begins at; what comes before it stays as it is.
        stem: `small` for pictures of about 8 to 64 pixels (ResNets).
        width: features of a ResNet and of the layers after it, as a share of the published numbers.
        validation: the share that is measured on, a list of pictures (`.txt`), or other data. None takes
            the data's own split for it, or a share of 0.2.
        size: pictures are brought to this height and width; one number for both. None takes 300, or what a whole
            detector in `weights` has.
        fit_boxes: default boxes are fitted to the data's objects in place of the published shapes.
        objectness: see `convolens.detector`.
        box_loss: see `convolens.models.detect.DetectionLoss`, like the next five.
        object_weight: of whether there is an object, for `objectness="binary"`.
        class_weight: of which it is.
        box_weight: of where it is.
        negatives: default boxes of background that count for each that is matched to an object.
        negatives_when_empty: how many count in a picture without objects.
        zoom_out: see `convolens.data.augment_objects.ObjectAugmentation`, like the next three.
        crop: whether parts of pictures are shown.
        flip: not for what has a left and a right, such as digits.
        color_jitter: how much light and colours change, as a share of what the paper does.
        resume: goes on from an earlier run in `out`.
        overwrite: replaces an earlier run in `out`, which is otherwise refused.
        device: `auto`, `cpu`, `cuda`, …
        progress: shows a bar with the time left.
        training: see `convolens.training.Settings`.

    Errors as in `convolens.train`.
    """
    started = time.monotonic()
    requested = {
        name: value
        for name, value in locals().items()
        if name not in ("training", "progress", "resume", "overwrite", "started")
    }
    settings, augmentation = Settings(**training), ObjectAugmentation(zoom_out, crop, flip, color_jitter)
    loss = DetectionLoss(box_loss, class_weight, box_weight, object_weight, negatives, negatives_when_empty)
    run = need_free_run(out, resume=resume, overwrite=overwrite)
    read = read_data(data)
    training_data, validation_data = split(read, validation, settings.seed)
    _need_objects(training_data, "to learn from")
    _need_objects(validation_data, "to measure on")
    skipped = list(dict.fromkeys((*training_data.skipped, *validation_data.skipped)))
    body = trunk if (stem, width) == ("full", 1.0) else trunk_for(trunk, weights, stem, settings.seed, width=width)
    make = partial(
        detector, body, size=SIZE if size is None else size, classes=read.class_names, weights=weights,
        taps=taps, objectness=objectness, width=width, seed=settings.seed,
        device="cpu",
    )  # fmt: skip
    model = make()
    make_folder(out)  # before what takes long
    if fit_boxes:
        model = _fitted(make, model, training_data, skipped, settings.seed)
    _need_size(model, size)
    model.to(own_device(device))
    objective, plain = DetectObjective(model, augmentation, loss), DetectObjective(model, UNCHANGED, loss)
    pictures, validation_pictures = (
        Pictures(part, one.least_side, one.view, skipped, one.collate)
        for part, one in ((training_data, objective), (validation_data, plain))
    )

    def measured(one: Detector) -> DetectorEvaluation:
        detected = detect_all(one, validation_data.examples)
        skipped[:] = dict.fromkeys((*skipped, *detected.skipped))
        return detected.evaluation()

    def measure(one: Detector) -> DetectorEvaluation:
        return measured(one).having(validation_loss=validation_loss(validation_pictures, plain, one))

    metrics = ValidationMetrics(measure, SAVED_METRICS, len(validation_data))
    task = task_on_trunk(
        model, pictures, objective, metrics, finetune=finetune, describe=described_boxes, facts=objective.facts()
    )
    return run_task(
        task, settings, run, lambda best: metrics.best or measured(best),
        skipped, requested=requested, resume=resume, device=device, progress=progress, started=started,
    )  # fmt: skip


class DetectObjective:
    """What a detector learns: what is where.

    Args:
        model: the detector, whose default boxes objects are matched to.
        augmentation: how pictures are changed.
        loss: how the parts of the loss are counted and weighed.
    """

    def __init__(self, model: Detector, augmentation: ObjectAugmentation, loss: DetectionLoss) -> None:
        self.model, self.augmentation, self.loss = model, augmentation, loss
        self.fill = fill_of(model.preprocessing)

    @property
    def least_side(self) -> int:
        """The pixels that a decoded picture's shorter side must keep for the smallest crop of it."""
        return math.ceil(max(self.model.size) / (SIDES[0] if self.augmentation.crop else 1))

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """A view of a picture and the objects in it."""
        height, width = loaded.pixels.shape[:2]
        view = draw_objects_view(width, height, loaded.boxes_xyxy, self.augmentation, generator)
        boxes, labels = objects_in(view, loaded.boxes_xyxy, loaded.box_labels)
        colors = draw_object_colors(loaded.pixels, self.augmentation.color_jitter, generator)
        pixels = filled(view, loaded.pixels, self.model.size, self.fill)
        return {
            "picture": torch.from_numpy(pixels.copy()),
            "colors": torch.from_numpy(colors),
            "boxes": torch.from_numpy(boxes),
            "labels": torch.from_numpy(labels),
        }

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Side by side, objects padded to as many as the fullest picture has, with a label of -1."""
        return stacked([{name: one[name] for name in ("picture", "colors")} for one in samples]) | {
            "boxes": pad_sequence([one["boxes"] for one in samples], batch_first=True),
            "labels": pad_sequence([one["labels"] for one in samples], batch_first=True, padding_value=-1),
        }

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Colors changed, normalized; objects matched to default boxes."""
        matches = self.model.match(batch["boxes"], batch["labels"])
        return {"input": normalized(batch, self.model.preprocessing), "matches": matches}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """See `convolens.models.detect.DetectionLoss`."""
        return self.model.counts(batch["matches"], self.loss)

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The parts of the loss."""
        return self.model.losses(network(batch["input"]), batch["matches"], self.loss)

    def facts(self) -> dict[str, Any]:
        """What a run is known by, beside what every run is."""
        return {
            "size": list(self.model.size),
            "default_boxes": [list(map(list, level)) for level in self.model.defaults.shapes],
            "objectness": self.model.objectness,
            "loss": list(asdict(self.loss).values()),
            "augmentation": self.augmentation.to_list(),
        }


def fill_of(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The mean colour that the network's input is taken about, as RGB."""
    red, green, blue = (
        round(255 * value) for value in preprocessing.denormalize(torch.zeros(1, 3, 1, 1)).flatten().tolist()
    )
    return red, green, blue


def _fitted(
    make: Callable[..., Detector], model: Detector, training_data: DataSet, skipped: list[Skipped], seed: int
) -> Detector:
    """A detector with as many default boxes at a cell, their shapes fitted to the objects to learn from."""
    grids = [(level.rows, level.columns) for level in model.defaults.levels]
    count = sum(len(level.shapes) for level in model.defaults.levels)
    shapes = fitted_shapes(object_sides(training_data.examples, skipped), grids, count, seed=seed)
    fitted = make(boxes=shapes)
    if fitted.defaults.shapes != shapes:
        raise ArgumentError("fit_boxes: need a detector made anew, got weights of a whole one, whose boxes stay")
    return fitted


def _need_size(model: Detector, size: int | tuple[int, int] | None) -> None:
    """A whole detector brings its own size."""
    wanted = (size, size) if isinstance(size, int) else size
    if wanted is not None and model.size != tuple(wanted):
        raise ArgumentError(f"size: need the {model.size[0]}×{model.size[1]} pixels of these weights, got {size}")


def _need_objects(data: DataSet, what: str) -> None:
    if data.kind != "boxes":
        raise DataError(f"{data.root}: need pictures with boxes to detect, got classes without; train classify on them")
    if not any(example.objects for example in data.examples):
        raise DataError(f"{data.root}: need objects {what}, got {len(data):,} pictures without any")
