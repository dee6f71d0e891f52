"""What counts as found: thresholds and numbers of detectors and localizers, the same in torch and exported."""

from __future__ import annotations

from dataclasses import dataclass

from convolens.arrays import Real
from convolens.errors import ArgumentError

PRESENT = 0.5  # the objectness at or above which a localizer names an object
LOWEST = 0.01  # the paper's threshold, for measuring: nearly everything counts
MIN_SCORE = 0.5  # the threshold for people
NMS_IOU = 0.45
TOP_K, MAX_DETECTIONS = 400, 200


@dataclass(frozen=True)
class Selection:
    """What counts as found.

    Attributes:
        threshold: only scores above it.
        nms_iou: of two boxes of a class with a larger IoU only the likelier stays.
        soft: it stays, but its score fades by exp(-IoU² / 0.5); `nms_iou` then plays no role.
        top_k: the likeliest of each class, before that.
        max_detections: the likeliest of a picture, after that.
    """

    threshold: Real = MIN_SCORE
    nms_iou: Real = NMS_IOU
    soft: bool = False
    top_k: int = TOP_K
    max_detections: int = MAX_DETECTIONS

    def __post_init__(self) -> None:
        for name in ("threshold", "nms_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(f"{name}: need a number from 0 to 1, got {getattr(self, name)}")
        for name in ("top_k", "max_detections"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name}: need at least 1, got {getattr(self, name)}")
