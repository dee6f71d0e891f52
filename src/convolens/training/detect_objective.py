"""What is minimized to detect: the loss of what is where, over views of pictures with many objects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from convolens.data import Example, Loaded
from convolens.data.augment_objects import (
    SIDES,
    ObjectAugmentation,
    draw_object_colors,
    draw_objects_view,
    filled,
    objects_in,
)
from convolens.models.detect import DetectionLoss, Detector
from convolens.training.pictures import normalized
from convolens.training.task import Batch, Sample, stacked
from convolens.trunks import Preprocessing


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
        return stacked([{name: one[name] for name in ("picture", "colors")} for one in samples]) | padded_objects(
            samples
        )

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
        return detector_facts(self.model, self.loss) | {"augmentation": self.augmentation.to_list()}


def padded_objects(samples: Sequence[Sample]) -> Batch:
    """Boxes and labels of a batch, as many of each as the fullest view has; what fills up has a label of -1."""
    return {
        "boxes": pad_sequence([one["boxes"] for one in samples], batch_first=True),
        "labels": pad_sequence([one["labels"] for one in samples], batch_first=True, padding_value=-1),
    }


def detector_facts(model: Detector, loss: DetectionLoss) -> dict[str, Any]:
    """What of a detector and its loss must be the same for a run to be resumed."""
    return {
        "size": list(model.size),
        "default_boxes": [list(map(list, level)) for level in model.defaults.shapes],
        "objectness": model.objectness,
        "loss": list(asdict(loss).values()),
    }


def fill_of(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """Returns the mean color that the network's input is normalized about, as RGB."""
    red, green, blue = (
        round(255 * value) for value in preprocessing.denormalize(torch.zeros(1, 3, 1, 1)).flatten().tolist()
    )
    return red, green, blue
