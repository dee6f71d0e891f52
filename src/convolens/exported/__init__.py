"""Exported models: read and run by ONNX Runtime, without torch. What writes them is `convolens.exporting`."""

from convolens.exported.classify import ExportedClassifier
from convolens.exported.detect import ExportedDetector
from convolens.exported.edges import ExportedEdges
from convolens.exported.features import ExportedFeatures
from convolens.exported.loading import Exported, load_exported
from convolens.exported.localize import ExportedLocalizer
from convolens.exported.model import ExportedModel
from convolens.exported.unusual import ExportedInspector

__all__ = [
    "Exported",
    "ExportedClassifier",
    "ExportedDetector",
    "ExportedEdges",
    "ExportedFeatures",
    "ExportedInspector",
    "ExportedLocalizer",
    "ExportedModel",
    "load_exported",
]
