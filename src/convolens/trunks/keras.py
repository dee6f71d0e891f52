"""Weights that Keras saved: HDF5 files with kernels as (height, width, inputs, outputs); torch wants (O, I, H, W).

Only arrays are read; nothing in such a file is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from convolens.errors import WeightsError, need_package

if TYPE_CHECKING:
    import h5py

State = dict[str, Tensor]

# VGG16's 13 convolutions stand at these places of torchvision's `features`.
_VGG16_PLACES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_HED_HEADS = ("dsn1", "dsn2", "dsn3", "dsn4", "dsn5", "fuse")


def read_hed(path: Path) -> tuple[State, State]:
    """HED's file: the VGG16 trunk's state dict, and that of its side outputs and their fusion.

    Raises:
        WeightsError: the file cannot be read, or is not HED's.
    """
    with _open(path) as file:
        trunk: State = {}
        for block, places in enumerate(_VGG16_PLACES, 1):
            for number, place in enumerate(places):
                layer = f"block{block}/layers/conv2d" + (f"_{number}" if number else "")
                trunk |= _convolution(file, layer, f"features.{place}", path)
        heads: State = {}
        for head in _HED_HEADS:
            heads |= _convolution(file, head, head, path)
    return trunk, heads


def _convolution(file: h5py.File, group: str, name: str, path: Path) -> State:
    try:
        kernel, bias = file[f"{group}/vars/0"], file[f"{group}/vars/1"]
    except KeyError as error:
        raise WeightsError(f"{path}: need the layer {group}, which it lacks; it is another network's") from error
    return {f"{name}.weight": _tensor(kernel).permute(3, 2, 0, 1).contiguous(), f"{name}.bias": _tensor(bias)}


def _tensor(dataset: h5py.Dataset) -> Tensor:
    return torch.from_numpy(np.asarray(dataset, dtype=np.float32))


def _open(path: Path) -> h5py.File:
    try:
        import h5py
    except ImportError as missing:
        raise need_package("h5py", "networks", str(path)) from missing
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise WeightsError(f"{path}: need an HDF5 file, got something else or a damaged one ({error})") from error
