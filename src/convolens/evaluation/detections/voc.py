"""Pascal VOC's average precision: one overlap, precision as a function of recall. NumPy only.

Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010, section 4.2. Detections are gone through by
score; each belongs to the object of its class and picture that it overlaps most, and is right if that is by at least
half and none of a higher score did so before. A difficult object is neither wanted nor wrong; nor is what is in a
crowd, of which VOC has none. VOC's corners are whole pixels, the last one inside; `convolens.data` makes them
half-open, which leaves areas and overlaps as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.boxes import overlap
from convolens.data import Example
from convolens.evaluation.detections.found import Found

MIN_IOU = 0.5
_RIGHT, _WRONG, _NEITHER = 1, 0, -1


@dataclass(frozen=True)
class Curve:
    """Of one class: the scores of its detections, falling, and precision and recall of all up to each.

    `count` is how many objects there are to find.
    """

    scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    count: int

    def average_2007(self) -> float:
        """The mean over recalls 0, .1, … 1 of the best precision at such a recall or a greater one."""
        best = [self.precision[self.recall >= least - 1e-12].max(initial=0.0) for least in np.linspace(0, 1, 11)]
        return float(np.mean(best))

    def average_2010(self) -> float:
        """The area under that best precision, over all recalls."""
        best = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float((np.diff(self.recall, prepend=0.0) * best).sum())


def voc_metrics(examples: Sequence[Example], found: Sequence[Found], class_names: Sequence[str]) -> dict[str, Any]:
    """VOC's two numbers.

    Args:
        examples: the truth.
        found: what was detected in each.
        class_names: a name for each number.

    Returns:
        `voc07`, the eleven-point mean of 2007, and `voc10`, the area of 2010, means over the classes that occur, None
        where none does. And `per_class`, name → `voc07`, `voc10`.
    """
    per_class = {
        class_names[label]: {"voc07": curve.average_2007(), "voc10": curve.average_2010()}
        for label, curve in enumerate(curves(examples, found, len(class_names)))
        if curve.count
    }
    means = {
        name: float(np.mean([one[name] for one in per_class.values()])) if per_class else None
        for name in ("voc07", "voc10")
    }
    return {**means, "per_class": per_class}


def curves(
    examples: Sequence[Example], found: Sequence[Found], classes: int, *, min_iou: float = MIN_IOU
) -> list[Curve]:
    """Precision and recall of each class."""
    return [_curve(examples, found, label, min_iou) for label in range(classes)]


def _curve(examples: Sequence[Example], found: Sequence[Found], label: int, min_iou: float) -> Curve:
    scores, verdicts, count = [], [], 0
    for example, one in zip(examples, found, strict=True):
        mine = one.labels == label
        order = np.argsort(-one.scores[mine], kind="stable")
        scores.append(one.scores[mine][order].astype(np.float64))
        verdicts.append(_verdicts(one.boxes_xyxy[mine][order], example, label, min_iou))
        count += sum(not box.difficult for box in example.objects if box.label == label)
    score, verdict = np.concatenate(scores or [np.zeros(0)]), np.concatenate(verdicts or [np.zeros(0, np.int64)])
    score, verdict = score[verdict != _NEITHER], verdict[verdict != _NEITHER]
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(verdict[order] == _RIGHT)
    return Curve(score[order], right / np.arange(1, len(right) + 1), right / max(count, 1), count)


def _verdicts(boxes: NDArray[Any], example: Example, label: int, min_iou: float) -> NDArray[np.int64]:
    """Of the detections of a class in a picture, the highest score first."""
    mine = [box for box in example.boxes if box.label == label]
    truth = np.array([box.xyxy for box in mine], np.float64).reshape(-1, 4)
    verdicts = np.full(len(boxes), _WRONG)
    if not mine:
        return verdicts
    ious = overlap(boxes.astype(np.float64)[:, None], truth)
    matched = np.zeros(len(mine), bool)
    for at, row in enumerate(ious):
        best = int(row.argmax())
        if row[best] < min_iou:
            continue
        if mine[best].difficult or mine[best].crowd:
            verdicts[at] = _NEITHER
        elif not matched[best]:
            matched[best], verdicts[at] = True, _RIGHT
    return verdicts
