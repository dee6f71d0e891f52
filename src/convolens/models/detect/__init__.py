"""Detect: what is where, many objects at once, in one pass (SSD).

Heads that are convolutions on several maps of a trunk look at every place at once; fine maps see small objects, coarse
ones large. `default_boxes` (what is asked about), `matching` (which of them answer for which object), `cost` (what they
should have said), `feature_maps` and `heads` (the network), `decoding` and `tiles` (from what it says to objects).

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

from __future__ import annotations

from convolens.models.detect.cost import DetectionLoss, Outputs
from convolens.models.detect.decoding import LOWEST, Detections, Selection
from convolens.models.detect.default_boxes import DefaultBoxes, shapes_of
from convolens.models.detect.detector import Detector
from convolens.models.detect.fit_boxes import fit_shapes, mean_overlap
from convolens.models.detect.matching import Matches

__all__ = [
    "LOWEST",
    "DefaultBoxes",
    "DetectionLoss",
    "Detections",
    "Detector",
    "Matches",
    "Outputs",
    "Selection",
    "fit_shapes",
    "mean_overlap",
    "shapes_of",
]
