"""Weights that Keras saved: HDF5 files with kernels as (height, width, inputs, outputs); torch wants (O, I, H, W).

Three layouts are known: Keras 2's (`block1_conv1/block1_conv1/kernel:0`, also inside a whole saved model), Keras 3's
`.weights.h5` (`layers/conv2d_3/vars/0`, numbered in the order of the layers), and that of HED, which nests blocks. The
networks are `keras.applications`' VGG16, VGG19 and ResNet50. Only arrays are read; nothing in such a file is executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from convolens.errors import WeightsError
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.weights.hdf5 import Hdf5, open_hdf5

State = dict[str, Tensor]
Arrays = list[str]  # paths of arrays, not read yet: a file may hold more than the network needs

# keras.applications' "caffe" mode: BGR of 255 minus means, no scaling.
KERAS = Preprocessing(order="bgr", white=255.0, mean=(103.939, 116.779, 123.68), deviation=(1.0, 1.0, 1.0))
# HED was trained in Caffe, on its means of the same channels.
HED = Preprocessing(order="bgr", white=255.0, mean=(104.00699, 116.66877, 122.67892), deviation=(1.0, 1.0, 1.0))
# Keras's ResNet50 is the paper's: stride in a block's first convolution; besides, biases in front of batch norm.
KERAS_RESNET = {"stride_in": "conv1", "bias": True, "norm_epsilon": 1.001e-5}

# Where torchvision's `features` keep the convolutions of each block, by how many a block has at most.
_VGG_PLACES = {
    3: ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
    4: ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)),
}
_VGG_DENSE = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
_RESNET50_BLOCKS = (3, 4, 6, 3)
_HED_HEADS = ("dsn1", "dsn2", "dsn3", "dsn4", "dsn5", "fuse")
_NORM = ("weight", "bias", "running_mean", "running_var")  # Keras: gamma, beta, moving mean, moving variance


def read_keras(path: Path) -> tuple[State, Preprocessing, dict[str, Any]]:
    """A trunk's (and, where it is there, its classifier's) state dict, preprocessing and options.

    Raises:
        WeightsError: the file cannot be read, or is another network's.
    """
    with open_hdf5(path) as file:
        if "/block1/layers/conv2d" in file.groups and "/fuse" in file.groups:
            return _read_hed(file)[0], HED, {"ceil_mode": True}
        layers = dict(_named(file)) or dict(_numbered(file))
        if "block1_conv1" in layers:
            return _vgg(file, layers), KERAS, {}
        if "conv1_conv" in layers:
            return _resnet50(file, layers), KERAS, dict(KERAS_RESNET)
    found = ", ".join(list(layers)[:3]) or "none that we know"
    raise WeightsError(f"{path}: need keras.applications' VGG16, VGG19 or ResNet50, got the layers {found}…")


def read_hed(path: Path) -> tuple[State, State]:
    """HED's file: the VGG16 trunk's state dict, and that of its side outputs and their fusion.

    Raises:
        WeightsError: the file cannot be read, or is not HED's.
    """
    with open_hdf5(path) as file:
        return _read_hed(file)


def _read_hed(file: Hdf5) -> tuple[State, State]:
    trunk: State = {}
    for block, places in enumerate(_VGG_PLACES[3], 1):
        for number, place in enumerate(places):
            group = f"/block{block}/layers/conv2d" + (f"_{number}" if number else "")
            trunk |= _weighted(file, _arrays(file, group), f"features.{place}")
    heads: State = {}
    for head in _HED_HEADS:
        heads |= _weighted(file, _arrays(file, f"/{head}"), head)
    return trunk, heads


def _named(file: Hdf5) -> Iterator[tuple[str, Arrays]]:
    """Keras 2: one group a layer, its arrays named in the attribute `weight_names`, in Keras's order."""
    root = "/model_weights" if "/model_weights" in file.groups else ""
    for name in file.children(root):
        order = file.groups.get(f"{root}/{name}")
        if order:
            yield name, [f"{root}/{name}/{entry}" for entry in order]


def _numbered(file: Hdf5) -> Iterator[tuple[str, Arrays]]:
    """Keras 3: layers by name, or numbered by kind in the order of the model's layers, which is then looked up."""
    names = [name for name in file.children("/layers") if f"/layers/{name}" in file.groups]
    if "block1_conv1" in names or "conv1_conv" in names:
        yield from ((name, arrays) for name in names if (arrays := _arrays(file, f"/layers/{name}")))
        return
    counts = {kind: sum(re.fullmatch(rf"{kind}(_\d+)?", name) is not None for name in names) for kind in _ORDERS_KINDS}
    order = _ORDERS.get((counts["conv2d"], counts["batch_normalization"]))
    if order is None:
        return
    for kind, layers in order.items():
        for number, name in zip(range(counts[kind]), layers, strict=False):
            yield name, _arrays(file, f"/layers/{kind}" + (f"_{number}" if number else ""))


def _vgg(file: Hdf5, layers: dict[str, Arrays]) -> State:
    state: State = {}
    for block, places in enumerate(_VGG_PLACES[4 if "block3_conv4" in layers else 3], 1):
        for number, place in enumerate(places, 1):
            state |= _weighted(file, _need(file, layers, f"block{block}_conv{number}"), f"features.{place}")
    for name, target in _VGG_DENSE.items():
        if name in layers:
            state |= _weighted(file, layers[name], target)
    if "classifier.0.weight" in state:
        first = state["classifier.0.weight"]
        if first.dim() != 2 or first.shape[1] != 7 * 7 * 512:
            raise WeightsError(f"{file.path}: layer fc1: need 25088 inputs, got the shape {tuple(first.shape)}")
        # Keras flattens rows, columns, channels; torch flattens channels, rows, columns.
        state["classifier.0.weight"] = first.view(-1, 7, 7, 512).permute(0, 3, 1, 2).flatten(1)
    return state


def _resnet50(file: Hdf5, layers: dict[str, Arrays]) -> State:
    state: State = {}
    for name, target in _resnet50_names():
        state |= _weighted(file, _need(file, layers, f"{name}_conv"), target)
        state |= _norm(file, _need(file, layers, f"{name}_bn"), _norm_name(target))
    dense = next((layers[name] for name in ("predictions", "probs", "fc1000") if name in layers), None)
    return state | (_weighted(file, dense, "fc") if dense else {})


def _resnet50_names() -> Iterator[tuple[str, str]]:
    """Keras's and torchvision's name of every convolution, in the order of Keras's layers."""
    yield "conv1", "conv1"
    for stage, count in enumerate(_RESNET50_BLOCKS, 1):
        for block in range(count):
            # In a projection block Keras builds the shortcut (0) before the last convolution of the main path (3).
            for number in (1, 2, 0, 3) if block == 0 else (1, 2, 3):
                inner = f"conv{number}" if number else "downsample.0"
                yield f"conv{stage + 1}_block{block + 1}_{number}", f"layer{stage}.{block}.{inner}"


def _norm_name(convolution: str) -> str:
    return convolution.replace("downsample.0", "downsample.1").replace("conv", "bn")


def _weighted(file: Hdf5, arrays: Arrays, name: str) -> State:
    """A convolution's or dense layer's kernel and bias, in torch's order of axes."""
    if not 1 <= len(arrays) <= 2:
        raise WeightsError(f"{file.path}: layer {name}: need a kernel and a bias, got {len(arrays)} arrays")
    kernel, *rest = (file.read(array) for array in arrays)
    axes = (3, 2, 0, 1) if kernel.dim() == 4 else tuple(reversed(range(kernel.dim())))
    state = {f"{name}.weight": kernel.permute(axes).contiguous()}
    return state | ({f"{name}.bias": rest[0]} if rest else {})


def _norm(file: Hdf5, arrays: Arrays, name: str) -> State:
    if len(arrays) != len(_NORM):
        raise WeightsError(f"{file.path}: batch norm {name}: need {len(_NORM)} arrays, got {len(arrays)}")
    return {f"{name}.{kind}": file.read(array) for kind, array in zip(_NORM, arrays, strict=True)}


def _need(file: Hdf5, layers: dict[str, Arrays], name: str) -> Arrays:
    if name not in layers:
        raise WeightsError(f"{file.path}: need the layer {name}, which it lacks; it is another network's")
    return layers[name]


def _arrays(file: Hdf5, group: str) -> Arrays:
    """The paths of a layer's arrays in Keras 3's order."""
    return [f"{group}/vars/{number}" for number in range(len(file.children(f"{group}/vars")))]


def _vgg_order(convolutions: tuple[int, ...]) -> dict[str, list[str]]:
    names = [
        f"block{block}_conv{number}" for block, count in enumerate(convolutions, 1) for number in range(1, count + 1)
    ]
    return {"conv2d": names, "batch_normalization": [], "dense": list(_VGG_DENSE)}


def _resnet50_order() -> dict[str, list[str]]:
    names = [name for name, _ in _resnet50_names()]
    return {
        "conv2d": [f"{name}_conv" for name in names],
        "batch_normalization": [f"{name}_bn" for name in names],
        "dense": ["predictions"],
    }


_ORDERS_KINDS = ("conv2d", "batch_normalization", "dense")
# By the number of convolutions and batch norms: Keras 3 does not write which network a file is of.
_ORDERS = {
    (13, 0): _vgg_order((2, 2, 3, 3, 3)),
    (16, 0): _vgg_order((2, 2, 4, 4, 4)),
    (53, 53): _resnet50_order(),
}
