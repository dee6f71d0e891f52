"""The places of a picture where an object is: said by the data, seen by a detector, or both.

Detections that overlap are one place, whatever their classes: its scores say how likely each class is there. A place
belongs to the box of the data that it overlaps, the surest and nearest first, each once. What is left over is a box
that nothing was seen at, or something seen that the data does not say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from convolens.boxes import overlap
from convolens.data import Example
from convolens.evaluation.detections import Found

SAME = 0.5  # IoU of two detections, from which they are of one object
TOUCHING = 0.1  # IoU of a box and a place, from which one may be what the other means: a shifted box overlaps little
INSIDE = 0.5  # fraction of a detection in a crowd, from which it is of the crowd


@dataclass(frozen=True)
class Places:
    """All places of several pictures.

    Attributes:
        picture: the number of its picture, for each.
        box: the number of the box among the picture's; -1 where the data says nothing.
        said: the number of the class that the data says; the number of classes where it says nothing.
        scores: of each class, by the detections there; 0 where there is none.
        seen_xyxy: where the surest detection is; the box itself where there is none.
        iou: of both; 0 where one is missing.
    """

    picture: Int[NDArray[np.int64], " places"]
    box: Int[NDArray[np.int64], " places"]
    said: Int[NDArray[np.int64], " places"]
    scores: Float[NDArray[np.float64], "places classes"]
    seen_xyxy: Float[NDArray[np.float64], "places 4"]
    iou: Float[NDArray[np.float64], " places"]

    def having(self, kept: Bool[NDArray[np.bool_], " places"]) -> Places:
        """Some of the places."""
        return Places(*(getattr(self, one.name)[kept] for one in fields(self)))

    def with_empty(self, seen_xyxy: Float[NDArray[np.float64], "more 4"]) -> Places:
        """The places and some more, of no picture, where nothing is said and nothing seen."""
        count, classes = len(seen_xyxy), self.scores.shape[1]
        more = Places(
            np.full(count, -1), np.full(count, -1), np.full(count, classes), np.zeros((count, classes)), seen_xyxy,
            np.zeros(count),
        )  # fmt: skip
        return Places(*(np.concatenate([getattr(one, each.name) for one in (self, more)]) for each in fields(self)))


def find_places(examples: Sequence[Example], found: Sequence[Found], classes: int) -> Places:
    """Brings together what is said and what was found.

    Crowds, and what is found in them, are no places. A difficult box is none either, but what is found there is its.

    Args:
        examples: with their boxes.
        found: what was detected in each, down to low scores.
        classes: how many there are.
    """
    rows = [row for number, (example, one) in enumerate(zip(examples, found, strict=True))
            for row in _of_picture(number, example, one, classes)]  # fmt: skip
    picture, box, said, scores, seen, iou = zip(*rows, strict=True) if rows else ((),) * 6
    return Places(
        np.array(picture, np.int64), np.array(box, np.int64), np.array(said, np.int64),
        np.array(scores, np.float64).reshape(-1, classes), np.array(seen, np.float64).reshape(-1, 4),
        np.array(iou, np.float64),
    )  # fmt: skip


Row = tuple[int, int, int, NDArray[np.float64], NDArray[np.float64], float]


def _of_picture(number: int, example: Example, found: Found, classes: int) -> Iterator[Row]:
    boxes = np.array([box.xyxy for box in example.boxes], np.float64).reshape(-1, 4)
    crowd = np.array([box.crowd for box in example.boxes], bool)
    seen, scores = _without(boxes[crowd], *merged(found, classes))
    ious = np.where(crowd, 0, overlap(seen[:, None], boxes))
    place_of = _belonging(ious, scores.sum(axis=1))
    for at, box in enumerate(example.boxes):
        if box.crowd or box.difficult:
            continue
        place = place_of.get(at)
        if place is None:
            yield number, at, box.label, np.zeros(classes), boxes[at], 0.0
        else:
            yield number, at, box.label, scores[place], seen[place], float(ious[place, at])
    taken = set(place_of.values())
    for place in range(len(seen)):
        if place not in taken:
            yield number, -1, classes, scores[place], seen[place], 0.0


def merged(found: Found, classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The places that detections make: where the surest of each is, and the scores of the classes there.

    >>> found = np.array([[0, 0, 8, 8], [1, 0, 9, 8], [20, 0, 28, 8]])
    >>> boxes, scores = merged(Found(found, np.array([0, 1, 1]), np.array([0.6, 0.3, 0.9])), 2)
    >>> boxes[:, 0].tolist(), scores.tolist()
    ([20.0, 0.0], [[0.0, 0.9], [0.6, 0.3]])
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes = found.boxes_xyxy[order].astype(np.float64)
    labels, scores = found.labels[order], found.scores[order].astype(np.float64)
    ious = overlap(boxes[:, None], boxes)
    free = np.ones(len(boxes), bool)
    leaders, each = [], []
    for first in range(len(boxes)):
        if not free[first]:
            continue
        here = free & (ious[first] >= SAME)
        here[first] = True
        free &= ~here
        of_class = np.zeros(classes)
        np.maximum.at(of_class, labels[here], scores[here])
        leaders.append(first)
        each.append(of_class / max(1.0, of_class.sum()))  # they exclude one another
    return boxes[leaders].reshape(-1, 4), np.array(each).reshape(-1, classes)


def _without(
    crowds: NDArray[np.float64], seen: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = np.maximum(seen[:, None, :2], crowds[None, :, :2])
    high = np.minimum(seen[:, None, 2:], crowds[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area = (seen[:, 2:] - seen[:, :2]).prod(axis=1)
    kept = ~(shared >= INSIDE * np.maximum(area, 1e-9)[:, None]).any(axis=1)
    return seen[kept], scores[kept]


def _belonging(ious: NDArray[np.float64], sure: NDArray[np.float64]) -> dict[int, int]:
    """The place of each box that has one, the surest and nearest pairs first."""
    weight = np.where(ious >= TOUCHING, ious * sure[:, None], 0)
    place_of: dict[int, int] = {}
    taken: set[int] = set()
    for flat in np.argsort(-weight, axis=None, kind="stable"):
        place, box = divmod(int(flat), ious.shape[1])
        if weight[place, box] <= 0:
            break
        if box not in place_of and place not in taken:
            place_of[box] = place
            taken.add(place)
    return place_of
