"""Boxes looked through: what detectors find that did not learn from them beside what the data says, doubts ranked.

Cost: a detector over all pictures; without one given, a training for each fold. Memory: a few hundred bytes a box.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from convolens.data import DataSet, Example, Skipped
from convolens.errors import DataError
from convolens.evaluation.detections import Found
from convolens.labels.confident_boxes import FOUND, BoxVerdicts, judge_boxes
from convolens.labels.found import LabelCheck, Suspect
from convolens.labels.little import FEW, mistaken_pairs, wilson
from convolens.labels.places import Places, find_places

HALF = 0.5  # of the boxes found as they are, below which a detector says little of the rest


def check_boxes(
    data: DataSet,
    found: Sequence[Found],
    examples: Sequence[Example],
    skipped: Sequence[Skipped],
    *,
    folds: int,
    at_least: float,
    seed: int,
) -> LabelCheck:
    """Ranks what is likely wrong.

    Args:
        data: as it was read.
        found: what was detected in each of `examples`, down to low scores.
        examples: those that could be used.
        skipped: the others.
        folds: of the heads that say what a detector's scores mean in this data.
        at_least: the probability of being wrong from which a box is a suspect.
        seed: of the folds.

    Raises:
        DataError: fewer than two boxes of any class.
    """
    classes = len(data.class_names)
    places = find_places(examples, found, classes)
    counts = np.bincount(places.said, minlength=classes + 1)
    judged = _judgeable(places, counts, classes)
    if not (counts[:classes] > 1).any():
        raise DataError(
            f"{data.root}: need two boxes of a class to judge one by the other, got {counts[:classes].max()}"
        )
    verdicts = judge_boxes(judged, classes, folds, seed)
    boxes = int((judged.said < classes).sum())
    interval = wilson(verdicts.agreement, boxes)
    return LabelCheck(
        data, boxes, verdicts.agreement, interval, float(verdicts.wrong[judged.picture >= 0].sum()),
        tuple(_suspects(judged, verdicts, examples, data.class_names, at_least)),
        mistaken_pairs(verdicts.mistaken[:classes, :classes], counts[:classes], data.class_names),
        tuple(_notes(data, counts, found, verdicts.agreement, interval)), tuple(dict.fromkeys(skipped)),
    )  # fmt: skip


def _judgeable(places: Places, counts: np.ndarray, classes: int) -> Places:
    """The places of classes with two boxes, and as many empty ones as there are boxes, of the same sizes.

    What nothing looks like is learned from these too: wherever else in a picture a box might be, nothing is seen.
    """
    kept = places.having((counts[places.said] > 1) | (places.said == classes))
    return kept.with_empty(kept.seen_xyxy[kept.said < classes])


def _suspects(
    places: Places, verdicts: BoxVerdicts, examples: Sequence[Example], names: Sequence[str], least: float
) -> Iterator[Suspect]:
    classes = len(names)
    for place in np.argsort(-verdicts.wrong, kind="stable"):
        wrong, said, likely = float(verdicts.wrong[place]), int(places.said[place]), int(verdicts.likely[place])
        if wrong < least:
            return
        if said == likely == classes or places.picture[place] < 0:
            continue
        example, at = examples[places.picture[place]], int(places.box[place])
        x1, y1, x2, y2 = (round(float(side), 1) for side in places.seen_xyxy[place])
        seen, own = (x1, y1, x2, y2), None
        if at >= 0:
            a, b, c, d = map(float, example.boxes[at].xyxy)
            own = (a, b, c, d)
        stays = own is not None and not verdicts.shifted[place] and places.iou[place] >= FOUND
        yield Suspect(
            example.path, "" if said == classes else names[said], "" if likely == classes else names[likely], wrong,
            box_xyxy=own, suggested_box=None if likely == classes else own if stays else seen,
        )  # fmt: skip


def _notes(
    data: DataSet, counts: np.ndarray, found: Sequence[Found], agreement: float, interval: tuple[float, float]
) -> Iterator[str]:
    """How little can be told, in sentences."""
    names = data.class_names
    alone = [names[number] for number in range(len(names)) if counts[number] == 1]
    empty = [names[number] for number in range(len(names)) if counts[number] == 0]
    if alone:
        yield f"classes with one box, which cannot be judged: {', '.join(alone)}"
    if empty:
        yield f"classes without boxes: {', '.join(empty)}"
    few = [f"{names[number]} {counts[number]:,}" for number in range(len(names)) if 1 < counts[number] < FEW]
    if few:
        yield (
            f"little can be told of classes with fewer than {FEW} boxes ({', '.join(few)}): {interval[0]:.0%} to "
            f"{interval[1]:.0%} of all boxes are found as they are, so look at each suspect yourself"
        )
    seen = Counter(int(label) for one in found for label in one.labels)
    never = [names[number] for number in range(len(names)) if counts[number] and not seen[number]]
    if never:
        yield f"classes that the detector never names, whose boxes seem invented or confused: {', '.join(never)}"
    if agreement < HALF:
        yield (
            f"the detector finds {agreement:.0%} of the boxes as they are: suspects mean little; train it longer "
            "(--minutes), or give a better one (--model)"
        )
