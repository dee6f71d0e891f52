"""Models from files, in torch or exported; and on their way to other processes."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from convolens.errors import ArgumentError
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


@dataclass(frozen=True)
class SentModel:
    """A model, or a trunk alone, on its way to another process, which is to be one of the same run.

    Attributes:
        data: its file, or a trunk as torch's modules are pickled.
        suffix: of the file's name; empty for a trunk.
        device: where it is to run.
    """

    data: bytes
    suffix: str
    device: str

    @classmethod
    def of(cls, model: Any, device: str) -> SentModel:
        """Packs a model. Raises an `ArgumentError` for what is none."""
        from convolens.exported import ExportedModel

        if isinstance(model, ExportedModel):
            with brought_here(model.path, "a model") if as_address(model.path) else nullcontext(model.path) as file:
                return cls(Path(file).read_bytes(), Path(file).suffix, device)
        if hasattr(model, "save"):
            with TemporaryDirectory() as folder:
                target = Path(folder) / "model.safetensors"
                model.save(target)
                return cls(target.read_bytes(), target.suffix, device)
        from convolens.trunks import Trunk

        if isinstance(model, Trunk):
            return cls(pickle.dumps(copy.deepcopy(model).cpu()), "", device)
        raise ArgumentError(f"model: need one that cl.load or cl.train gives, got {type(model).__name__}")

    def load(self) -> Any:
        """The model. Errors as of `load`."""
        if not self.suffix:
            from convolens.trunks.options import pick_device

            return pickle.loads(self.data).to(pick_device(self.device))
        with TemporaryDirectory() as folder:
            file = Path(folder) / f"model{self.suffix}"
            file.write_bytes(self.data)
            return load(file, device=self.device)
