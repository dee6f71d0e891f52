"""How good a classifier is on pictures with known classes, and the loss it is trained by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from convolens.arrays import as_real
from convolens.data import DataSet, Example, Skipped
from convolens.data.loading import read_usable_batches
from convolens.data.model_inputs import model_batches
from convolens.effects.sounds.hearing import hears
from convolens.errors import ArgumentError, need_one_of
from convolens.evaluation.in_parts import InParts, by_processes
from convolens.evaluation.metrics import (
    HeardEvaluation,
    HeardMultiLabelEvaluation,
    classification_metrics,
    multi_label_metrics,
)
from convolens.evaluation.result import Evaluation, need_usable
from convolens.exported import ExportedClassifier
from convolens.media.pixels import as_pixels
from convolens.models.classify import Classifier
from convolens.models.inputs import evaluating
from convolens.progress import track

# Numbers that go into the model file and, after each step or epoch, into metrics.csv; by whether it is multi-label.
SAVED_METRICS = {False: ("top1", "macro_f1", "ece", "count"), True: ("mean_ap", "macro_f1", "exact", "count")}


class Scored(NamedTuple):
    """The probability of each class `(pictures, classes)` for the examples that could be used, and those skipped."""

    scores: NDArray[Any]
    examples: list[Example]
    skipped: list[Skipped]


def score_pictures(
    model: Classifier | ExportedClassifier,
    examples: Sequence[Example],
    *,
    batch: int = 16,
    source: object = "data",
    progress: bool = False,
    in_parts: InParts = by_processes,
) -> Scored:
    """Runs the model over examples; of several processes that were joined each over its part, and each has all.

    Args:
        model: a classifier.
        examples: what to measure on.
        batch: pictures of one size that go through the network at once.
        source: what errors are about.
        progress: shows a bar.
        in_parts: who does which of them.

    Raises:
        DataError: none of them can be used.
    """
    scores, used, skipped = in_parts(_score, model, examples, batch, progress)
    need_usable(scores, skipped, source)
    return Scored(np.concatenate(scores), used, skipped)


def _score(
    model: Classifier | ExportedClassifier, examples: Sequence[Example], batch: int, progress: bool
) -> tuple[list[NDArray[Any]], list[Example], list[Skipped]]:
    used: list[Example] = []
    skipped: list[Skipped] = []
    score = _exported_scores if isinstance(model, ExportedClassifier) else _scores
    return list(score(model, examples, used, skipped, batch, progress)), used, skipped


def _scores(
    model: Any, examples: Sequence[Example], used: list[Example], skipped: list[Skipped], batch: int, progress: bool
) -> Iterator[NDArray[Any]]:
    """The probabilities of each batch; the examples that could be used, and those skipped, are added."""
    with evaluating(model):
        for one, read in model_batches(model, examples, skipped, batch=batch, what="pictures", progress=progress):
            used += read
            yield model.probabilities(model(one)).cpu().numpy()


def _exported_scores(
    model: Any, examples: Sequence[Example], used: list[Example], skipped: list[Skipped], batch: int, progress: bool
) -> Iterator[NDArray[Any]]:
    """The same by a file's answers."""

    def pixels(several: Iterator[tuple[Example, NDArray[Any]]]) -> Iterator[NDArray[Any]]:
        for example, one in several:
            used.append(example)
            yield one

    shown = track(examples, "pictures", len(examples), show=progress)
    for several in read_usable_batches(lambda one: as_pixels(one.path), shown, skipped, batch):
        yield np.stack(list(model.probabilities(pixels(several), batch=batch)))


def metrics_of(model: Classifier | ExportedClassifier, scores: NDArray[Any], examples: Sequence[Example]) -> Evaluation:
    """The metrics of a model by its probabilities for examples."""
    of_sounds = hears(model)
    if model.multi_label:
        truth = targets_of(examples, len(model.class_names)).numpy() > 0
        several = multi_label_metrics(scores, truth, model.class_names)
        return HeardMultiLabelEvaluation(several) if of_sounds else several
    one = classification_metrics(scores, np.array([example.labels[0] for example in examples]), model.class_names)
    return HeardEvaluation(one) if of_sounds else one


def log_loss(model: Classifier, scores: NDArray[Any], examples: Sequence[Example]) -> float:
    """The loss of probabilities, as `ClassificationLoss` has it without smoothing and weights, a picture."""
    truth = targets_of(examples, len(model.class_names)).numpy()
    likely = np.clip(scores, 1e-12, 1.0)
    if not model.multi_label:
        return float(-(truth * np.log(likely)).sum(axis=1).mean())
    unlikely = np.clip(1 - scores, 1e-12, 1.0)
    return float(-(truth * np.log(likely) + (1 - truth) * np.log(unlikely)).sum(axis=1).mean())


def targets_of(examples: Sequence[Example], classes: int) -> Float[Tensor, "samples classes"]:
    """1 for each class that an example shows, 0 for the others."""
    targets = torch.zeros(len(examples), classes)
    for row, example in enumerate(examples):
        targets[row, list(example.labels)] = 1
    return targets


@dataclass(frozen=True)
class ClassificationLoss:
    """The loss that a classifier is trained by.

    Attributes:
        multi_label: each class for itself (binary cross-entropy, added up), or one class a picture (cross-entropy).
        label_smoothing: the fraction of a label that is spread: over all classes, or halfway between yes and no
            (Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7).
        weights: what each class counts for, `(classes,)`; None for 1.
    """

    multi_label: bool = False
    label_smoothing: float = 0.0
    weights: Tensor | None = None

    def total(
        self, scores: Float[Tensor, "samples classes"], targets: Float[Tensor, "samples classes"]
    ) -> Float[Tensor, ""]:
        """Summed over samples. A sample's label may be mixed of several."""
        weights = None if self.weights is None else self.weights.to(scores)
        if not self.multi_label:
            return cross_entropy(scores, targets, weight=weights, label_smoothing=self.label_smoothing, reduction="sum")
        softer = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return binary_cross_entropy_with_logits(scores, softer, weight=weights, reduction="sum")


def weights_of(wanted: str | Mapping[str, float] | None, data: DataSet) -> Tensor | None:
    """What each class counts for. `balanced` makes up for how often it occurs; the mean over the samples is 1.

    Raises:
        ArgumentError: a class that there is not, or a weight that is none.
    """
    if wanted is None:
        return None
    if isinstance(wanted, str):
        if wanted != "balanced":
            raise ArgumentError(f"class_weights: need 'balanced' or a number for each class, got {wanted!r}")
        counts = targets_of(data.examples, len(data.class_names)).sum(dim=0)
        return counts.sum() / counts.clamp_min(1) / (counts > 0).sum()
    if not isinstance(wanted, Mapping):
        raise ArgumentError(f"class_weights: need 'balanced' or a number for each class, as a dict, got {wanted!r:.60}")
    weights = dict.fromkeys(data.class_names, 1.0)
    for name, value in wanted.items():
        need_one_of("class_weights", name, data.class_names)
        need = f"a finite number of at least 0 for {name!r}"
        weights[name] = as_real(value, "class_weights", need, lambda number: number >= 0)
    return torch.tensor(list(weights.values()))
