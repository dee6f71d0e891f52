"""Training a detector: what is where, many at once, by one loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from convolens.data import DataSet, Example, Loaded
from convolens.data.augment_objects import (
    SIDES,
    ObjectAugmentation,
    draw_object_colors,
    draw_objects_view,
    filled,
    objects_in,
)
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.detect import detect_all
from convolens.media.files import make_folder
from convolens.models.detect import DetectionLoss, Detector
from convolens.models.detect.build import detector
from convolens.models.detect.loss import BoxLoss, Objectness
from convolens.training.fit_boxes import fitted_shapes, object_sides
from convolens.training.pictures import normalized
from convolens.training.request import Request
from convolens.training.run_folder import Run
from convolens.training.run_task import run_on_boxes
from convolens.training.task import Batch, Sample, stacked
from convolens.trunks import Preprocessing
from convolens.trunks.options import pick_device

SIZE = 300  # the paper's
UNCHANGED = ObjectAugmentation(1.0, crop=False, flip=False, color_jitter=0.0)
SAVED_METRICS = ("ap", "ap50", "ap75", "count")


def train_detector(
    request: Request,
    *,
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
) -> Run:
    """Trains a detector on pictures with any number of boxes. Options and errors are those of `convolens.train`."""
    own = {name: value for name, value in locals().items() if name != "request"}
    settings, augmentation = request.settings(), ObjectAugmentation(zoom_out, crop, flip, color_jitter)
    loss = DetectionLoss(box_loss, class_weight, box_weight, object_weight, negatives, negatives_when_empty)
    request.need_free_run()
    data = request.datasets(settings.seed, _need_objects)
    plain_trunk = (request.stem, request.width) == ("full", 1.0)
    make = partial(
        detector, request.trunk if plain_trunk else request.make_trunk(settings.seed),
        size=SIZE if request.size is None else request.size, classes=data[0].class_names, weights=request.weights,
        taps=request.taps, objectness=objectness, width=request.width, seed=settings.seed, device="cpu",
    )  # fmt: skip
    model = make()
    make_folder(request.run)  # before what takes long
    if fit_boxes:
        model = _fitted(make, model, data[0], settings.seed)
    _need_size(model, request.size)
    model.to(pick_device(request.device))
    objectives = DetectObjective(model, augmentation, loss), DetectObjective(model, UNCHANGED, loss)
    return run_on_boxes(request, settings, model, data, objectives, detect_all, SAVED_METRICS, own)


class DetectObjective:
    """What is minimized to detect: the loss of what is where.

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
        """Draws a view of a picture, with the objects in it."""
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
        """Stacks samples, objects padded to as many as the fullest picture has, with a label of -1."""
        return stacked([{name: one[name] for name in ("picture", "colors")} for one in samples]) | {
            "boxes": pad_sequence([one["boxes"] for one in samples], batch_first=True),
            "labels": pad_sequence([one["labels"] for one in samples], batch_first=True, padding_value=-1),
        }

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Changes colors, normalizes, and matches objects to default boxes."""
        matches = self.model.match(batch["boxes"], batch["labels"])
        return {"input": normalized(batch, self.model.preprocessing), "matches": matches}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Counts as `convolens.models.detect.DetectionLoss` does."""
        return self.model.counts(batch["matches"], self.loss)

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Returns the parts of the loss."""
        return self.model.losses(network(batch["input"]), batch["matches"], self.loss)

    def facts(self) -> dict[str, Any]:
        """Returns what must be the same for a run to be resumed, beside what must be in every task."""
        return {
            "size": list(self.model.size),
            "default_boxes": [list(map(list, level)) for level in self.model.defaults.shapes],
            "objectness": self.model.objectness,
            "loss": list(asdict(self.loss).values()),
            "augmentation": self.augmentation.to_list(),
        }


def fill_of(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """Returns the mean color that the network's input is normalized about, as RGB."""
    red, green, blue = (
        round(255 * value) for value in preprocessing.denormalize(torch.zeros(1, 3, 1, 1)).flatten().tolist()
    )
    return red, green, blue


def _fitted(make: Callable[..., Detector], model: Detector, training_data: DataSet, seed: int) -> Detector:
    """Makes a detector with as many default boxes at a cell, their shapes fitted to the training set's objects."""
    grids = [(level.rows, level.columns) for level in model.defaults.levels]
    count = sum(len(level.shapes) for level in model.defaults.levels)
    shapes = fitted_shapes(object_sides(training_data.examples), grids, count, seed=seed)
    fitted = make(boxes=shapes)
    if fitted.defaults.shapes != shapes:
        raise ArgumentError("fit_boxes: need a detector made anew, got weights of a whole one, whose boxes stay")
    return fitted


def _need_size(model: Detector, size: int | tuple[int, int] | None) -> None:
    """Refuses another size than the one that a whole detector brings."""
    wanted = (size, size) if isinstance(size, int) else size
    if wanted is not None and model.size != tuple(wanted):
        raise ArgumentError(f"size: need the {model.size[0]}×{model.size[1]} pixels of these weights, got {size}")


def _need_objects(data: DataSet) -> None:
    if data.kind != "boxes":
        raise DataError(f"{data.root}: need pictures with boxes to detect, got classes without; train classify on them")
    if not any(example.objects for example in data.examples):
        raise DataError(
            f"{data.root}: need objects to train and to validate on, got {len(data):,} pictures without any"
        )
