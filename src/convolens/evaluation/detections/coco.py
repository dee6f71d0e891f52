"""COCO's average precision, by faster-coco-eval: pycocotools' own matching, in compiled code.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and the evaluation code that goes with it: of each class
and overlap (.5, .55, … .95), the mean of the best precision at 101 recalls; 100 detections a picture count. What is
in a crowd is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.data import Example
from convolens.errors import need_package
from convolens.evaluation.detections.found import Found

SIZES = ("small", "medium", "large")  # less than 32², less than 96² and more pixels of area
_IOUS, _DETECTIONS = (("ap", None), ("ap50", 0.5), ("ap75", 0.75)), (1, 10, 100)


def coco_metrics(examples: Sequence[Example], found: Sequence[Found], class_names: Sequence[str]) -> dict[str, Any]:
    """COCO's numbers.

    Args:
        examples: the truth; crowds and areas as the annotations say.
        found: what was detected in each.
        class_names: a name for each number.

    Returns:
        `ap ap50 ap75`; `ap_small ap_medium ap_large` by the objects' area; `ar_1 ar_10 ar_100`, recall with that
        number of detections a picture; `ar_small ar_medium ar_large`; each a mean over the classes that occur, None
        where there is nothing to find. And `per_class`: name → `ap`, `ap50`, `count`, for the classes that occur.
    """
    evaluated = _evaluated(examples, found, class_names)
    # By overlap, recall, class, size and number of detections; -1 where a class has no object of that size.
    precision, recall = evaluated.eval["precision"], evaluated.eval["recall"]
    overlaps = evaluated.params.iouThrs
    chosen = {name: slice(None) if at is None else np.isclose(overlaps, at) for name, at in _IOUS}
    numbers = {name: _mean(precision[rows, :, :, 0, -1]) for name, rows in chosen.items()}
    numbers |= {f"ap_{size}": _mean(precision[:, :, :, at, -1]) for at, size in enumerate(SIZES, 1)}
    numbers |= {f"ar_{count}": _mean(recall[:, :, 0, at]) for at, count in enumerate(_DETECTIONS)}
    numbers |= {f"ar_{size}": _mean(recall[:, :, at, -1]) for at, size in enumerate(SIZES, 1)}
    per_class = {
        name: {
            "ap": _mean(precision[:, :, at, 0, -1]),
            "ap50": _mean(precision[chosen["ap50"], :, at, 0, -1]),
            "count": _count(examples, at),
        }
        for at, name in enumerate(class_names)
        if _count(examples, at)
    }
    return {**numbers, "per_class": per_class}


def coco_results(picture: Any, found: Found, categories: Sequence[Any]) -> list[dict[str, Any]]:
    """Detections as rows of COCO's result format.

    Args:
        picture: its `image_id`.
        found: what was detected in it.
        categories: the `category_id` of each class.

    >>> coco_results(7, Found(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([0]), np.array([0.5])), [3])
    [{'image_id': 7, 'category_id': 3, 'bbox': [1.0, 2.0, 3.0, 6.0], 'score': 0.5}]
    """
    boxes = np.concatenate([found.boxes_xyxy[:, :2], found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]], axis=1)
    return [
        {"image_id": picture, "category_id": categories[label], "bbox": box, "score": score}
        for box, label, score in zip(boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    ]


def _evaluated(examples: Sequence[Example], found: Sequence[Found], class_names: Sequence[str]) -> Any:
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise need_package("faster-coco-eval", "networks", "detector's average precision") from error
    truth = COCO(_annotations(examples, len(class_names)))
    rows = [row for at, one in enumerate(found, 1) for row in coco_results(at, one, range(1, len(class_names) + 1))]
    evaluated = COCOeval_faster(truth, truth.loadRes(rows), "bbox")
    evaluated.evaluate()
    evaluated.accumulate()
    return evaluated


def _annotations(examples: Sequence[Example], classes: int) -> dict[str, Any]:
    """The truth as COCO's JSON, everything numbered from 1."""
    annotations: list[Mapping[str, Any]] = []
    for at, example in enumerate(examples, 1):
        for box in example.boxes:
            x1, y1, x2, y2 = map(float, box.xyxy)
            area = (x2 - x1) * (y2 - y1) if box.area is None else float(box.area)
            one = {"id": len(annotations) + 1, "image_id": at, "category_id": box.label + 1, "area": area}
            annotations.append(one | {"bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": int(box.crowd)})
    images = [{"id": at} for at in range(1, len(examples) + 1)]
    return {"images": images, "categories": [{"id": at + 1} for at in range(classes)], "annotations": annotations}


def _count(examples: Sequence[Example], label: int) -> int:
    return sum(box.label == label for example in examples for box in example.objects)


def _mean(values: NDArray[np.float64]) -> float | None:
    """Of those that are there."""
    there = values[values > -1]
    return float(there.mean()) if len(there) else None
