"""Exported models from their files."""

from __future__ import annotations

from convolens.errors import WeightsError, need_one_of
from convolens.exported.classify import ExportedClassifier
from convolens.exported.detect import ExportedDetector
from convolens.exported.edges import ExportedEdges
from convolens.exported.facts import Facts
from convolens.exported.features import ExportedFeatures
from convolens.exported.localize import ExportedLocalizer
from convolens.exported.session import open_session
from convolens.exported.unusual import ExportedInspector
from convolens.media.files import AnyPath, need_file

Exported = (
    ExportedClassifier | ExportedLocalizer | ExportedDetector | ExportedInspector | ExportedFeatures | ExportedEdges
)  # told apart by `task`

_TASKS: dict[str, type[Exported]] = {
    kind.task: kind
    for kind in (
        ExportedClassifier,
        ExportedLocalizer,
        ExportedDetector,
        ExportedInspector,
        ExportedFeatures,
        ExportedEdges,
    )
}


def load_exported(path: AnyPath, *, device: str = "auto") -> Exported:
    """An exported model from its file.

    Args:
        path: an `.onnx` file that `convolens.export` wrote.
        device: `auto` (the GPU where ONNX Runtime has one), `cpu` or `cuda`.

    Raises:
        FileError: nothing is there.
        WeightsError: damaged, another's, or its metadata is not that of its graph.
        MissingExtraError: ONNX Runtime is not installed.
        DeviceError: the device is not there.
    """
    file = need_file(path, "an exported model")
    session = open_session(file, file, device)
    facts = Facts.of(session.get_modelmeta().custom_metadata_map, file)
    need_one_of(f"{file}: its task", facts.task, _TASKS, WeightsError)
    return _TASKS[facts.task](file, session, facts)
