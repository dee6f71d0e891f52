"""Models from files, in torch or exported."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from convolens.media.files import AnyPath
from convolens.media.result_folders import BEST
from convolens.sources import as_address
from convolens.sources.copies import brought_here

if TYPE_CHECKING:
    from convolens.exported import Exported
    from convolens.models import Model


def load(path: AnyPath, *, device: str = "auto") -> Model | Exported:
    """A trained model from its file, ready to use: a `Classifier`, a `Localizer`, …. Nothing in the file is run.

    Args:
        path: a `.safetensors` file that `save` or training wrote, a run folder of `train`, for its best model, or an
            `.onnx` file that `export` wrote: that needs ONNX Runtime and no torch, and predicts only. Or the address
            of one: `s3://…`.
        device: where it shall run: `auto` (the GPU where there is one), `cpu`, `cuda`, …

    Raises:
        FileError: nothing is there.
        WeightsError: not a model, damaged, or of a task that this version does not know.
        DeviceError: the device is not there.

    >>> from tempfile import TemporaryDirectory
    >>> from convolens.models.classify import classifier
    >>> with TemporaryDirectory() as folder:
    ...     classifier("resnet18", classes=["cat", "dog"]).save(f"{folder}/model.safetensors")
    ...     model = load(f"{folder}/model.safetensors")
    >>> model.task, model.class_names
    ('classify', ('cat', 'dog'))
    """
    if as_address(path):
        from convolens.exported import ExportedModel

        with brought_here(path, "a model", in_folder=BEST) as file:
            found = load(file, device=device)
            if isinstance(found, ExportedModel):
                _ = found.fingerprint  # of the file, which is gone afterwards
                found.path = Path(path)
            return found
    if is_exported(path):
        from convolens.exported import load_exported

        return load_exported(path, device=device)
    from convolens.models import load as load_model

    return load_model(path, device=device)


def is_exported(path: object) -> bool:
    """Whether a path is that of an exported model, by its suffix."""
    return isinstance(path, str | PathLike) and Path(path).suffix.lower() == ".onnx"
