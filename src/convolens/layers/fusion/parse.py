"""Layers of torch.nn and Convolens read as fused ops: convolutions with what is behind them, blocks, and pooling.

A layer derived from them, with a hook or with a `forward` of its own is none of these: it is called as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from torch import nn

from convolens.layers.conv import Conv2d
from convolens.layers.fusion.convolution import FusedConvolution
from convolens.layers.fusion.learning import LearningConvolution
from convolens.layers.fusion.pooling import OverlappingPool, Pool
from convolens.layers.fusion.residual import FusedResidual, LearningResidual
from convolens.layers.geometry import pair
from convolens.layers.pool import MaxPool2d

Differentiable = FusedConvolution | LearningConvolution | LearningResidual | Pool | OverlappingPool
Op = Differentiable | FusedResidual

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
        layer, *behind = layers[at : at + 4]
        if (pool := pool_of(layer)) is not None:
            ops.append(pool)
            at += 1
        elif is_plain(layer, nn.MaxPool2d, MaxPool2d) and not vars(layer)["return_indices"]:
            ops.append(OverlappingPool(layer))  # type: ignore[arg-type]
            at += 1
        elif (block := _residual_of(layer)) is not None:
            ops.append(block)
            at += 1
        elif is_convolution(layer):
            norm: Any = behind.pop(0) if behind and is_norm(behind[0]) else None
            if not behind or not is_plain(behind[0], nn.ReLU):
                return None, min(at + 3, count)
            at += 2 + (norm is not None)
            if norm is not None and norm.training:
                ops.append(LearningConvolution(layer, norm, relu=True))
                continue
            pool = pool_of(behind[1]) if len(behind) > 1 else None
            ops.append(FusedConvolution(layer, relu=True, pool=pool, norm=norm))
            at += pool is not None
        else:
            return None, at + 1
    return ops, count


def _residual_of(layer: nn.Module) -> FusedResidual | LearningResidual | None:
    """The block that a layer is, where all in it can be fused, and all norms learn or none."""
    rows = _rows_of(layer)
    if rows is None:
        return None
    main, shortcut = rows
    ops: list[Any] = parse(main)[0] or []
    if shortcut is not None:
        projection = _projection_of(shortcut)
        if projection is None:
            return None
        ops.append(projection)
    for kind, block in ((FusedConvolution, FusedResidual), (LearningConvolution, LearningResidual)):
        if len(ops) > (shortcut is not None) and all(isinstance(op, kind) and op.pool is None for op in ops):
            return block(ops, None) if shortcut is None else block(ops[:-1], ops[-1])
    return None


def _projection_of(shortcut: nn.Module) -> FusedConvolution | LearningConvolution | None:
    """A convolution and the norm behind it."""
    parts = list(shortcut.children())
    if not is_plain(shortcut, nn.Sequential) or len(parts) != 2:
        return None
    projection, norm = parts
    if not is_convolution(projection) or not is_norm(norm):
        return None
    if norm.training:
        return LearningConvolution(projection, norm, relu=False)
    return FusedConvolution(projection, relu=False, pool=None, norm=norm)


def _rows_of(layer: nn.Module) -> tuple[Sequence[nn.Module], nn.Module | None] | None:
    """What a residual block says of itself by `residual_rows`: the row that is added to its input, and the projection.

    The row's last ReLU follows the sum; without a projection the input itself is added.
    """
    rows_of = getattr(type(layer), "residual_rows", None)
    return rows_of(layer) if rows_of is not None and is_plain(layer, type(layer)) else None


def state_of(layer: nn.Module) -> tuple[object, ...]:
    """All that parsing reads of a layer: as long as this is the same, so is what it is read as."""
    own = vars(layer)
    hooked = any(map(own.get, _HOOKS))
    state = type(layer), hooked, *map(own.get, _OWN)
    if isinstance(layer, nn.BatchNorm2d):
        return *state, is_norm(layer), layer.training, layer.eps
    rows = _rows_of(layer)
    if rows is None:
        return *state, *map(own.get, _OPTIONS)
    main, shortcut = rows
    parts = [*main] if shortcut is None else [*main, shortcut, *shortcut.children()]
    return *state, *((one, state_of(one)) for one in parts)


def is_norm(layer: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    """Whether it is a batch norm that keeps statistics: it scales and shifts by those, or is learning them."""
    norm: Any = layer
    return is_plain(layer, nn.BatchNorm2d) and norm.running_mean is not None


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
