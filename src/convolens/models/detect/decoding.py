"""Decoding: from the outputs for every default box to the few objects of a picture.

The best of each class above a threshold are kept, and of those that overlap one another the best (non-maximum
suppression, in the core), class by class, a whole batch at once. Liu et al. 2016, section 3; Bodla et al., "Soft-NMS",
ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor

from convolens import _core
from convolens.boxes import corners_of
from convolens.models.detect.loss import Objectness, Outputs
from convolens.models.detect.matching import Grids
from convolens.models.detect.offsets import decode
from convolens.results import Detections
from convolens.selection import Selection

SIGMA = 0.5  # of soft-NMS, the authors' choice


def probabilities(scores: Float[Tensor, "batch boxes scores"], objectness: Objectness) -> Tensor:
    """Gives the probability that each default box shows each class, without background: `(batch, boxes, classes)`."""
    if objectness == "softmax":
        return scores.softmax(dim=-1)[..., 1:]
    return scores[..., :1].sigmoid() * scores[..., 1:].softmax(dim=-1)


def detections(
    outputs: Outputs,
    grids: Grids,
    objectness: Objectness,
    sizes: Sequence[tuple[int, int]],
    class_names: Sequence[str],
    selection: Selection,
) -> list[Detections]:
    """Finds the objects in each picture of a batch.

    Args:
        outputs: the network's.
        grids: its default boxes.
        objectness: what its scores mean.
        sizes: height and width of each original picture.
        class_names: one for each class.
        selection: what counts as found.
    """
    likely = probabilities(outputs.scores.float(), objectness).contiguous().cpu().numpy()
    corners = corners_of(decode(outputs.offsets.float(), grids.boxes)).clamp(0, 1)
    boxes = corners.contiguous().cpu().numpy()
    found = []
    for number, (default, kind, score) in enumerate(select(likely, boxes, selection)):
        height, width = sizes[number]
        placed = boxes[number, default] * np.array([width, height, width, height], np.float32)
        found.append(Detections(placed, tuple(class_names[one] for one in kind), score, kind, default))
    return found


def select(
    likely: Float32[np.ndarray, "batch boxes classes"],
    boxes: Float32[np.ndarray, "batch boxes 4"],
    selection: Selection,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Selects what stays of each picture: numbers of boxes, of their classes, and their scores, likeliest first.

    Equal scores stay in the order of classes, then of boxes.
    """
    pictures, count, classes = likely.shape
    most = min(selection.top_k, max(count, 1))
    kept = np.empty((pictures, classes, most), np.int64)
    kept_scores = np.empty((pictures, classes, most), np.float32)
    counts = np.empty((pictures, classes), np.int64)
    sigma = SIGMA if selection.soft else 0.0
    _core.nms(likely, boxes, float(selection.threshold), float(selection.nms_iou), sigma, kept, kept_scores, counts)
    found = []
    for number in range(pictures):
        there = np.arange(most) < counts[number][:, None]
        scores, kinds = kept_scores[number][there], there.nonzero()[0]
        order = np.argsort(-scores, kind="stable")[: selection.max_detections]
        found.append((kept[number][there][order], kinds[order], scores[order]))
    return found
