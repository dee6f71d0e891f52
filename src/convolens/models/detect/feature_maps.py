"""The maps that a detector predicts on: taps of a trunk, and further layers that shrink the last one to a single cell.

VGG's dense layers become convolutions on its last map: fc6 a 3×3 one that sees as far as the dense layer did, by a
dilation of six, fc7 a 1×1 one. Where the weights have the dense layers, those are made from every third of their
rows and columns and every fourth of their features. Liu et al. 2016, section 3, after Chen et al., "DeepLab", 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from convolens.layers import Conv2d
from convolens.models.detect.dilated import DilatedConv2d
from convolens.trunks import Trunk
from convolens.trunks.blocks import convolution, pool
from convolens.trunks.receptive import Window
from convolens.trunks.vgg import is_vgg

FIRST_NORM = 20.0  # what conv4_3's features are scaled to at first
DENSE = 1024  # features of fc6 and fc7
DILATION = 6
# Features in between, and of the maps, of the layers after fc7: the first pair, then every other.
EXTRA = ((256, 512), (128, 256))
MAX_EXTRA = 10  # more than any picture allows: the map is halved each time
FINEST_STRIDE = 8
MAX_WIDTH = 4.0


@dataclass(frozen=True)
class ExtraLayer:
    """A layer after the taps: the window of its 3×3 (or 4×4) convolution, its features within and of its map."""

    window: Window
    hidden: int
    channels: int


class L2Norm(nn.Module):
    """Brings every cell's features to length 1, then times a learned scale: conv4_3's are larger than those after it.

    Liu, Rabinovich & Berg, "ParseNet", 2016.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), FIRST_NORM))

    def forward(self, x: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch channels rows columns"]:
        """Returns the same directions at learned lengths."""
        return normalize(x, dim=1) * self.scale[:, None, None]


class FeatureMaps(nn.Module):
    """Makes all maps of a trunk's taps, finest first.

    Args:
        channels: of each tap.
        dense: features of fc6 and fc7, which follow the last tap (VGG's; the first one is then L2-normed); 0: none.
        extra: the maps after that.
    """

    def __init__(self, channels: Sequence[int], *, dense: int, extra: Sequence[ExtraLayer]) -> None:
        super().__init__()
        self.norm = L2Norm(channels[0]) if dense and len(channels) > 1 else nn.Identity()
        self.dense = _dense(channels[-1], dense) if dense else nn.Identity()
        depth = dense or channels[-1]
        self.channels = [*channels[:-1], depth]
        self.extra = nn.ModuleList()
        for layer in extra:
            self.extra.append(_extra_layer(depth, layer))
            depth = layer.channels
            self.channels.append(depth)

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _channels _rows _columns"]]
    ) -> list[Float[Tensor, "batch _features _rows _columns"]]:
        """Returns the taps' maps, made ready, and those after them."""
        *earlier, last = maps
        value = self.dense(last)
        found = [self.norm(one) if number == 0 else one for number, one in enumerate(earlier)] + [value]
        for layer in self.extra:
            value = layer(value)
            found.append(value)
        return found


def _dense(channels: int, features: int) -> nn.Sequential:
    """Makes pool5 as SSD has it, which keeps the size; fc6, fc7."""
    return nn.Sequential(
        pool("max", 3, 1, padding=1),
        DilatedConv2d(channels, features, DILATION), nn.ReLU(inplace=True),
        convolution(features, features, 1), nn.ReLU(inplace=True),
    )  # fmt: skip


def _extra_layer(channels: int, layer: ExtraLayer) -> nn.Sequential:
    window = layer.window
    return nn.Sequential(
        convolution(channels, layer.hidden, 1), nn.ReLU(inplace=True),
        Conv2d(layer.hidden, layer.channels, window.kernel, window.stride, window.padding), nn.ReLU(inplace=True),
    )  # fmt: skip


def extra_layers(rows: int, columns: int, width: float = 1.0) -> list[ExtraLayer]:
    """Plans the layers after a map, down to a single cell along its shorter side: SSD300's from 19, SSD512's from 32.

    A map is halved; one of 5 or 3 cells loses 2, of 2 all are seen at once.

    >>> [layer.window.kernel for layer in extra_layers(32, 32)]
    [3, 3, 3, 3, 4]
    """
    layers: list[ExtraLayer] = []
    while min(rows, columns) > 1 and len(layers) < MAX_EXTRA:
        side = min(rows, columns)
        window = Window(4, padding=1) if side == 2 else Window(3) if side in (3, 5) else Window(3, stride=2, padding=1)
        hidden, channels = EXTRA[min(len(layers), len(EXTRA) - 1)]
        layers.append(ExtraLayer(window, scaled(hidden, width), scaled(channels, width)))
        rows, columns = window.output_size(rows), window.output_size(columns)
    return layers


class Plan(NamedTuple):
    """The maps that a detector predicts on.

    Attributes:
        extra: the layers after the last tap.
        grids: rows and columns of every map, those of the taps first.
    """

    extra: list[ExtraLayer]
    grids: list[tuple[int, int]]


def plan(trunk: Trunk, taps: Sequence[str], size: tuple[int, int], width: float = 1.0) -> Plan:
    """Plans the maps for an input of `size`, height and width.

    Raises:
        ShapeError: the input is too small for a tap.
    """
    trunk.need_size(taps, size, "size")
    grids = [trunk.map_size(tap, *size) for tap in taps]
    extra = extra_layers(*grids[-1], width)
    for layer in extra:
        rows, columns = grids[-1]
        grids.append((layer.window.output_size(rows), layer.window.output_size(columns)))
    return Plan(extra, grids)


def default_taps(trunk: Trunk) -> tuple[str, ...]:
    """Chooses for a VGG the last taps of stages 4 and 5, for others the last of every stride of at least 8."""
    if is_vgg(trunk):
        return tuple([tap for tap in trunk.taps if tap.startswith(stage)][-1] for stage in ("conv4_", "conv5_"))
    last = {trunk.stride(tap): tap for tap in trunk.taps}
    return tuple(tap for stride, tap in sorted(last.items()) if stride >= FINEST_STRIDE)


def scaled(features: int, width: float) -> int:
    """Multiplies a number of features by `width`; gives at least 8."""
    return max(8, round(features * width))


def initialize(layers: nn.Module, seed: int) -> None:
    """Draws Glorot's weights, with biases of 0, as the authors start their new layers."""
    generator = torch.Generator().manual_seed(seed)
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def init_from_dense(maps: FeatureMaps, state: Mapping[str, Tensor]) -> bool:
    """Initializes fc6 and fc7 from VGG's dense layers, where the weights have them; says whether they did."""
    keys = [f"classifier.{layer}.{kind}" for layer in (0, 3) for kind in ("weight", "bias")]
    if not isinstance(maps.dense, nn.Sequential) or not all(key in state for key in keys):
        return False
    first, bias6, second, bias7 = (state[key].float() for key in keys)
    fc6, fc7 = maps.dense[1], maps.dense[3]
    every = len(first) // DENSE
    whole = first.view(len(first), -1, 7, 7)[::every, :, ::3, ::3]
    narrow = second[::every, ::every, None, None]
    if [whole.shape, narrow.shape] != [next(layer.parameters()).shape for layer in (fc6, fc7)] or not _finite(
        first, bias6, second, bias7
    ):
        return False
    with torch.no_grad():
        for layer, numbers in ((fc6, (whole, bias6[::every])), (fc7, (narrow, bias7[::every]))):
            for parameter, value in zip(layer.parameters(), numbers, strict=True):
                parameter.copy_(value)
    return True


def _finite(*tensors: Tensor) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
