"""Weights in several files, as the Hugging Face hub keeps large ones: an index in JSON says which tensor is where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from convolens.errors import WeightsError
from convolens.trunks.weights.strict import some

INDEX = ".index.json"
_MOST = 64 << 20  # bytes of an index


def read_shards(index: Path, read: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """All tensors that the index names.

    Args:
        index: `model.safetensors.index.json`, `pytorch_model.bin.index.json`.
        read: gives the tensors of one of its files.

    Raises:
        WeightsError: it is no such index, names files of other folders, or lacks tensors that it names.
    """
    files = _files(index)
    found: dict[str, Tensor] = {}
    for name in dict.fromkeys(files.values()):
        tensors = read(index.parent / name)
        found |= {key: tensors[key] for key, file in files.items() if file == name and key in tensors}
    if missing := sorted(files.keys() - found.keys()):
        raise WeightsError(f"{index}: need the {len(files)} tensors that it names, got {len(missing)} missing "
                           f"({some(missing)})")  # fmt: skip
    return found


def _files(index: Path) -> dict[str, str]:
    try:
        with index.open("rb") as stream:
            content = json.loads(stream.read(_MOST))
        files = dict(content["weight_map"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise WeightsError(f"{index}: need an index of weights (weight_map), got something else") from error
    strange = [str(name) for name in files.values() if not isinstance(name, str) or Path(name).name != name]
    if strange or not files:
        raise WeightsError(f"{index}: need names of files beside it, got {some(strange) or 'none'}")
    return files
