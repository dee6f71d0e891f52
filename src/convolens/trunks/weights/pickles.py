"""State dicts that torch pickled (`.pth`, `.pt`, `.ckpt`, `.bin`, `.pth.tar`): read for their tensors, nothing is run.

torch's loader builds tensors and plain containers, and refuses everything else. Training scripts leave their settings
beside the weights; for those of the list below something inert is put, so that the weights can be had.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from convolens.errors import ConvolensError, WeightsError
from convolens.forks import lock_that_forks
from convolens.memory import need_memory


class Setting:
    """What stands for a setting beside the weights: it takes whatever it is given, and does and keeps nothing."""

    def __new__(cls, *_args: object) -> Setting:
        """Takes what the setting was made of."""
        return super().__new__(cls)

    def __init__(self, *_args: object) -> None:
        """Keeps nothing of it."""

    def __setstate__(self, _state: object) -> None:
        """Nor of its attributes."""


def _empty_dict(*_args: object) -> dict[object, object]:
    return {}


# What scripts leave beside the weights and torch's loader refuses. None of these is built: NumPy's numbers, for one,
# can be pickled so that building them reads memory that is not theirs.
_SETTINGS = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in ("PosixPath", "WindowsPath", "Path")),
    *(f"builtins.{name}" for name in ("int", "float", "str", "bool", "list", "dict", "tuple", "slice", "range")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.ndarray", "numpy.dtype"),
    *("datetime.datetime", "datetime.date", "datetime.timedelta"),
)
_HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((Setting, name) for name in _SETTINGS),
    (_empty_dict, "collections.defaultdict"),
    *(
        (OrderedDict, f"{module}.utilities.parsing.AttributeDict")
        for module in ("pytorch_lightning", "lightning.pytorch")
    ),
    (OrderedDict, "lightning.fabric.utilities.data.AttributeDict"),
]
_listing = lock_that_forks()  # torch's list is the process's: another thread that is done would take ours off it
_REMEDY = "where you trust the file, load it with the program that wrote it and torch.save(model.state_dict(), …)"


def read_pickled(path: Path) -> object:
    """What the file holds: tensors in containers, as the program left them.

    Raises:
        WeightsError: it cannot be read or is damaged, would build or run anything else, or is a program (TorchScript).
        MemoryRefused: it holds more than the budget of memory.
    """
    need_memory(path.stat().st_size, path)
    with _reading(path):
        if zipfile.is_zipfile(path):
            _need_state_dict(path)
        with _listing, warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
            warnings.simplefilter("ignore")  # about odd pickles; what matters is whether it can be read
            return torch.load(path, map_location="cpu", weights_only=True)


def _need_state_dict(path: Path) -> None:
    """Refuses other archives: programs, Keras's, and packed ones, which could unfold to any size; torch packs none."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    names = {entry.filename.rpartition("/")[2]: entry.filename for entry in entries}
    if "constants.pkl" in names or any("/code/" in entry.filename for entry in entries):
        raise WeightsError(
            f"{path}: need a state dict, got a TorchScript program (torch.jit.save), which is code and is not run; "
            "where you trust the file, torch.save(torch.jit.load(path).state_dict(), …)"
        )
    if "archive_format" in names:
        raise WeightsError(
            f"{path}: need a state dict, got an exported program (torch.export), which is not run; "
            "where you trust the file, torch.save(dict(torch.export.load(path).state_dict), …)"
        )
    if names and all(name.endswith(".npy") for name in names):
        raise WeightsError(
            f"{path}: need a weights file, got arrays of NumPy's; "
            "safetensors.numpy.save_file(dict(numpy.load(path)), …) makes one of them"
        )
    if "model.weights.h5" in names:
        raise WeightsError(
            f"{path}: need a weights file, got a whole model of Keras; model.save_weights('NAME.weights.h5') writes one"
        )
    need_memory(sum(entry.file_size for entry in entries), path)  # entries may share bytes
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError(f"{path}: need a PyTorch weights file, got a compressed archive; not loaded")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever zipfile and torch raise on a file becomes one sentence."""
    try:
        yield
    except ConvolensError:
        raise
    except MemoryError as error:
        raise WeightsError(f"{path}: need more memory than there is to load it") from error
    except Exception as error:  # struct.error, AssertionError, BadZipFile …: it depends on where the damage is
        stranger = _stranger(error)
        if stranger:
            raise WeightsError(
                f"{path}: need tensors and plain settings, got {stranger}, which could run code; not loaded; {_REMEDY}"
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "magic number" in reason:  # a bare pickle, which torch.save puts a number before
            reason = f"a pickle that torch did not write; {_REMEDY}"
        raise WeightsError(
            f"{path}: need a PyTorch weights file, got a damaged one or something else ({reason})"
        ) from error


def _stranger(error: Exception) -> str:
    """The class or function that torch's loader refused; empty where that is not what was wrong."""
    found = re.search(r"GLOBAL ([\w.<>]+)", str(error)) or re.search(r"type ([\w.<>]+) is not", str(error))
    if found:
        return found[1]
    return "a pickle that builds objects" if isinstance(error, pickle.UnpicklingError) else ""
