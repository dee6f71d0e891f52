"""Box arithmetic: corners, centres, overlaps. For NumPy arrays and torch tensors alike; differentiable for the latter.

A box is four numbers. Two forms, said in every name: corners `x1, y1, x2, y2` (`boxes_xyxy`) and centre and size
`cx, cy, w, h`. The unit is free (pixels, shares of a picture's sides) as long as it is one.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from convolens.arrays import Array, is_tensor

# Below this a union is no area: two boxes of no size do not overlap, and nothing is divided by 0.
_LEAST_AREA = 1e-12


def corners_of(boxes: Float[Array, "*boxes 4"]) -> Any:
    """Centre and size as corners.

    >>> corners_of(np.array([[0.5, 0.5, 0.25, 1.0]]))
    array([[0.375, 0.   , 0.625, 1.   ]])
    """
    centers, halves = boxes[..., :2], boxes[..., 2:] * 0.5  # type: ignore[index]
    return _maths(boxes).concatenate([centers - halves, centers + halves], -1)


def centers_of(boxes_xyxy: Float[Array, "*boxes 4"]) -> Any:
    """Corners as centre and size.

    >>> centers_of(np.array([[0.375, 0.0, 0.625, 1.0]]))
    array([[0.5 , 0.5 , 0.25, 1.  ]])
    """
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]  # type: ignore[index]
    return _maths(boxes_xyxy).concatenate([(low + high) * 0.5, high - low], -1)


def areas(boxes_xyxy: Num[Array, "*boxes 4"]) -> Any:
    """Width times height: of halves in float32 and of integers in float64, as areas go past what these hold."""
    sides = _widened(boxes_xyxy[..., 2:]) - _widened(boxes_xyxy[..., :2])  # type: ignore[index]
    return sides[..., 0] * sides[..., 1]


def overlaps(a_xyxy: Num[Array, "*#boxes 4"], b_xyxy: Num[Array, "*#boxes 4"]) -> tuple[Any, Any]:
    """Intersection over union, pair by pair, and its generalised form, which is below 0 where boxes lie apart.

    Shapes broadcast: `overlaps(a[:, None], b)` compares each with each.

    Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, algorithm 1.

    >>> iou, generalized = overlaps(np.array([0.0, 0.0, 2.0, 2.0]), np.array([1.0, 1.0, 3.0, 3.0]))
    >>> round(float(iou), 4), round(float(generalized), 4)
    (0.1429, -0.0794)
    """
    a_xyxy, b_xyxy = _widened(a_xyxy), _widened(b_xyxy)
    iou, union = _overlap(a_xyxy, b_xyxy)
    maths = _maths(a_xyxy)
    low = maths.minimum(a_xyxy[..., :2], b_xyxy[..., :2])  # type: ignore[index]
    high = maths.maximum(a_xyxy[..., 2:], b_xyxy[..., 2:])  # type: ignore[index]
    hull = areas(maths.concatenate([low, high], -1))
    return iou, iou - (hull - union) / hull.clip(_LEAST_AREA)


def overlap(a_xyxy: Num[Array, "*#boxes 4"], b_xyxy: Num[Array, "*#boxes 4"]) -> Any:
    """Intersection over union, pair by pair; shapes broadcast."""
    return _overlap(_widened(a_xyxy), _widened(b_xyxy))[0]


def clipped(boxes_xyxy: Float[Array, "*boxes 4"], width: float, height: float) -> Any:
    """The part of each box that lies in a picture of that size; a box outside becomes one without area at its edge."""
    x1, y1, x2, y2 = (boxes_xyxy[..., side] for side in range(4))  # type: ignore[index]
    sides = [x1.clip(0, width), y1.clip(0, height), x2.clip(0, width), y2.clip(0, height)]
    return _maths(boxes_xyxy).stack(sides, -1)


def usable(boxes_xyxy: Float[Array, "*boxes 4"]) -> Any:
    """Which are boxes: finite numbers, `x1 < x2` and `y1 < y2`."""
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]  # type: ignore[index]
    finite = _maths(boxes_xyxy).isfinite(boxes_xyxy).all(-1)
    return finite & (low < high).all(-1)


def _overlap(a_xyxy: Any, b_xyxy: Any) -> tuple[Any, Any]:
    """Intersection over union, and the union."""
    maths = _maths(a_xyxy)
    low = maths.maximum(a_xyxy[..., :2], b_xyxy[..., :2])
    sides = (maths.minimum(a_xyxy[..., 2:], b_xyxy[..., 2:]) - low).clip(0)
    shared = sides[..., 0] * sides[..., 1]
    union = areas(a_xyxy) + areas(b_xyxy) - shared
    return shared / union.clip(_LEAST_AREA), union


def _widened(boxes: Any) -> Any:
    """In a type that areas of boxes on any picture fit into."""
    if is_tensor(boxes):
        if boxes.is_floating_point():
            return boxes.float() if boxes.element_size() < 4 else boxes
        return boxes.double()
    if boxes.dtype.kind == "f":
        return boxes.astype(np.float32) if boxes.itemsize < 4 else boxes
    return boxes.astype(np.float64)


def _maths(boxes: object) -> Any:
    """The module with the functions for this kind of array."""
    return sys.modules["torch"] if is_tensor(boxes) else np
