"""Training a classifier: its head alone, on features computed once, or the trunk with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from convolens.data import DataSet, read_data, split
from convolens.data.augment import Augmentation, draw_view
from convolens.data.dataset import need_one_label
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.classify import (
    KEPT,
    ClassificationLoss,
    figures,
    log_loss,
    score_pictures,
    targets_of,
    weights_of,
)
from convolens.media.files import AnyPath, make_folder
from convolens.models import load as load_model
from convolens.models.classify import Classifier, classifier
from convolens.models.model_file import BEST
from convolens.training import Batch, Settings, TrainingOptions, fit
from convolens.training.classifier_run import write_classifier_run
from convolens.training.distributed import own_device
from convolens.training.head import train_head
from convolens.training.learning import EVERYTHING, LearningTrunk, Pictures, normalized, side_for, trunk_for
from convolens.training.lesson import Example as Shown
from convolens.training.lesson import stacked
from convolens.training.lesson_run import learned_facts
from convolens.training.run_folder import Run, need_free_run

HEAD = "head"
HEAD_WEIGHT_DECAY, HEAD_BATCH = 0.01, 16  # where only the head learns
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
    augmentation = {"scale": scale, "ratio": ratio, "flip": flip, "color_jitter": color_jitter}
    given = {name: value for name, value in augmentation.items() if value is not None}
    asked: dict[str, Any] = {
        "data": data,
        "trunk": trunk,
        "weights": weights,
        "finetune": finetune,
        "stem": stem,
        "width": width,
        "validation": validation,
    }
    asked |= {"validation": validation, "label_smoothing": label_smoothing, "class_weights": class_weights}
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(f"label_smoothing: need a number from 0 to below 1, got {label_smoothing}")
    if mixup is not None and not (np.isfinite(mixup) and mixup > 0):
        raise ArgumentError(f"mixup: need a number above 0, got {mixup}")
    if finetune == HEAD:
        _need_none(
            {**given, **training, "mixup": mixup, "resume": resume or None}, but=("weight_decay", "seed", "batch")
        )
    settings = Settings(**({**(TRUNK_DEFAULTS if weights is not None else {}), **training}))  # type: ignore[arg-type]
    seen_as = Augmentation(**given)  # type: ignore[arg-type]
    run = need_free_run(out, resume=resume, overwrite=overwrite)
    read = read_data(data)
    multi_label = read.kind != "label"
    if read.kind == "boxes":
        task = "detect" if any(len(example.objects) > 1 for example in read.examples) else "localize"
        raise DataError(f"{read.root}: need pictures with classes, got pictures with boxes; train {task} on them")
    if not multi_label:
        need_one_label(read)
    teaching, held_out = split(read, validation, settings.seed)
    body = trunk_for(trunk, weights, stem, settings.seed, width=width)
    model = classifier(body, classes=read.class_names, taps=taps, seed=settings.seed, multi_label=multi_label)
    model.to(own_device(device))
    skipped = list(dict.fromkeys((*teaching.skipped, *held_out.skipped)))
    loss = ClassificationLoss(multi_label, label_smoothing, weights_of(class_weights, teaching))
    if finetune == HEAD:
        return train_head(
            model,
            teaching,
            held_out,
            run,
            size=size,
            weight_decay=training.get("weight_decay", HEAD_WEIGHT_DECAY),
            batch=_fixed(training.get("batch", HEAD_BATCH)),
            loss=loss.total,
            skipped=skipped,
            settings=asked | {"weight_decay": training.get("weight_decay", HEAD_WEIGHT_DECAY), "seed": settings.seed},
            progress=progress,
        )
    side = side_for(size, teaching)
    model.trunk.preprocessing = model.trunk.preprocessing.cropped(side)
    model.need_room(torch.zeros(1, 3, side, side))
    pictures = Pictures(teaching, side, seen_as, skipped)
    lesson = ClassifyLesson(model, pictures, held_out, finetune, loss, mixup)
    make_folder(run)
    outcome = fit(lesson, settings, run, resume=resume, progress=progress, started=started)
    best = load_model(run / BEST, device=device)
    assert isinstance(best, Classifier)
    scores, used = score_pictures(best, held_out.examples, skipped, source=held_out.root, progress=progress)
    chosen = asked | {"size": side, "mixup": mixup, **asdict(seen_as), **outcome.settings.to_dict()}
    chosen |= {"ended_by": outcome.ended_by, "best_epoch": outcome.best_epoch}
    return write_classifier_run(run, best, held_out, scores, used, chosen, skipped, epochs=len(outcome.rows))


class ClassifyLesson:
    """What the training loop asks of a classifier; see `training.lesson.Lesson`."""

    def __init__(
        self,
        model: Classifier,
        pictures: Pictures,
        held_out: DataSet,
        finetune: str,
        loss: ClassificationLoss,
        mixup: float | None,
    ) -> None:
        self.model, self.pictures, self.held_out = model, pictures, held_out
        self.finetune, self.loss, self.mixup = finetune, loss, mixup
        deepest = max(model.taps, key=model.trunk.taps.index)
        self.part = LearningTrunk(model.trunk, deepest, finetune)
        self.goal = KEPT[model.multi_label][0]
        self.count, self.validation_count = len(pictures), len(held_out)

    def layers(self) -> Sequence[nn.Module]:
        """The trunk's layers that learn."""
        return self.part.layers

    def learning(self) -> None:
        """Into training mode."""
        self.part.train(self.model)

    def name_of(self, number: int) -> str:
        """The file's name."""
        return self.pictures.data.examples[number].path.name

    def example(self, number: int, generator: np.random.Generator) -> Shown | None:
        """A view of a picture, and its classes."""
        loaded = self.pictures.read(number)
        if loaded is None:
            return None
        height, width = loaded.pixels.shape[:2]
        view = draw_view(width, height, self.pictures.augmentation, generator)
        target = targets_of([self.pictures.data.examples[number]], len(self.model.class_names))[0]
        return self.pictures.seen(loaded, view, generator) | {"target": target}

    def collate(self, examples: Sequence[Shown]) -> Batch:
        """Side by side."""
        return stacked(examples)

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Colours changed, normalised, mixed."""
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

    def measure(self, model: nn.Module) -> dict[str, float]:
        """On the validation pictures."""
        assert isinstance(model, Classifier)
        scores, used = score_pictures(model, self.held_out.examples, [], source=self.held_out.root)
        found = figures(model, scores, used)
        loss = {"validation_loss": log_loss(model, scores, used)}
        return loss | {name: found[name] for name in KEPT[model.multi_label]}

    def save(self, model: nn.Module, path: Path, metrics: Mapping[str, float]) -> None:
        """As a model file."""
        assert isinstance(model, Classifier)
        model.metrics = dict(metrics)
        model.save(path)

    def facts(self) -> dict[str, Any]:
        """What a run is known by."""
        weights, data = self.loss.weights, self.pictures.data
        return learned_facts(self.model, self.finetune, data, lambda example: str(example.labels)) | {
            "size": self.pictures.side,
            "label_smoothing": self.loss.label_smoothing,
            "class_weights": None if weights is None else weights.tolist(),
            "mixup": self.mixup,
            "augmentation": self.pictures.augmentation.to_list(),
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
