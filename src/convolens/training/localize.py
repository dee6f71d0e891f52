"""Training a localizer: whether there is an object, which, and where, by one loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convolens.data import DataSet, Example, Loaded
from convolens.data.augment import UNCHANGED, Augmentation, draw_view, view_keeping
from convolens.errors import ArgumentError, DataError, need_one_of
from convolens.evaluation.localize import locate_all
from convolens.models.localize import BOX_LOSSES, HIDDEN, localizer, losses
from convolens.training.pictures import least_side, normalized, side_for, stretched, viewed
from convolens.training.request import Request
from convolens.training.run_folder import Run
from convolens.training.run_task import run_on_boxes
from convolens.training.task import Batch, Sample, stacked
from convolens.trunks import Preprocessing
from convolens.trunks.options import pick_device

SAVED_METRICS = ("quality", "object_accuracy", "class_accuracy", "mean_iou", "count")


def train_localizer(
    request: Request,
    *,
    hidden: int = HIDDEN,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    box_loss: str = "giou",
    scale: tuple[float, float] = (0.6, 1.4),
    ratio: tuple[float, float] = (1 / 1.2, 1.2),
    flip: bool = True,
    color_jitter: float = 0.2,
) -> Run:
    """Trains a localizer on pictures with a box each, or none. Options and errors are those of `convolens.train`."""
    own = {name: value for name, value in locals().items() if name != "request"}
    settings, augmentation = request.settings(), Augmentation(scale, ratio, flip, color_jitter)
    part_weights = {"object": object_weight, "class": class_weight, "box": box_weight}
    _check_loss(part_weights, box_loss)
    request.need_free_run()
    data = request.datasets(settings.seed, _need_one_box)
    trunk = request.make_trunk(settings.seed)
    side = side_for(request.side, data[0])
    trunk.preprocessing = stretched(trunk.preprocessing, side)
    model = localizer(trunk, classes=data[0].class_names, taps=request.taps, hidden=hidden, seed=settings.seed)
    model.to(pick_device(request.device))
    objective, plain = (
        LocalizeObjective(model.preprocessing, side, one, part_weights, box_loss) for one in (augmentation, UNCHANGED)
    )
    return run_on_boxes(request, settings, model, data, (objective, plain), locate_all, SAVED_METRICS, own)


class LocalizeObjective:
    """What is minimized to localize: the loss of whether there is an object, which, and where.

    Args:
        preprocessing: of the model.
        side: of the network's input, in pixels.
        augmentation: how pictures are changed.
        weights: of the parts of the loss, by name.
        box_loss: one of `BOX_LOSSES`.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        side: int,
        augmentation: Augmentation,
        weights: Mapping[str, float],
        box_loss: str,
    ) -> None:
        self.preprocessing, self.side, self.augmentation = preprocessing, side, augmentation
        self.weights, self.box_loss = dict(weights), box_loss

    collate = staticmethod(stacked)

    @property
    def least_side(self) -> int:
        """The pixels that the augmentation needs of a decoded picture's shorter side."""
        return least_side(self.side, self.augmentation)

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """Draws a view of a picture in which all of its object is, if it has one."""
        height, width = loaded.pixels.shape[:2]
        if len(loaded.boxes_xyxy):
            x1, y1, x2, y2 = loaded.boxes_xyxy[0].tolist()
            view = view_keeping((x1, y1, x2, y2), width, height, self.augmentation, generator)
            box, label = view.boxes(loaded.boxes_xyxy)[0], int(loaded.box_labels[0])
        else:
            view = draw_view(width, height, self.augmentation, generator)
            box, label = np.zeros(4, np.float32), -1
        center, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        return viewed(loaded, view, self.side, self.augmentation, generator) | {
            "box": torch.from_numpy(np.concatenate([center, size])),
            "label": torch.tensor(max(label, 0)),
            "present": torch.tensor(label >= 0),
        }

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Changes colors and normalizes."""
        return batch | {"input": normalized(batch, self.preprocessing)}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Counts all pictures for objectness, those with an object for the rest."""
        present = float(batch["present"].sum())
        return {"object": float(len(batch["present"])), "class": present, "box": present}

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Returns the three parts of the loss."""
        found = losses(
            network(batch["input"], pooled=False).float(),
            batch["present"],
            batch["label"],
            batch["box"],
            object_weight=self.weights["object"],
            class_weight=self.weights["class"],
            box_weight=self.weights["box"],
            box_loss=self.box_loss,
        )
        return {"object": found.object, "class": found.classes, "box": found.box}

    def facts(self) -> dict[str, Any]:
        """Returns what must be the same for a run to be resumed, beside what must be in every task."""
        return {
            "size": self.side,
            "loss": [*self.weights.values(), self.box_loss],
            "augmentation": self.augmentation.to_list(),
        }


def _check_loss(weights: Mapping[str, float], box_loss: str) -> None:
    for name, weight in weights.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise ArgumentError(f"{name}_weight: need a finite number of at least 0, got {weight}")
    if not any(weights.values()):
        raise ArgumentError("weights: need a part of the loss that counts, got 0 for object, class and box")
    need_one_of("box_loss", box_loss, BOX_LOSSES)


def _need_one_box(data: DataSet) -> None:
    if data.kind != "boxes":
        raise DataError(
            f"{data.root}: need pictures with boxes to localize, got classes without; train classify on them"
        )
    for example in data.examples:
        if len(example.objects) > 1:
            raise DataError(
                f"{example.path}: need one object or none to localize, got {len(example.objects)}; train detect on them"
            )
    if not any(example.objects for example in data.examples):
        raise DataError(f"{data.root}: need pictures with an object, got none")
