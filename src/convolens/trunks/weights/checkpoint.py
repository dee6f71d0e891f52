"""What a weights file says: tensors under torchvision's names, and, where it tells, what they expect of a picture.

Read without running anything in it: `.safetensors` is data only, `.pth` goes through torch's loader for weights alone,
HDF5 is arrays. Nothing is allocated from a size that a header claims; shapes are compared before any copy is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convolens.errors import ArgumentError, FileError, WeightsError
from convolens.media.files import need_file
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.weights.foreign import START_BYTES, foreign
from convolens.trunks.weights.keras import read_keras
from convolens.trunks.weights.names import from_mmpretrain, from_timm, from_transformers
from convolens.trunks.weights.pickles import read_pickled
from convolens.trunks.weights.shards import INDEX, read_shards
from convolens.trunks.weights.state_dicts import State, state_in, without_prefix
from convolens.trunks.weights.strict import some
from convolens.trunks.weights.tensor_file import read_tensor_file


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
    """A weights file of any supported kind, told by what it begins with; its suffix may be any.

    Raises:
        WeightsError: not there, of no known kind, damaged, or with something in it that is no tensor.
    """
    try:
        need_file(path, "a weights file")
        with path.open("rb") as stream:
            start = stream.read(START_BYTES)
    except (FileError, OSError) as error:
        reason = str(error) if isinstance(error, FileError) else f"{path}: cannot be read: {error.strerror or error}"
        raise WeightsError(reason) from error
    return _reader(path, start)(path)


def is_weights_name(name: str) -> bool:
    """Whether a text is meant as a weights file: by its suffix, or since there is such a file."""
    try:
        return Path(name).suffix.lower() in _SUFFIXES or Path(name).exists()
    except (OSError, ValueError):  # longer than a name can be, or with a zero byte in it
        return False


def tidy(state: Mapping[str, Tensor], source: object) -> State:
    """The tensors under torchvision's names: other packages' names translated, prefixes dropped."""
    return from_timm(without_prefix(from_mmpretrain(from_transformers(state)), source))


def _reader(path: Path, start: bytes) -> Callable[[Path], Checkpoint]:
    if start[8:9] == b"{":
        return _read_safetensors
    if path.name.endswith(INDEX) and start.lstrip().startswith(b"{"):
        return _read_shards
    if start.startswith(_HDF5):
        return _read_hdf5
    if start.startswith(_PICKLES):
        return _read_torch
    reader = _SUFFIXES.get(path.suffix.lower())
    other = foreign(start, path.suffix.lower())
    if other or reader is None:
        found = other or f"one that begins {start[:_SHOWN_BYTES]!r}"
        raise WeightsError(f"{path}: need a weights file (.safetensors, PyTorch's .pth, Keras's .h5), got {found}")
    return reader  # says what is wrong with a file of its kind


def _read_safetensors(path: Path) -> Checkpoint:
    texts, state = read_tensor_file(path)
    facts = {key: _plain(text) for key, text in texts.items()}
    _need_plain(state, path)
    if isinstance(facts.get("trunk"), dict):
        return _own(path, state, facts)
    return Checkpoint(str(path), tidy(state, path))


def _read_shards(path: Path) -> Checkpoint:
    return Checkpoint(str(path), tidy(read_shards(path, _shard), path))


def _shard(path: Path) -> State:
    try:
        need_file(path, "a part of the weights")
    except FileError as error:
        raise WeightsError(str(error)) from error
    state = read_tensor_file(path)[1] if path.suffix == ".safetensors" else _torch_state(path)
    _need_plain(state, path)
    return state


def _own(path: Path, state: State, facts: Mapping[str, Any]) -> Checkpoint:
    """A model file of Convolens, whose header says how its trunk was built and what it expects of a picture."""
    parts = {"trunk.", "head."} if facts.get("head") == "original" else {"trunk."}
    inner = {key.removeprefix(part): value for key, value in state.items() for part in parts if key.startswith(part)}
    try:
        options = dict(facts["trunk"]["options"])
        preprocessing = Preprocessing.from_dict(facts["preprocessing"], options.get("channels", 3))
        class_names = tuple(str(name) for name in facts["class_names"]) if "head." in parts else ()
    except (ArgumentError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f" ({error})" if isinstance(error, ArgumentError) else ""
        raise WeightsError(
            f"{path}: need a header that says how its trunk was built, got one that does not{reason}"
        ) from error
    return Checkpoint(str(path), inner, preprocessing, options, class_names)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_torch(path: Path) -> Checkpoint:
    return Checkpoint(str(path), tidy(_torch_state(path), path))


def _torch_state(path: Path) -> State:
    state = state_in(read_pickled(path), path)
    _need_plain(state, path)
    return state


def _need_plain(state: Mapping[str, Tensor], path: Path) -> None:
    odd = [key for key, value in state.items() if not _is_plain(value)]
    if odd:
        raise WeightsError(f"{path}: need dense tensors of real numbers, got others ({some(odd)}); save them as floats")


def _is_plain(value: Tensor) -> bool:
    """Numbers that are there: not sparse, nested, quantized, complex, of the meta device or spread out of fewer."""
    strange = value.is_nested or value.is_quantized or value.is_meta or value.is_complex()
    if value.layout != torch.strided or strange:
        return False
    return value.untyped_storage().nbytes() >= value.numel() * value.element_size()


def _read_hdf5(path: Path) -> Checkpoint:
    state, preprocessing, options = read_keras(path)
    return Checkpoint(str(path), state, preprocessing, options)


# By their first bytes: HDF5's signature; a zip as torch writes it; a bare pickle of protocol 2 or later. A safetensors
# file has the length of its header in eight, then the header.
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_SHOWN_BYTES = 9
# Where the first bytes say nothing, the suffix says which reader shall tell what is wrong.
_SUFFIXES: dict[str, Callable[[Path], Checkpoint]] = {
    ".safetensors": _read_safetensors,
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".bin", ".tar"), _read_torch),
    **dict.fromkeys((".h5", ".hdf5"), _read_hdf5),
}
