"""Training a localizer: whether there is an object, which, and where, by one loss."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from convolens.data import DataSet, Example, Loaded, read_data, split
from convolens.data.augment import UNCHANGED, Augmentation, draw_view, view_keeping
from convolens.errors import ArgumentError, DataError, need_one_of
from convolens.evaluation.localize import LocalizerEvaluation, locate_all
from convolens.media.files import AnyPath
from convolens.models.localize import BOX_LOSSES, HIDDEN, Localizer, localizer, losses
from convolens.training import Batch, Settings, TrainingOptions
from convolens.training.distributed import own_device
from convolens.training.pictures import (
    EVERYTHING,
    Pictures,
    least_side,
    normalized,
    side_for,
    stretched,
    trunk_for,
    viewed,
)
from convolens.training.run_folder import Run, need_free_run
from convolens.training.run_task import ValidationMetrics, described_boxes, run_task, task_on_trunk
from convolens.training.task import Sample
from convolens.training.validation_loss import validation_loss
from convolens.trunks import Preprocessing

SAVED_METRICS = ("quality", "object_accuracy", "class_accuracy", "mean_iou", "count")


def train_localizer(
    data: AnyPath,
    *,
    trunk: str,
    weights: AnyPath | None,
    out: AnyPath,
    taps: str | Sequence[str] | None = None,
    finetune: str = EVERYTHING,
    hidden: int = HIDDEN,
    stem: Literal["full", "small"] = "full",
    width: float = 1.0,
    validation: float | AnyPath | None = None,
    size: int | None = None,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    box_loss: str = "giou",
    scale: tuple[float, float] = (0.6, 1.4),
    ratio: tuple[float, float] = (1 / 1.2, 1.2),
    flip: bool = True,
    color_jitter: float = 0.2,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    progress: bool = True,
    **training: Unpack[TrainingOptions],
) -> Run:
    """Trains a localizer on pictures with a box each, or none.

    Args:
        data: pictures with boxes, in a format of `convolens.data`; at most one box a picture.
        trunk: the trunk's name.
        weights: of the trunk; None for random ones.
        out: the run folder.
        taps: one tap, whose cells are asked; None takes the last.
        finetune: `all`, or the tap that training begins at; what comes before it stays as it is.
        hidden: features between the tap and what is said of it.
        stem: `small` for pictures of about 8 to 64 pixels (ResNets).
        width: features of every layer, as a share of the published numbers (ResNets); less is faster.
        validation: the share that is measured on, a list of pictures (`.txt`), or other data. None takes
            the data's own split for it, or a share of 0.2.
        size: pictures are brought to a square of this side; None takes the first picture's shorter side.
        object_weight: of the first part of the loss, whether there is an object (binary cross-entropy).
        class_weight: of the second, which it is (cross-entropy).
        box_weight: of the third, where it is.
        box_loss: `giou`, `mse`, `l1` or `smooth_l1`.
        scale: see `convolens.data.augment.Augmentation`, like the next three.
        ratio: of width to height, least and greatest.
        flip: not for what has a left and a right, such as digits.
        color_jitter: how much light and colours change.
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
    settings, augmentation = Settings(**training), Augmentation(scale, ratio, flip, color_jitter)
    part_weights = {"object": object_weight, "class": class_weight, "box": box_weight}
    _check_loss(part_weights, box_loss)
    run = need_free_run(out, resume=resume, overwrite=overwrite)
    read = read_data(data)
    _need_one_box(read)
    training_data, validation_data = split(read, validation, settings.seed)
    _need_one_box(validation_data)
    body = trunk_for(trunk, weights, stem, settings.seed, width=width)
    side = side_for(size, training_data)
    body.preprocessing = stretched(body.preprocessing, side)
    model = localizer(body, classes=read.class_names, taps=taps, hidden=hidden, seed=settings.seed)
    model.to(own_device(device))
    skipped = list(dict.fromkeys((*training_data.skipped, *validation_data.skipped)))
    objective, plain = (
        LocalizeObjective(model.preprocessing, side, one, part_weights, box_loss) for one in (augmentation, UNCHANGED)
    )
    pictures, validation_pictures = (
        Pictures(part, least_side(side, one.augmentation), one.view, skipped)
        for part, one in ((training_data, objective), (validation_data, plain))
    )

    def measured(one: Localizer) -> LocalizerEvaluation:
        located = locate_all(one, validation_data.examples)
        skipped[:] = dict.fromkeys((*skipped, *located.skipped))
        return located.evaluation()

    def measure(one: Localizer) -> LocalizerEvaluation:
        return measured(one).having(validation_loss=validation_loss(validation_pictures, plain, one))

    metrics = ValidationMetrics(measure, SAVED_METRICS, len(validation_data))
    task = task_on_trunk(
        model, pictures, objective, metrics, finetune=finetune, describe=described_boxes, facts=objective.facts()
    )
    return run_task(
        task, settings, run, lambda best: metrics.best or measured(best),
        skipped, requested=requested, resume=resume, device=device, progress=progress, started=started,
    )  # fmt: skip


class LocalizeObjective:
    """What a localizer learns: whether there is an object, which, and where.

    Args:
        preprocessing: of the model.
        side: of what the network sees, in pixels.
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

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """A view of a picture in which all of its object is, if it has one."""
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
        """Colors changed, normalized."""
        return batch | {"input": normalized(batch, self.preprocessing)}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """All pictures for objectness, those with an object for the rest."""
        present = float(batch["present"].sum())
        return {"object": float(len(batch["present"])), "class": present, "box": present}

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The three parts of the loss."""
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
        """What a run is known by, beside what every run is."""
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
