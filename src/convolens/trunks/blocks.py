"""What trunks are made of. Every convolution of every trunk is made by `convolution`, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convolens.errors import need_one_of
from convolens.layers import Conv2d, MaxPool2d
from convolens.memory import need_memory

Pooling = Literal["max", "average"]
PaddingMode = Literal["constant", "edge"]

# numpy's words for what is outside a picture, and torch's.
_TORCH_PADDING: dict[str, Literal["zeros", "replicate"]] = {"constant": "zeros", "edge": "replicate"}


def need_weights(count: int, subject: str, remedy: str) -> None:
    """States so many weights in float32 that are about to be made; on the device meta they take nothing.

    Raises:
        MemoryRefused: more than the budget.
    """
    if torch.get_default_device().type != "meta":
        need_memory(4 * count, subject, remedy)


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
    need_one_of("padding_mode", padding_mode, _TORCH_PADDING)
    return Conv2d(
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
    """A square pooling layer. Averages count only pixels inside the picture."""
    need_one_of("pooling", pooling, get_args(Pooling))
    if pooling == "max":
        return MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil_mode, count_include_pad=False)


class ResidualBlock(nn.Module):
    """What the main path adds to its input: convolutions with batch norm each, ReLU between and after the sum.

    Two kinds. With an *identity* shortcut the input itself is added; where size or depth changes, a *projection*
    (1×1 convolution and batch norm) brings it to the same shape.

    He et al., "Deep Residual Learning for Image Recognition", 2016.

    Args:
        convolutions: of the main path, in order; they become `conv1`, `conv2`, …, with `bn1`, `bn2`, ….
        projection: a convolution for the shortcut (it becomes `downsample`); None for the identity.
        norm_epsilon: of every batch norm.
    """

    def __init__(
        self, convolutions: Sequence[nn.Module], projection: nn.Module | None, norm_epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        self.depth = len(convolutions)
        for number, layer in enumerate(convolutions, 1):
            self.add_module(f"conv{number}", layer)
            self.add_module(f"bn{number}", _norm(layer, norm_epsilon))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(projection, _norm(projection, norm_epsilon)) if projection else None

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """ReLU of the sum of both paths."""
        result: Tensor = self.relu(self.before_relu(x))
        return result

    def before_relu(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """The sum of both paths."""
        value = x
        for number in range(1, self.depth + 1):
            if number > 1:
                value = self.relu(value)
            value = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(value))
        return value + (x if self.downsample is None else self.downsample(x))

    def residual_rows(self) -> tuple[list[nn.Module], nn.Module | None] | None:
        """The main path's layers, with the ReLU behind each, and the projection; None in a block derived from this.

        `layers.fusion` runs them as one.
        """
        if type(self) is not ResidualBlock or "before_relu" in vars(self):
            return None
        numbers = range(1, self.depth + 1)
        main = [layer for k in numbers for layer in (getattr(self, f"conv{k}"), getattr(self, f"bn{k}"), self.relu)]
        return main, self.downsample

    def start_as_identity(self) -> None:
        """Zeroes the last norm's scale, so that the block starts as its shortcut (Goyal et al., 2017)."""
        nn.init.zeros_(getattr(self, f"bn{self.depth}").weight)


class OriginalHead(nn.Module):
    """The classifier a network was published with: average pooling to a fixed size, then dense layers.

    Args:
        side: of the pooled map: 7 for VGG, 1 for ResNet.
        layers: by the names that published checkpoints give them.
    """

    kind = "original"

    def __init__(self, side: int, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.side = side
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, maps: Sequence[Float[Tensor, "batch channels height width"]]) -> Float[Tensor, "batch classes"]:
        """Class scores from the map of the trunk's last tap, the only one in `maps`."""
        value = maps[-1]
        for layer in self.layers():
            value = layer(value)
        return value

    def layers(self) -> list[nn.Module]:
        """The classifier as a sequence of layers."""
        return [nn.AdaptiveAvgPool2d(self.side), nn.Flatten(), *self.children()]


def initialize(network: nn.Module, seed: int) -> None:
    """Random weights in place: He's normal for convolutions, narrow normal for dense layers, identity for norms.

    He et al., "Delving Deep into Rectifiers", 2015, in the fan-out form that keeps the size of gradients. Residual
    blocks start as the identity.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        elif isinstance(weight, Tensor) and weight.dim() == 4:
            nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(weight, Tensor) and weight.dim() == 2:
            nn.init.normal_(weight, 0.0, 0.01, generator=generator)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)
    for layer in network.modules():
        if isinstance(layer, ResidualBlock):
            layer.start_as_identity()


def _norm(convolution: nn.Module, epsilon: float) -> nn.Module:
    weight = convolution.weight
    assert isinstance(weight, Tensor)
    return nn.BatchNorm2d(weight.shape[0], eps=epsilon)
