"""Which labels are likely wrong, by heads that never saw the label that they judge.

Five folds: a linear head is found on four fifths of the pictures and asked for the probabilities of the rest. Confident
learning then says which labels are doubtful: a picture counts as class j if j's probability reaches what is usual for
pictures that are labelled j (Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 2021, section 3.1).

*Differs from the paper*: doubtful labels are left out and the heads found again, twice, as wrong labels that were
learned hide one another; and pictures are ranked by the probability that their label is wrong, given how often each
class is mistaken for each other, P(true j | given i, picture) ∝ P(j | picture) · P(given i | true j).

Cost: about a hundred products of the features with 15, then twice 5 heads. Memory: the features standardized, 4 bytes
each, and 12 bytes × pictures × classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from convolens.training.fold_fit import CHUNK, assign_folds, fit_heads, scores_of

DECAYS = (1.0, 0.1, 0.01)  # of which the one that predicts the labels of other folds best is taken
ROUNDS = 2  # of leaving out doubtful labels and finding the heads again
UNSEEN = (
    0.5  # pictures that each class is taken to have been called another, beside those that were: nothing is certain
)


@dataclass(frozen=True)
class Confidence:
    """What heads of other folds say of each label.

    Attributes:
        wrong: the probability that the label is wrong, `(pictures,)`.
        likely: the number of the likeliest class beside the label's, `(pictures,)`.
        probabilities: of each class, by a head that saw neither the picture nor doubtful labels.
        agreement: the fraction of labels that the heads of the first round predict.
        mistaken: how many pictures labelled i are likely j, `(classes, classes)`.
        decay: the weight decay that was chosen.
    """

    wrong: Float[NDArray[Any], " pictures"]
    likely: Int[NDArray[Any], " pictures"]
    probabilities: Float[NDArray[Any], "pictures classes"]
    agreement: float
    mistaken: Int[NDArray[Any], "classes classes"]
    decay: float


def judge(
    x: Float[Tensor, "pictures features"], labels: Int[NDArray[Any], " pictures"], classes: int, folds: int, seed: int
) -> Confidence:
    """Judges every label.

    Args:
        x: standardized features.
        labels: numbers of classes, each of which occurs at least twice.
        classes: how many there are, at least 2.
        folds: at least 2.
        seed: of the folds.
    """
    judged = _Judged(x, torch.from_numpy(labels), classes, assign_folds(labels, folds, seed), folds)
    decay, chances = judged.best(DECAYS)
    agreement = float((chances.argmax(axis=1) == labels).mean())
    doubtful = confident_errors(chances, labels)
    for _ in range(ROUNDS):
        chances = judged.chances(judged.heads(_with_every_class(~doubtful, labels), (decay,)))
        doubtful = chances.argmax(axis=1) != labels
    mistaken = np.zeros((classes, classes), np.int64)
    np.add.at(mistaken, (labels, chances.argmax(axis=1)), 1)
    true = posterior(chances, labels, mistaken)
    each = np.arange(len(labels))
    wrong = 1 - true[each, labels]
    true[each, labels] = -1
    return Confidence(wrong, true.argmax(axis=1), chances, agreement, mistaken, decay)


def confident_errors(
    chances: Float[NDArray[Any], "pictures classes"], labels: Int[NDArray[Any], " pictures"]
) -> Bool[NDArray[Any], " pictures"]:
    """Which pictures count as another class than their label's: the off-diagonal of the confident joint.

    A class without pictures has no threshold that one could reach.

    >>> chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.9, 0.1]])
    >>> confident_errors(chances, np.array([0, 0, 1, 1])).tolist()
    [False, False, False, True]
    """
    classes = chances.shape[1]
    counts: NDArray[Any] = np.bincount(labels, minlength=classes)
    own = chances[np.arange(len(labels)), labels]
    usual = np.bincount(labels, weights=own, minlength=classes) / np.maximum(counts, 1)
    reached = (chances >= usual) & (counts > 0)
    counted_as = np.where(reached, chances, -1).argmax(axis=1)
    found: NDArray[Any] = reached.any(axis=1) & (counted_as != labels)
    return found


def posterior(
    chances: Float[NDArray[Any], "pictures classes"],
    labels: Int[NDArray[Any], " pictures"],
    mistaken: Int[NDArray[Any], "classes classes"],
) -> Float[NDArray[Any], "pictures classes"]:
    """The probability of each class, given what the label is and how often the classes are called one another.

    Args:
        chances: of each class by the picture alone.
        labels: as given.
        mistaken: how many pictures labelled i are likely j.
    """
    called = mistaken + UNSEEN
    called = called / called.sum(axis=0, keepdims=True)  # P(given i | true j)
    joint = chances * called[labels]
    found: NDArray[Any] = joint / np.maximum(joint.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return found


@dataclass(frozen=True)
class _Judged:
    """Pictures, their labels, and the fold that each is in."""

    x: Tensor
    labels: Tensor
    classes: int
    fold: NDArray[Any]
    folds: int

    def best(self, decays: Sequence[float]) -> tuple[float, NDArray[Any]]:
        """The decay whose heads predict labels of other folds best, and their probabilities."""
        heads = self.heads(np.ones(len(self.fold), bool), decays)
        tried = (self.chances(heads[first : first + self.folds]) for first in range(0, len(heads), self.folds))
        least = None
        for decay, chances in zip(decays, tried, strict=True):
            loss = -np.log(np.maximum(chances[np.arange(len(chances)), self.labels.numpy()], 1e-12)).mean()
            if least is None or loss < least[0]:
                least = loss, decay, chances
        assert least is not None  # there are decays
        return least[1], least[2]

    def heads(self, kept: NDArray[Any], decays: Sequence[float]) -> Tensor:
        """A head for each fold, found on what is kept of the other folds; for each decay in turn."""
        parts = [kept & (self.fold != number) for number in range(self.folds)]
        each = [decay for decay in decays for _ in parts]
        return fit_heads(self.x, self._loss, self.classes, parts * len(decays), each)

    def _loss(self, scores: Tensor, rows: Tensor) -> Tensor:
        return cross_entropy(scores, self.labels[rows], reduction="sum")

    def chances(self, heads: Tensor) -> NDArray[Any]:
        """Each picture's probabilities, by the head of its fold."""
        found = np.empty((len(self.fold), self.classes), np.float32)
        for number, head in enumerate(heads):
            for rows in np.array_split(own := np.flatnonzero(self.fold == number), max(1, len(own) // CHUNK)):
                found[rows] = scores_of(self.x[torch.from_numpy(rows)], head).softmax(dim=1).numpy()
        return found


def _with_every_class(kept: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """What is kept, and all of a class of which less than half would be: heads would forget it."""
    before = np.bincount(labels)
    after = np.bincount(labels[kept], minlength=len(before))
    found: NDArray[Any] = kept | (2 * after < before)[labels]
    return found
