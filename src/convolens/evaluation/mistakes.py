"""Which pictures went worst, and in words what went wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.boxes import corners_of, overlaps
from convolens.data import Example
from convolens.evaluation.classify import targets_of
from convolens.evaluation.detections import Found, detection_confusion
from convolens.evaluation.detections.confusion import MIN_SCORE
from convolens.evaluation.localize import Located
from convolens.evaluation.unusual import Inspected
from convolens.media.images import read_header
from convolens.models.localize import PRESENT, Predictions
from convolens.pages.pictures import Labeled

MOST = 12  # pictures that are named
GOOD_OVERLAP = 0.5  # IoU at or above which a box is right


@dataclass(frozen=True)
class Mistake:
    """A picture that went wrong: in words, and what to draw on it."""

    example: Example
    words: str
    boxes: tuple[Labeled, ...] = ()


@dataclass(frozen=True)
class Mistakes:
    """The worst mistakes, worst first, and how many there are in all."""

    worst: tuple[Mistake, ...]
    count: int


def wrong_class(scores: NDArray[Any], examples: Sequence[Example], class_names: Sequence[str]) -> Mistakes:
    """Pictures of one class that were predicted as another, those first of which the model was most confident."""
    named, confidence = scores.argmax(axis=1), scores.max(axis=1)
    wrong = named != np.array([example.labels[0] for example in examples])

    def mistake(at: int) -> Mistake:
        truth = class_names[examples[at].labels[0]]
        return Mistake(examples[at], f"is {truth}, predicted as {class_names[named[at]]} ({confidence[at]:.0%})")

    order, count = _worst(np.where(wrong, confidence, -1.0))
    return Mistakes(tuple(map(mistake, order)), count)


def wrong_classes(scores: NDArray[Any], examples: Sequence[Example], class_names: Sequence[str]) -> Mistakes:
    """Pictures of any number of classes of which one was missed or made up, the farthest from the truth first."""
    truth = targets_of(examples, len(class_names)).numpy()
    off = np.abs(scores - truth)

    def mistake(at: int) -> Mistake:
        class_ = int(off[at].argmax())
        shows = ", ".join(class_names[label] for label in examples[at].labels) or "nothing"
        return Mistake(examples[at], f"shows {shows}; {class_names[class_]} was given {scores[at, class_]:.0%}")

    order, count = _worst(np.where(off.max(axis=1) > 0.5, off.max(axis=1), -1.0))
    return Mistakes(tuple(map(mistake, order)), count)


def wrong_places(located: Located, class_names: Sequence[str]) -> Mistakes:
    """Objects that were missed or made up come first, then those of another class, then badly placed boxes."""
    labels, examples = located.labels, located.examples
    predictions, present = Predictions.of(located.output), labels >= 0
    objectness, likely = predictions.object.sigmoid(), predictions.classes.softmax(dim=1)
    score, named = likely.max(dim=1)
    found = corners_of(predictions.boxes).clamp(0, 1)
    iou, _ = overlaps(found, located.boxes)
    noticed = objectness >= PRESENT
    badness = torch.full_like(objectness, -1)
    badness = torch.where(present & (iou < GOOD_OVERLAP), 1 - iou, badness)
    badness = torch.where(present & (named != labels), 1 + score, badness)
    badness = torch.where(noticed != present, 2 + (objectness - PRESENT).abs(), badness)

    def mistake(at: int) -> Mistake:
        name, guess = class_names[int(named[at])], f"objectness {float(objectness[at]):.0%}"
        drawn = (*_drawn(examples[at], found[at], name if noticed[at] else ""), *_true(examples[at], class_names))
        if not present[at]:
            return Mistake(examples[at], f"shows nothing, found {name} ({guess})", drawn)
        truth = class_names[int(labels[at])]
        if not noticed[at]:
            return Mistake(examples[at], f"is {truth}, found nothing ({guess})", drawn)
        if named[at] != labels[at]:
            return Mistake(examples[at], f"is {truth}, predicted as {name} ({float(score[at]):.0%})", drawn)
        return Mistake(examples[at], f"is {truth}, overlap {float(iou[at]):.2f}", drawn)

    order, count = _worst(badness.numpy())
    return Mistakes(tuple(map(mistake, order)), count)


def wrong_verdicts(found: Inspected) -> Mistakes:
    """Good pictures that were called unusual and defects that were missed, those farthest from the limit first."""
    unusual = np.array([one.labels[0] for one in found.examples]) == 1
    off = np.abs(np.log(np.maximum(found.scores, 1e-6)))

    def mistake(at: int) -> Mistake:
        example, score = found.examples[at], found.scores[at]
        kind = f"is {example.id}, missed" if unusual[at] else "is good, called unusual"
        return Mistake(example, f"{kind} (score {score:.2f})")

    order, count = _worst(np.where((found.scores >= 1) != unusual, off, -1.0))
    return Mistakes(tuple(map(mistake, order)), count)


def wrong_detections(
    found: Sequence[Found], examples: Sequence[Example], class_names: Sequence[str], *, min_score: float = MIN_SCORE
) -> Mistakes:
    """Pictures with objects that were missed, made up or predicted as others, those with the most first.

    Args:
        found: what was detected in each picture.
        examples: which pictures.
        class_names: names of the classes.
        min_score: of a detection that counts.
    """
    counts = [
        detection_confusion([example], [one], len(class_names), min_score=min_score)
        for example, one in zip(examples, found, strict=True)
    ]
    wrong = np.array([int(one.sum() - np.trace(one)) for one in counts])

    def mistake(at: int) -> Mistake:
        missed, made_up = int(counts[at][:-1, -1].sum()), int(counts[at][-1, :-1].sum())
        confused = int(wrong[at]) - missed - made_up
        parts = ((missed, "missed"), (made_up, "found where nothing is"), (confused, "predicted as another"))
        kept = found[at].scores >= min_score
        rows = zip(found[at].boxes_xyxy[kept].tolist(), found[at].labels[kept].tolist(), strict=True)
        drawn = tuple(Labeled((x1, y1, x2, y2), class_names[label]) for (x1, y1, x2, y2), label in rows)
        return Mistake(examples[at], ", ".join(f"{count} {text}" for count, text in parts if count), drawn)

    order, count = _worst(np.where(wrong > 0, wrong, -1))
    return Mistakes(tuple(map(mistake, order)), count)


def _worst(badness: NDArray[Any]) -> tuple[list[int], int]:
    """Numbers of the worst, worst first, and how many are bad at all: those that are not negative."""
    order = np.argsort(-badness, kind="stable")[:MOST]
    return [int(at) for at in order if badness[at] >= 0], int((badness >= 0).sum())


def _drawn(example: Example, corners: Tensor, name: str) -> tuple[Labeled, ...]:
    """The box that was found, if one was named."""
    if not name:
        return ()
    width, height = read_header(example.path).size
    x1, y1, x2, y2 = corners.tolist()
    return (Labeled((x1 * width, y1 * height, x2 * width, y2 * height), name),)


def _true(example: Example, class_names: Sequence[str]) -> tuple[Labeled, ...]:
    return tuple(
        Labeled((float(x1), float(y1), float(x2), float(y2)), f"is {class_names[box.label]}")
        for box in example.boxes
        for x1, y1, x2, y2 in [box.xyxy]
    )
