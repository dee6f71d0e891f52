"""Detect: what is where, many objects at once, in one pass (SSD).

Heads that are convolutions on several maps of a trunk predict for every place at once; fine maps are for small objects,
coarse ones for large. `default_boxes` (what is predicted for), `matching` (which of them are matched to which object),
`loss`, `feature_maps` and `heads` (the network), `decoding` and `tiles` (from its outputs to objects).

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

from __future__ import annotations

from convolens.models.detect.default_boxes import DefaultBoxes, shapes_of
from convolens.models.detect.detector import Detector
from convolens.models.detect.fit_boxes import fit_shapes, mean_overlap
from convolens.models.detect.loss import DetectionLoss, Outputs
from convolens.models.detect.matching import Matches
from convolens.results import Detections
from convolens.selection import LOWEST, Selection

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
