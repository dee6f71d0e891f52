"""The layers that trunks are made of. Every convolution of every trunk is made by `convolution`, in one place."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from convolens.errors import ArgumentError

Pooling = Literal["max", "average"]
PaddingMode = Literal["constant", "edge"]

# numpy's words for what lies outside a picture, and torch's.
_TORCH_PADDING: dict[str, Literal["zeros", "replicate"]] = {"constant": "zeros", "edge": "replicate"}


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: PaddingMode = "constant",
) -> nn.Module:
    """A square convolution, padded so that stride 1 keeps the size."""
    if padding_mode not in _TORCH_PADDING:
        raise ArgumentError(f"padding_mode: need one of {', '.join(_TORCH_PADDING)}, got {padding_mode!r}")
    return nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=dilation * (kernel - 1) // 2,
        dilation=dilation,
        groups=groups,
        bias=bias,
        padding_mode=_TORCH_PADDING[padding_mode],
    )


def pool(pooling: Pooling, kernel: int, stride: int, *, padding: int = 0, ceil_mode: bool = False) -> nn.Module:
    """A square pooling layer. Averages count only what lies inside the picture."""
    if pooling == "max":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    if pooling == "average":
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil_mode, count_include_pad=False)
    raise ArgumentError(f"pooling: need max or average, got {pooling!r}")


def initialise(network: nn.Module, seed: int) -> None:
    """Random weights in place: He's normal for convolutions, narrow normal for dense layers, identity for norms.

    He et al., "Delving Deep into Rectifiers", 2015, in the fan-out form that keeps gradients' size.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        weight = getattr(layer, "weight", None)
        if not isinstance(weight, torch.Tensor):
            continue
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        elif weight.dim() == 4:
            nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif weight.dim() == 2:
            nn.init.normal_(weight, 0.0, 0.01, generator=generator)
        bias = getattr(layer, "bias", None)
        if isinstance(bias, torch.Tensor):
            nn.init.zeros_(bias)
