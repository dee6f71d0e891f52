"""What a detector finds in a picture, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Found(NamedTuple):
    """Detections in one picture: corners in its pixels, numbers of classes, scores; in any order."""

    boxes_xyxy: Float[np.ndarray, "boxes 4"]
    labels: Int[np.ndarray, " boxes"]
    scores: Float[np.ndarray, " boxes"]

    @classmethod
    def nothing(cls) -> Found:
        """No detection."""
        return cls(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
