"""The layers of a row, read as stages: convolutions with the ReLU behind them, and pooling side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from convolens.layers.conv import Conv2d
from convolens.layers.geometry import Geometry, conv_geometry
from convolens.layers.pool import MaxPool2d

Layers = Sequence[nn.Module]


@dataclass(frozen=True)
class Convolution:
    """A convolution and its ReLU."""

    layer: Any

    def geometry(self, shape: tuple[int, ...]) -> Geometry:
        """Of an input of that shape."""
        layer = self.layer
        return conv_geometry(shape, tuple(layer.weight.shape), layer.stride, layer.padding, layer.dilation, 1)

    @property
    def parameters(self) -> list[Tensor]:
        """Its weight, and its bias where it has one."""
        return [self.layer.weight] if self.layer.bias is None else [self.layer.weight, self.layer.bias]

    @property
    def edge(self) -> bool:
        """Whether it sees the last pixels again past the border, instead of zeros."""
        return bool(self.layer.padding_mode == "replicate")


@dataclass(frozen=True)
class Pool:
    """Pooling."""

    layer: Any

    @property
    def parameters(self) -> list[Tensor]:
        """None."""
        return []

    @property
    def side(self) -> int:
        """Of its windows."""
        side = self.layer.kernel_size
        return int(side[0] if isinstance(side, tuple) else side)

    def size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of what it makes of an input of that shape."""

        def count(length: int) -> int:
            return -(-length // self.side) if self.layer.ceil_mode else length // self.side

        return count(shape[2]), count(shape[3])


Stage = Convolution | Pool


def stages_of(layers: Layers) -> list[Stage] | None:
    """The layers as convolutions with their ReLUs and pools; None where one is something else, or derived from one."""
    stages: list[Stage] = []
    at = 0
    while at < len(layers):
        layer: Any = layers[at]
        if _watched(layer):
            return None
        if type(layer) in (nn.Conv2d, Conv2d):
            follows = layers[at + 1] if at + 1 < len(layers) else None
            plain = layer.groups == 1 and layer.padding_mode in ("zeros", "replicate")
            if not plain or isinstance(layer.padding, str) or type(follows) is not nn.ReLU or _watched(follows):
                return None
            at += 1
            stages.append(Convolution(layer))
        elif type(layer) in (nn.MaxPool2d, MaxPool2d, nn.AvgPool2d) and _side_by_side(layer):
            stages.append(Pool(layer))
        else:
            return None
        at += 1
    return stages


def _watched(layer: nn.Module) -> bool:
    """Whether someone put a hook on the layer, which must be called, or a `forward` of their own."""
    hooks: Any = layer
    own = "forward" in vars(layer) or "_conv_forward" in vars(layer)
    before, after = hooks._forward_pre_hooks or hooks._backward_pre_hooks, hooks._forward_hooks or hooks._backward_hooks
    return own or bool(before or after)


def _side_by_side(layer: Any) -> bool:
    """Whether its windows lie one beside the other, without padding."""
    sides = {_single(layer.kernel_size), _single(layer.stride)}
    plain = getattr(layer, "dilation", 1) in (1, (1, 1)) and not getattr(layer, "return_indices", False)
    dividing = isinstance(layer, nn.AvgPool2d) and layer.divisor_override is not None
    return len(sides) == 1 and None not in sides and _single(layer.padding) == 0 and plain and not dividing


def _single(value: Any) -> int | None:
    """The number that both axes have; None where they differ."""
    if isinstance(value, tuple):
        return value[0] if len(set(value)) == 1 else None
    return int(value)


def unpadded(geometry: Geometry) -> Geometry:
    """The same convolution of a picture that is padded already."""
    n, c, h, w = geometry.x_shape
    padded = (
        n, c, h + geometry.before[0] + geometry.after[0], w + geometry.before[1] + geometry.after[1]
    )  # fmt: skip
    return conv_geometry(padded, geometry.weight_shape, geometry.stride, 0, geometry.dilation, geometry.groups)


def halves(stage: Stage, shape: tuple[int, ...]) -> bool:
    """Whether a stage takes the largest of each whole 2×2 of such a map."""
    half = shape[2] // 2, shape[3] // 2
    return isinstance(stage, Pool) and is_max(stage) and stage.side == 2 and min(half) > 0 and stage.size(shape) == half


def is_max(stage: Stage) -> bool:
    """Whether it is max pooling."""
    return isinstance(stage.layer, nn.MaxPool2d)
