"""What a detector said of a picture, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray


class Found(NamedTuple):
    """Detections in one picture: corners in its pixels, numbers of classes, scores; in any order."""

    boxes_xyxy: Float[np.ndarray, "boxes 4"]
    labels: Int[np.ndarray, " boxes"]
    scores: Float[np.ndarray, " boxes"]

    @classmethod
    def nothing(cls) -> Found:
        """No detection."""
        return cls(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))


def overlaps(a: Float[np.ndarray, "as 4"], b: Float[np.ndarray, "bs 4"]) -> NDArray[np.float64]:
    """Intersection over union of each of `a` with each of `b`."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None] - shared
    found: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found
