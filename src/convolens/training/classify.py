"""Training a classifier: its head alone, on features computed once, or the trunk with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from convolens.data import Example, Loaded, read_data, split
from convolens.data.augment import Augmentation, draw_view
from convolens.data.dataset import need_one_label
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.classify import (
    SAVED_METRICS,
    ClassificationLoss,
    log_loss,
    metrics_of,
    score_pictures,
    targets_of,
    weights_of,
)
from convolens.evaluation.result import Evaluation
from convolens.media.files import AnyPath
from convolens.models.classify import Classifier, classifier
from convolens.training import Batch, Settings, TrainingOptions
from convolens.training.classifier_run import report_classifier
from convolens.training.distributed import own_device
from convolens.training.head import train_head
from convolens.training.pictures import EVERYTHING, Pictures, least_side, normalized, side_for, trunk_for, viewed
from convolens.training.run_folder import Run, need_free_run
from convolens.training.run_task import ValidationMetrics, run_task, task_on_trunk
from convolens.training.task import Sample

HEAD = "head"
HEAD_WEIGHT_DECAY, HEAD_BATCH = 0.01, 16  # where only the head is trained
TRUNK_DEFAULTS = {"layer_decay": 0.75, "lr": 3e-4}  # where somebody else's weights are adapted: gently


def train_classifier(
    data: AnyPath,
    *,
    trunk: str,
    weights: AnyPath | None,
    out: AnyPath,
    taps: Sequence[str] | str | None = None,
    finetune: str | None = None,
    stem: Literal["full", "small"] = "full",
    width: float = 1.0,
    validation: float | AnyPath | None = None,
    size: int | None = None,
    label_smoothing: float = 0.0,
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None,
    mixup: float | None = None,
    scale: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    flip: bool | None = None,
    color_jitter: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    progress: bool = True,
    **training: Unpack[TrainingOptions],
) -> Run:
    """Trains a pooled linear head on taps of a trunk, and where asked the trunk with it.

    Args:
        data: a folder with one folder of pictures for each class, or any other format of `convolens.data`; where
            pictures may show several classes or none, each class is a question of its own.
        trunk: the trunk's name.
        weights: of the trunk; None for random ones.
        out: the run folder.
        taps: one or several of the trunk's taps, their features side by side; None takes the last.
        finetune: `head`: the trunk stays as it is, its features are computed once, and the best head on them is found
            in seconds; `all`: everything; a tap's name: the trunk at and after it. None is `head` with weights, and
            without them `all`.
        stem: `small` for pictures of about 8 to 64 pixels (ResNets).
        width: features of every layer, as a share of the published numbers (ResNets); less is faster.
        validation: the share of every class that is measured on, a list of pictures (`.txt`), or other
            data. None takes the data's own split for it, or 0.2.
        size: pictures are brought to this side (the shorter side resized, the centre cut out). None takes them, for
            `head`, as the weights' preprocessing leaves them, otherwise to the first picture's shorter side.
        label_smoothing: the share of a picture's label that is spread over all classes.
        class_weights: what a picture of each class counts for: by name, `balanced` for the inverse of how often it
            occurs, or None for 1.
        mixup: of Beta(mixup, mixup) is drawn how two pictures and their labels are mixed; None mixes none. Like all
            that follows, not for `head`, whose pictures are seen once.
        scale: see `convolens.data.augment.Augmentation`, like the next three.
        ratio: of width to height, least and greatest.
        flip: not for what has a left and a right, such as digits and text.
        color_jitter: how much light and colours change.
        resume: goes on from an earlier run in `out`.
        overwrite: replaces an earlier run in `out`, which is otherwise refused.
        device: `auto`, `cpu`, `cuda`, …
        progress: shows a bar with the time left.
        training: see `convolens.training.Settings`. For `head` only `weight_decay`, `seed` and `batch` mean
            anything.

    Errors as in `convolens.train`.
    """
    started = time.monotonic()
    finetune = finetune or (EVERYTHING if weights is None else HEAD)
    requested = {
        name: value
        for name, value in locals().items()
        if name not in ("training", "progress", "resume", "overwrite", "started")
    }
    given = {
        name: value
        for name, value in (("scale", scale), ("ratio", ratio), ("flip", flip), ("color_jitter", color_jitter))
        if value is not None
    }
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(f"label_smoothing: need a number from 0 to below 1, got {label_smoothing}")
    if mixup is not None and not (np.isfinite(mixup) and mixup > 0):
        raise ArgumentError(f"mixup: need a number above 0, got {mixup}")
    if finetune == HEAD:
        _need_none(
            {**given, **training, "mixup": mixup, "resume": resume or None}, but=("weight_decay", "seed", "batch")
        )
    settings = Settings(**({**(TRUNK_DEFAULTS if weights is not None else {}), **training}))  # type: ignore[arg-type]
    augmentation = Augmentation(**given)  # type: ignore[arg-type]
    run = need_free_run(out, resume=resume, overwrite=overwrite)
    read = read_data(data)
    multi_label = read.kind != "label"
    if read.kind == "boxes":
        other = "detect" if any(len(example.objects) > 1 for example in read.examples) else "localize"
        raise DataError(f"{read.root}: need pictures with classes, got pictures with boxes; train {other} on them")
    if not multi_label:
        need_one_label(read)
    training_data, validation_data = split(read, validation, settings.seed)
    body = trunk_for(trunk, weights, stem, settings.seed, width=width)
    model = classifier(body, classes=read.class_names, taps=taps, seed=settings.seed, multi_label=multi_label)
    model.to(own_device(device))
    skipped = list(dict.fromkeys((*training_data.skipped, *validation_data.skipped)))
    loss = ClassificationLoss(multi_label, label_smoothing, weights_of(class_weights, training_data))
    if finetune == HEAD:
        return train_head(
            model,
            training_data,
            validation_data,
            run,
            size=size,
            weight_decay=training.get("weight_decay", HEAD_WEIGHT_DECAY),
            batch=_fixed(training.get("batch", HEAD_BATCH)),
            loss=loss.total,
            skipped=skipped,
            settings=requested | {"seed": settings.seed},
            progress=progress,
        )
    side = side_for(size, training_data)
    model.trunk.preprocessing = model.trunk.preprocessing.cropped(side)
    model.trunk.need_size(model.taps, (side, side), "size")
    objective = ClassifyObjective(model, side, augmentation, loss, mixup)

    def measure(one: Classifier) -> Evaluation:
        scores, used, _ = score_pictures(one, validation_data.examples, source=validation_data.root)
        return metrics_of(one, scores, used).having(validation_loss=log_loss(one, scores, used))

    def report(best: Classifier) -> Evaluation:
        scores, used, lost = score_pictures(
            best, validation_data.examples, source=validation_data.root, progress=progress
        )
        skipped[:] = dict.fromkeys((*skipped, *lost))
        return report_classifier(best, run, scores, used)

    task = task_on_trunk(
        model, Pictures(training_data, least_side(side, augmentation), objective.view, skipped), objective,
        ValidationMetrics(measure, SAVED_METRICS[multi_label], len(validation_data)),
        finetune=finetune, describe=lambda example: str(example.labels), facts=objective.facts(),
    )  # fmt: skip
    return run_task(
        task, settings, run, report, skipped, requested=requested | {"size": side} | asdict(augmentation),
        resume=resume, device=device, progress=progress, started=started,
    )  # fmt: skip


class ClassifyObjective:
    """What a classifier learns: what is in a picture.

    Args:
        model: the classifier.
        side: of what the network sees, in pixels.
        augmentation: how pictures are changed.
        loss: of scores and targets.
        mixup: see `train_classifier`.
    """

    def __init__(
        self, model: Classifier, side: int, augmentation: Augmentation, loss: ClassificationLoss, mixup: float | None
    ) -> None:
        self.model, self.side, self.augmentation, self.loss, self.mixup = model, side, augmentation, loss, mixup

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """A view of a picture, and its classes."""
        height, width = loaded.pixels.shape[:2]
        view = draw_view(width, height, self.augmentation, generator)
        target = targets_of([example], len(self.model.class_names))[0]
        return viewed(loaded, view, self.side, self.augmentation, generator) | {"target": target}

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Colors changed, normalized, mixed."""
        pictures, targets = normalized(batch, self.model.preprocessing), batch["target"]
        if self.mixup is not None:
            pictures, targets = mixed(pictures, targets, self.mixup, generator)
        return {"input": pictures, "target": targets}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Pictures."""
        return {"class": float(len(batch["target"]))}

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The classes' loss."""
        return {"class": self.loss.total(network(batch["input"]).float(), batch["target"])}

    def facts(self) -> dict[str, Any]:
        """What a run is known by, beside what every run is."""
        weights = self.loss.weights
        return {
            "size": self.side,
            "label_smoothing": self.loss.label_smoothing,
            "class_weights": None if weights is None else weights.tolist(),
            "mixup": self.mixup,
            "augmentation": self.augmentation.to_list(),
        }


def mixed(pictures: Tensor, targets: Tensor, alpha: float, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each picture and its labels mixed with another's of the batch, all by one share.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, eq. 1.
    """
    share = float(generator.beta(alpha, alpha))
    others = torch.from_numpy(generator.permutation(len(pictures))).to(pictures.device)
    return pictures.lerp(pictures[others], 1 - share), targets.lerp(targets[others], 1 - share)


def _need_none(options: Mapping[str, Any], but: Sequence[str]) -> None:
    for name, value in options.items():
        if value is not None and name not in but:
            raise ArgumentError(
                f"{name}: means nothing where only the head learns, whose features are computed once, got {value!r}; "
                "give finetune='all' or a tap"
            )


def _fixed(batch: int | str) -> int:
    if not isinstance(batch, int):
        raise ArgumentError(f"batch: need a whole number where only the head learns, got {batch!r}")
    return batch
