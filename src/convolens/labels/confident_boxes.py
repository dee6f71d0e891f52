"""Which boxes are likely wrong: invented, missing, shifted or confused, by detections that did not learn from them.

A place (`places.py`) is judged as a picture is (`confident.py`), with one class more, *nothing*: the data may say
nothing where a detector sees something, and something where it sees nothing. Heads of other folds, on the detector's
scores at a place, say how likely each class is there *in this data*: what the detector takes for an object everywhere,
and the data never does, is its mistake and not the data's.

A box that is an object's, but elsewhere than it is seen, is shifted: overlaps of boxes with what is seen at them are
taken to be of two kinds, usual ones, whose logits are normally distributed, and any overlap at all, of shifted boxes.

After Tkachenko, Thyagarajan & Mueller, "ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection Data",
2023, who name the same kinds. *Differs from it*: probabilities in place of scores with thresholds, learned from the
data's own agreement with the detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from convolens.labels.confident import judge
from convolens.labels.places import TOUCHING, Places
from convolens.training.fold_fit import standardized

SUREST = 0.997  # a score beyond it says no more: logits have an end
ROUNDS = 50  # of estimating what overlaps are usual
LEAST_SPREAD = 0.3  # standard deviation of usual overlaps, in logits: no detector is nearer than that
FOUND = 0.5  # IoU from which a box is where something is seen


@dataclass(frozen=True)
class BoxVerdicts:
    """What is said of each place.

    Attributes:
        wrong: the probability that what the data says there is wrong, `(places,)`.
        likely: the number of the class that is likely there; the number of classes for nothing, `(places,)`.
        shifted: whether it is of the class that the data says, and elsewhere, `(places,)`.
        agreement: the fraction of boxes that are found as they are.
        mistaken: how many places said to be i are likely j, `(classes + 1, classes + 1)`.
    """

    wrong: Float[NDArray[np.float64], " places"]
    likely: Int[NDArray[np.int64], " places"]
    shifted: Bool[NDArray[np.bool_], " places"]
    agreement: float
    mistaken: Int[NDArray[np.int64], "said likely"]


def judge_boxes(places: Places, classes: int, folds: int, seed: int) -> BoxVerdicts:
    """Judges every place.

    Args:
        places: with at least two boxes of each class that occurs, and two where the data says nothing.
        classes: how many there are.
        folds: at least 2.
        seed: of the folds.
    """
    present, own = np.unique(places.said, return_inverse=True)
    verdicts = judge(_features(places), own, len(present), folds, seed)
    boxes = places.said < classes
    moved = np.where(boxes, moved_far(places.iou, boxes & (verdicts.wrong < 0.5) & (places.iou > 0)), 0)
    right = 1 - verdicts.wrong
    shifted = right * moved > verdicts.wrong
    likely = np.where(shifted, places.said, present[verdicts.likely])
    mistaken = np.zeros((classes + 1, classes + 1), np.int64)
    mistaken[np.ix_(present, present)] = verdicts.mistaken
    as_said = boxes & (verdicts.probabilities.argmax(axis=1) == own) & (places.iou >= FOUND)
    return BoxVerdicts(
        1 - right * (1 - moved), likely, shifted, float(as_said.sum() / max(1, boxes.sum())), mistaken
    )  # fmt: skip


def _features(places: Places) -> torch.Tensor:
    """Logits of the scores of each class and of their sum, and how large the place is, standardized."""
    scores = np.concatenate([places.scores, places.scores.sum(axis=1, keepdims=True)], axis=1)
    scores = scores.clip(1 - SUREST, SUREST)
    sides = np.log(np.maximum(places.seen_xyxy[:, 2:] - places.seen_xyxy[:, :2], 1))
    every = np.concatenate([np.log(scores / (1 - scores)), sides, sides.prod(axis=1, keepdims=True)], axis=1)
    return standardized(torch.from_numpy(every.astype(np.float32))).values


def moved_far(
    ious: Float[NDArray[np.float64], " places"], usual: Bool[NDArray[np.bool_], " places"]
) -> Float[NDArray[np.float64], " places"]:
    """The probability that a box is not where its object is, by its overlap with what is seen.

    Two kinds of overlaps are mixed (expectation maximization): usual ones and evenly distributed ones. Beyond the
    middle of the usual ones none is far.

    Args:
        ious: of each place.
        usual: those to learn from; without any, nothing is far.
    """
    if not usual.any():
        return np.zeros(len(ious))
    logits = _logit(ious)
    some = logits[usual]
    middle = np.median(some)
    spread = max(LEAST_SPREAD, 1.4826 * np.median(np.abs(some - middle)))
    fraction = 0.05
    for _ in range(ROUNDS):
        far = _far(some, middle, spread, fraction)
        fraction = far.mean().clip(1e-4, 0.5)
        middle = np.average(some, weights=1 - far)
        spread = max(LEAST_SPREAD, float(np.average((some - middle) ** 2, weights=1 - far)) ** 0.5)
    found: NDArray[np.float64] = np.where(ious > 0, _far(logits, middle, spread, fraction), 0)
    return found


def _logit(ious: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = ious.clip(0.01, 0.99)
    logits: NDArray[np.float64] = np.log(inside / (1 - inside))
    return logits


def _far(logits: NDArray[np.float64], middle: float, spread: float, fraction: float) -> NDArray[np.float64]:
    ious = 1 / (1 + np.exp(-logits))
    even = ious * (1 - ious) / (1 - TOUCHING)  # the density of evenly distributed overlaps, of their logits
    usual = np.exp(-(((logits - middle) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    found: NDArray[np.float64] = fraction * even / np.maximum(fraction * even + (1 - fraction) * usual, 1e-300)
    return np.where(logits < middle, found, 0)
