"""What a weights file says: tensors under torchvision's names, and, where it tells, what they expect of a picture.

Read without running anything in it: `.safetensors` is data only, `.pth` goes through torch's loader for weights alone,
HDF5 is arrays. Nothing is allocated from a size that a header claims; shapes are compared before any copy is made.
"""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convolens.errors import ArgumentError, WeightsError
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.weights.keras import read_keras
from convolens.trunks.weights.strict import some
from convolens.trunks.weights.tensor_file import read_tensor_file

State = dict[str, Tensor]

# Under these keys training scripts put a state dict beside other things.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
# Before every key: left by data-parallel training and by torch.compile.
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Checkpoint:
    """A weights file as read.

    Attributes:
        source: what to call it in messages: a name from the table, or a path.
        state: tensors by torchvision's names.
        preprocessing: what the weights expect; None where nobody says.
        options: how the network must be built for them.
        class_names: of the classifier in the file, where known.
    """

    source: str
    state: State
    preprocessing: Preprocessing | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Checkpoint:
    """A weights file of any supported kind, told by its suffix.

    Raises:
        WeightsError: not there, of no known kind, damaged, or with something in it that is no tensor.
    """
    reader = READERS.get(path.suffix.lower())
    if not path.is_file():
        raise WeightsError(f"{path}: need a weights file, found nothing there")
    if reader is None:
        raise WeightsError(
            f"{path}: need a weights file of the kinds {', '.join(READERS)}, got {path.suffix or 'no suffix'}"
        )
    return reader(path)


def tidy(state: Mapping[str, Tensor]) -> State:
    """The tensors under torchvision's names: wrappers' prefixes dropped, timm's VGG head translated."""
    return _from_timm({_bare(key): value for key, value in state.items()})


def _bare(key: str) -> str:
    while key.startswith(_PREFIXES):
        key = key.partition(".")[2]
    return key


def _from_timm(state: State) -> State:
    """Timm's VGG keeps its dense layers as convolutions, under names of its own; its ResNets have torchvision's."""
    if "pre_logits.fc1.weight" not in state:
        return state
    names = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    found = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        dense = layer in names and kind == "weight"
        found[f"{names.get(layer, layer)}.{kind}"] = value.flatten(1) if dense and value.ndim > 1 else value
    return found


def _read_safetensors(path: Path) -> Checkpoint:
    texts, state = read_tensor_file(path)
    facts = {key: _plain(text) for key, text in texts.items()}
    _need_plain(state, path)
    return _own(path, state, facts) if isinstance(facts.get("trunk"), dict) else Checkpoint(str(path), tidy(state))


def _own(path: Path, state: State, facts: Mapping[str, Any]) -> Checkpoint:
    """A model file of Convolens, whose header says how its trunk was built and what it expects of a picture."""
    parts = {"trunk.", "head."} if facts.get("head") == "original" else {"trunk."}
    inner = {key.removeprefix(part): value for key, value in state.items() for part in parts if key.startswith(part)}
    try:
        preprocessing = Preprocessing.from_dict(facts["preprocessing"])
        options = dict(facts["trunk"]["options"])
        class_names = tuple(str(name) for name in facts["class_names"]) if "head." in parts else ()
    except (ArgumentError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path}: need a header that says how its trunk was built, got one that does not") from error
    return Checkpoint(str(path), inner, preprocessing, options, class_names)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_torch(path: Path) -> Checkpoint:
    _refuse_packed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd pickles; what matters is whether it can be read
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: need tensors and nothing else, got a pickle that would run code or build objects; not loaded"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path}: need a PyTorch weights file, got a damaged one or something else ({reason})"
        ) from error
    return Checkpoint(str(path), tidy(_tensors_in(content, path)))


def _refuse_packed(path: Path) -> None:
    """PyTorch stores its zip entries unpacked; a packed one could unfold to any size."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise WeightsError(f"{path}: need a PyTorch weights file, got a damaged archive ({error})") from error
    if packed:
        raise WeightsError(f"{path}: need a PyTorch weights file, got a compressed archive; not loaded")


def _tensors_in(content: object, path: Path) -> State:
    while isinstance(content, Mapping):
        wrapped = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if wrapped is None:
            break
        content = wrapped
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: need a state dict, got {type(content).__name__}")
    strangers = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise WeightsError(f"{path}: need a state dict of tensors only, got {some(strangers)} besides")
    state = {str(key): value for key, value in content.items()}
    _need_plain(state, path)
    return state


def _need_plain(state: Mapping[str, Tensor], path: Path) -> None:
    odd = [key for key, value in state.items() if not _is_plain(value)]
    if odd:
        raise WeightsError(f"{path}: need dense tensors of real numbers, got others ({some(odd)}); save them as floats")


def _is_plain(value: Tensor) -> bool:
    """Numbers that are there: not sparse, nested, quantised, complex, or of the meta device, which holds none."""
    strange = value.is_nested or value.is_quantized or value.is_meta or value.is_complex()
    return value.layout == torch.strided and not strange


def _read_hdf5(path: Path) -> Checkpoint:
    state, preprocessing, options = read_keras(path)
    return Checkpoint(str(path), state, preprocessing, options)


READERS: dict[str, Callable[[Path], Checkpoint]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
}
