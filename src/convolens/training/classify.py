"""Training a classifier: its head alone, on features computed once, or the trunk with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from convolens.arrays import as_real, as_whole
from convolens.data import DataSet, Example, Loaded
from convolens.data.augment import Augmentation, draw_view
from convolens.data.augment_sounds import SoundAugmentation
from convolens.data.dataset import need_one_label
from convolens.data.sounds import by_hearing, is_of_sounds
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.classify import SAVED_METRICS, ClassificationLoss, score_pictures, targets_of, weights_of
from convolens.models.classify import Classifier, classifier
from convolens.training.chosen import input_size, suited_tap
from convolens.training.classifier_run import measured
from convolens.training.familiar import described, remember
from convolens.training.head import HEAD_SETTINGS, train_head
from convolens.training.pictures import EVERYTHING, PictureCache, Pictures, least_side, normalized, side_for, viewed
from convolens.training.request import Request
from convolens.training.run_folder import Run
from convolens.training.run_task import Measured, Validation, run_task
from convolens.training.sounds import (
    hearing_of,
    hearing_trunk,
    need_own,
    need_two_of_each,
)
from convolens.training.task import Batch, Sample, stacked
from convolens.trunks import Trunk
from convolens.trunks.options import pick_device

HEAD = "head"
DESCRIBED_AT_ONCE = 16  # pictures, when statistics are taken of them
TRUNK_DEFAULTS = {"layer_decay": 0.75, "lr": 3e-4}  # where somebody else's weights are adapted: gently


def train_classifier(
    request: Request,
    *,
    label_smoothing: float = 0.0,
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None,
    mixup: float | None = None,
    scale: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    flip: bool | None = None,
    color_jitter: float | None = None,
    folds: int | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    bands: int | None = None,
    noise: float | None = None,
    masks: int | None = None,
) -> Run:
    """Trains a pooled linear head on taps of a trunk, and where requested the trunk with it.

    Where pictures may show several classes or none, each class is decided for itself. Sounds become pictures of time
    and pitch, and are changed as sounds vary. Options and errors are those
    of `convolens.train`.
    """
    own = {name: value for name, value in locals().items() if name != "request"}
    changes = {"scale": scale, "ratio": ratio, "flip": flip, "color_jitter": color_jitter}
    changes = {name: value for name, value in changes.items() if value is not None}
    heard = {name: value for name, value in (("noise", noise), ("masks", masks)) if value is not None}
    as_real(label_smoothing, "label_smoothing", "a number from 0 to below 1", lambda value: 0 <= value < 1)
    if mixup is not None:
        as_real(mixup, "mixup", "a number above 0", lambda value: value > 0)
    head_alone = (request.finetune or (EVERYTHING if request.weights is None else HEAD)) == HEAD
    if head_alone:
        _need_none(
            {**changes, **heard, **request.training, "mixup": mixup, "resume": request.resume or None},
            but=HEAD_SETTINGS,
        )
    if folds is not None:
        _need_folds(request, folds, head_alone)
    settings = request.settings(**(TRUNK_DEFAULTS if request.weights is not None else {}))
    augmentation, of_sounds = Augmentation(**changes), SoundAugmentation(**heard)  # type: ignore[arg-type]
    request.need_free_run()
    data = request.datasets(settings.seed, _need_classes)
    need_own(data[0], changes | {"size": request.size}, heard | {"rate": rate, "seconds": seconds, "bands": bands})
    hearing = hearing_of(data[0], rate, seconds, bands) if is_of_sounds(data[0]) else None
    if hearing is not None:
        need_two_of_each(data[0].having((*data[0].examples, *data[1].examples)))
        data = (by_hearing(data[0], hearing), by_hearing(data[1], hearing))
    training_data, validation_data = data
    trunk = request.make_trunk(settings.seed, channels=3 if hearing is None else 1)
    trunk = trunk if hearing is None else hearing_trunk(trunk, hearing)
    taps = _chosen_tap(request, trunk, training_data, head_alone) if request.taps is None else request.taps
    model = classifier(
        trunk, classes=training_data.class_names, taps=taps, seed=settings.seed,
        multi_label=training_data.kind != "label",
    )  # fmt: skip
    model.to(pick_device(request.device))
    weighed = training_data
    if folds is not None:  # the head that is kept learns all of it
        weighed = training_data.having((*training_data.examples, *validation_data.examples))
    loss = ClassificationLoss(model.multi_label, label_smoothing, weights_of(class_weights, weighed))
    if head_alone:
        return train_head(request, model, data, loss.total, own | {"seed": settings.seed}, folds)
    size: int | tuple[int, int]
    how: Augmentation | SoundAugmentation
    if hearing is not None:
        size, how = (hearing.bands, hearing.columns), of_sounds
        model.trunk.need_size(model.taps, size, "seconds")
    else:
        size, how = side_for(request.side, training_data), augmentation
        model.trunk.preprocessing = model.trunk.preprocessing.cropped(size)
        model.trunk.need_size(model.taps, (size, size), "size")
    objective = ClassifyObjective(model, size, how, loss, mixup)
    pictures = Pictures(training_data, objective, PictureCache())

    def measure(one: Classifier) -> Measured:
        scores, used, skipped = score_pictures(one, validation_data.examples, source=validation_data.root)
        return measured(one, scores, used, (*validation_data.skipped, *skipped))

    validation = Validation(measure, SAVED_METRICS[model.multi_label], len(validation_data))
    requested = own | {"size": size} | asdict(how) | ({} if hearing is None else {"sound": hearing.to_dict()})

    def finish(best: Classifier) -> None:
        batch = DESCRIBED_AT_ONCE
        learned = described(best, training_data, batch, "what was learned", request.progress)
        kept_out = described(best, validation_data, batch, "what was kept out", request.progress)
        remember(best, learned, kept_out, settings.seed, request.say)

    return run_task(request, settings, model, pictures, objective, validation, requested, finish)


class ClassifyObjective:
    """What is minimized to classify: the loss of which classes a picture shows.

    Args:
        model: the classifier.
        side: of the network's input, in pixels; of sounds, bands and columns.
        augmentation: how pictures are changed, or sounds.
        loss: of scores and targets.
        mixup: see `train_classifier`.
    """

    def __init__(
        self,
        model: Classifier,
        side: int | tuple[int, int],
        augmentation: Augmentation | SoundAugmentation,
        loss: ClassificationLoss,
        mixup: float | None,
    ) -> None:
        self.model, self.side, self.augmentation, self.loss, self.mixup = model, side, augmentation, loss, mixup

    collate = staticmethod(stacked)

    @property
    def least_side(self) -> int:
        """The pixels that the augmentation needs of a decoded picture's shorter side."""
        if isinstance(self.augmentation, SoundAugmentation) or isinstance(self.side, tuple):
            return 1
        return least_side(self.side, self.augmentation)

    def view(self, example: Example, loaded: Loaded, generator: np.random.Generator) -> Sample:
        """Draws a view of a picture, with its classes."""
        if isinstance(self.augmentation, SoundAugmentation):
            return self._heard(example, loaded, self.augmentation, generator)
        assert isinstance(self.side, int)
        height, width = loaded.pixels.shape[:2]
        view = draw_view(width, height, self.augmentation, generator)
        target = targets_of([example], len(self.model.class_names))[0]
        return viewed(loaded, view, self.side, self.augmentation, generator) | {"target": target}

    def _heard(
        self, example: Example, loaded: Loaded, augmentation: SoundAugmentation, generator: np.random.Generator
    ) -> Sample:
        """Draws a view of a sound; of noise alone no class is likelier than another, or none is there."""
        hearing, classes = self.model.preprocessing.sound, len(self.model.class_names)
        assert hearing is not None
        levels, shows = augmentation.view(loaded.pixels[:, :, 0], hearing, generator)
        target = targets_of([example], classes)[0]
        if not shows:
            target = torch.full_like(target, 0.0 if self.model.multi_label else 1 / classes)
        return {"picture": torch.from_numpy(levels), "target": target}

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Changes colors, normalizes and mixes."""
        preprocessing, targets = self.model.preprocessing, batch["target"]
        if preprocessing.sound is None:
            pictures = normalized(batch, preprocessing)
        else:
            pictures = preprocessing.normalize(batch["picture"][:, None].float() / 255)
        if self.mixup is not None:
            pictures, targets = mixed(pictures, targets, self.mixup, generator)
        return {"input": pictures, "target": targets}

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Counts pictures."""
        return {"class": float(len(batch["target"]))}

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Returns the classes' loss."""
        return {"class": self.loss.total(network(batch["input"]).float(), batch["target"])}

    def facts(self) -> dict[str, Any]:
        """Returns what must be the same for a run to be resumed, beside what must be in every task."""
        weights = self.loss.weights
        return {
            "size": self.side if isinstance(self.side, int) else list(self.side),
            "label_smoothing": self.loss.label_smoothing,
            "class_weights": None if weights is None else weights.tolist(),
            "mixup": self.mixup,
            "augmentation": self.augmentation.to_list(),
        }


def mixed(pictures: Tensor, targets: Tensor, alpha: float, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mixes each picture and its labels with another's of the batch, all by one fraction.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, eq. 1.
    """
    fraction = float(generator.beta(alpha, alpha))
    others = torch.from_numpy(generator.permutation(len(pictures))).to(pictures.device)
    return pictures.lerp(pictures[others], 1 - fraction), targets.lerp(targets[others], 1 - fraction)


def _chosen_tap(request: Request, trunk: Trunk, data: DataSet, head_alone: bool) -> str | None:
    """A tap that suits the pictures, where the trunk was chosen too; else None, which is the last."""
    if not request.chosen:
        return None
    if trunk.preprocessing.sound is not None:
        return suited_tap(trunk, trunk.preprocessing.sound.bands, trunk.preprocessing.sound.columns)
    if not head_alone:
        side = side_for(request.side, data)
        return suited_tap(trunk, side, side)
    preprocessing = trunk.preprocessing if request.side is None else trunk.preprocessing.cropped(request.side)
    size = input_size(preprocessing, data)
    return suited_tap(trunk, *size) if size else None


def _need_folds(request: Request, folds: int, head_alone: bool) -> None:
    """Refuses folds where every one of them would be a training of its own, or where there is nothing to fold."""
    least = 2 if "weight_decay" in request.training else 3  # where it is to be chosen, heads leave out two folds
    as_whole(folds, "folds", least)
    if not head_alone:
        raise ArgumentError("folds: need finetune='head', which is measured so at little cost, got a trunk to train")
    if request.validation is not None:
        raise ArgumentError("validation: need none beside folds, which validate on every picture once; leave it out")


def _need_none(options: Mapping[str, Any], but: Sequence[str]) -> None:
    for name, value in options.items():
        if value is not None and name not in but:
            raise ArgumentError(
                f"{name}: means nothing where only the head is trained, on features computed once, got {value!r}; "
                "give finetune='all' or a tap"
            )


def _need_classes(data: DataSet) -> None:
    if data.kind == "boxes":
        other = "detect" if any(len(example.objects) > 1 for example in data.examples) else "localize"
        raise DataError(f"{data.root}: need pictures with classes, got pictures with boxes; train {other} on them")
    if data.kind == "label":
        need_one_label(data)
