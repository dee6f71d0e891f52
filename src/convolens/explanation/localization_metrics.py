"""Localization metrics, for pictures whose object's box is known: the pointing game, and the IoU of the map's box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convolens.arrays import Real
from convolens.errors import ArgumentError
from convolens.explanation.explanation import BOX_THRESHOLD, Explanation

BoxXYXY = tuple[Real, Real, Real, Real]


def points_at(explanation: Explanation, boxes_xyxy: Sequence[BoxXYXY]) -> bool:
    """Whether the map's highest pixel is in one of the boxes, which are half-open. An empty map points nowhere.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", IJCV 2018, section 4.1, the pointing game. Differs
    from the paper in that a near miss (there of 15 pixels) is a miss.
    """
    _need_boxes(boxes_xyxy)
    if not explanation.heatmap.max() > 0:
        return False
    row, column = np.unravel_index(int(explanation.heatmap.argmax()), explanation.heatmap.shape)
    return any(x1 <= column + 0.5 < x2 and y1 <= row + 0.5 < y2 for x1, y1, x2, y2 in boxes_xyxy)


def box_overlap(explanation: Explanation, boxes_xyxy: Sequence[BoxXYXY], threshold: float = BOX_THRESHOLD) -> float:
    """Intersection over union of the map's box (`Explanation.box`) and the best of the boxes; 0 for an empty map.

    The fraction of pictures where it is below 0.5 is Zhou et al.'s localization error (CVPR 2016, section 3.2).
    """
    _need_boxes(boxes_xyxy)
    found = explanation.box(threshold)
    return 0.0 if found is None else max(_overlap(found, box) for box in boxes_xyxy)


def _overlap(one: BoxXYXY, other: BoxXYXY) -> float:
    """Intersection over union.

    >>> _overlap((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(width * height / (sum(areas) - width * height))


def _need_boxes(boxes_xyxy: Sequence[BoxXYXY]) -> None:
    if not boxes_xyxy:
        raise ArgumentError("boxes: need at least one that holds the object, got none")
