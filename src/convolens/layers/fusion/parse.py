"""Layers of torch.nn and Convolens read as fused ops: convolutions with the ReLU and pooling behind them, and pooling.

A layer derived from them, with a hook or with a `forward` of its own is none of these: it is called as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from torch import nn

from convolens.layers.conv import Conv2d
from convolens.layers.fusion.convolution import FusedConvolution
from convolens.layers.fusion.pooling import Pool
from convolens.layers.geometry import pair
from convolens.layers.pool import MaxPool2d

Op = FusedConvolution | Pool

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_OWN = ("forward", "_conv_forward")
_OPTIONS = (
    "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode", "ceil_mode", "return_indices",
    "divisor_override",
)  # fmt: skip


def parse(layers: Sequence[nn.Module]) -> tuple[list[Op] | None, int]:
    """The layers as fused ops, and how many of the layers were looked at.

    None where one of them is something else, or a convolution has no ReLU behind it; those behind it do not matter.
    """
    ops: list[Op] = []
    at, count = 0, len(layers)
    while at < count:
        layer, *behind = layers[at : at + 3]
        if (pool := pool_of(layer)) is not None:
            ops.append(pool)
            at += 1
        elif is_convolution(layer) and behind and is_plain(behind[0], nn.ReLU):
            pool = pool_of(behind[1]) if len(behind) > 1 else None
            ops.append(FusedConvolution(layer, relu=True, pool=pool))
            at += 2 if pool is None else 3
        else:
            return None, min(at + 2, count)
    return ops, count


def state_of(layer: nn.Module) -> tuple[object, ...]:
    """All that parsing reads of a layer: as long as this is the same, so is what it is read as."""
    own = vars(layer)
    hooked = any(map(own.get, _HOOKS))
    return type(layer), hooked, *map(own.get, _OWN), *map(own.get, _OPTIONS)


def is_plain(layer: nn.Module | None, *types: type[nn.Module]) -> bool:
    """Whether a layer is of one of the types, not derived from it, with nobody's hook and no `forward` of its own."""
    if layer is None or type(layer) not in types:
        return False
    return not any(map(vars(layer).get, _HOOKS)) and not any(name in vars(layer) for name in _OWN)


def is_convolution(layer: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    """Whether it is a convolution with zeros or its own edge around the picture."""
    return is_plain(layer, nn.Conv2d, Conv2d) and vars(layer)["padding_mode"] in ("zeros", "replicate")


def pool_of(layer: nn.Module | None) -> Pool | None:
    """The pooling that a layer is, where its windows lie side by side, without padding."""
    if not is_plain(layer, nn.MaxPool2d, MaxPool2d, nn.AvgPool2d):
        return None
    pool: Any = layer
    kernel, stride, padding, dilation = (
        pair(value, "pool", 0) for value in (pool.kernel_size, pool.stride, pool.padding, getattr(pool, "dilation", 1))
    )
    plain = len({*kernel, *stride}) == 1 and padding == (0, 0) and dilation == (1, 1)
    more = getattr(pool, "return_indices", False) or getattr(pool, "divisor_override", None) is not None
    return Pool(kernel[0], isinstance(pool, nn.AvgPool2d), bool(pool.ceil_mode)) if plain and not more else None
