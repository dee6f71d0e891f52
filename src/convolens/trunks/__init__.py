"""Trunks: VGG and ResNet as feature extractors with named taps, and anyone's weights for them.

`TRUNKS` lists them; a new one is a function that returns a `Trunk`, and its line here; the conformance suite in
`tests/trunks` then tests it.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Unpack

from convolens.errors import ArgumentError, need_package

try:
    import torch
except ImportError as missing:
    raise need_package("torch", "networks", "trunk") from missing

from convolens.trunks import resnet, vgg
from convolens.trunks import weights as weights_
from convolens.trunks.blocks import initialise
from convolens.trunks.options import TrunkOptions
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.trunk import Trunk

TRUNKS: dict[str, Callable[..., Trunk]] = {
    "vgg11": vgg.vgg11,
    "vgg13": vgg.vgg13,
    "vgg16": vgg.vgg16,
    "vgg19": vgg.vgg19,
    "vgg11_bn": vgg.vgg11_bn,
    "vgg13_bn": vgg.vgg13_bn,
    "vgg16_bn": vgg.vgg16_bn,
    "vgg19_bn": vgg.vgg19_bn,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnet152": resnet.resnet152,
    "wide_resnet50_2": resnet.wide_resnet50_2,
    "resnext50_32x4d": resnet.resnext50_32x4d,
}

__all__ = ["TRUNKS", "Preprocessing", "Trunk", "trunk"]


def trunk(
    name: str, *, weights: str | PathLike[str] | None = None, seed: int = 0, **options: Unpack[TrunkOptions]
) -> Trunk:
    """A feature extractor with named taps, in evaluation mode on the CPU.

    Args:
        name: one of `TRUNKS`.
        weights: a name from the weights table, or None for random weights.
        seed: of the random weights.
        options: `channels`, `pooling`, `ceil_mode`, `padding_mode`; see `TrunkOptions`. What is not given is as the
            weights were trained.

    Raises:
        ArgumentError: no such network, no such weights, or weights of another network.
        WeightsError: the weights file is missing, damaged, or another network's.

    >>> trunk("vgg16").receptive_field("conv4_3")
    ReceptiveField(size=92, stride=8, offset=-42)
    """
    build = TRUNKS.get(name)
    if build is None:
        raise ArgumentError(f"trunk: need one of {', '.join(TRUNKS)}, got {name!r}")
    if weights is None:
        with torch.device("meta"):  # memory and time only for the weights that are kept
            made = build(**options)
        made.to_empty(device="cpu")
        initialise(made, seed)
        return made.eval()
    return weights_.load(name, build, weights, options)
