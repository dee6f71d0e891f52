"""What was predicted as what: each detection that counts goes to the object that it overlaps most, of any class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.boxes import overlap
from convolens.data import Example
from convolens.evaluation.detections.found import Found

MIN_IOU = 0.5  # of a pair
MIN_SCORE = 0.5  # of a detection that counts


def detection_confusion(
    examples: Sequence[Example],
    found: Sequence[Found],
    classes: int,
    *,
    min_iou: float = MIN_IOU,
    min_score: float = MIN_SCORE,
) -> NDArray[np.int64]:
    """Counts `(classes + 1, classes + 1)`: rows what it is, columns what it was named, the last of each "nothing".

    Pairs of a detection and an object are made from the greatest overlap down, each of both once. Crowds and difficult
    objects are left out, and what is found on them.

    Args:
        examples: the truth.
        found: what was detected in each.
        classes: how many.
        min_iou: of a pair.
        min_score: of a detection that counts.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for example, one in zip(examples, found, strict=True):
        kept = one.scores >= min_score
        boxes, named = one.boxes_xyxy[kept].astype(np.float64), one.labels[kept]
        truth = np.array([box.xyxy for box in example.boxes], np.float64).reshape(-1, 4)
        counted = np.array([not (box.crowd or box.difficult) for box in example.boxes], bool)
        pairs = paired(overlap(boxes[:, None], truth), min_iou)
        for at, label in enumerate(named):
            object_ = pairs.get(at)
            if object_ is None:
                counts[classes, label] += 1
            elif counted[object_]:
                counts[example.boxes[object_].label, label] += 1
        for object_ in set(np.flatnonzero(counted).tolist()) - set(pairs.values()):
            counts[example.boxes[object_].label, classes] += 1
    return counts


def paired(ious: NDArray[Any], min_iou: float) -> dict[int, int]:
    """Row → column of pairs with an IoU of at least `min_iou`, from the greatest down, each row and column once.

    >>> paired(np.array([[0.9, 0.8], [0.7, 0.2]]), 0.5)
    {0: 0}
    """
    pairs: dict[int, int] = {}
    columns: set[int] = set()
    for flat in np.argsort(-ious, axis=None, kind="stable"):
        row, column = divmod(int(flat), ious.shape[1])
        if ious[row, column] < min_iou:
            break
        if row not in pairs and column not in columns:
            pairs[row] = column
            columns.add(column)
    return pairs
