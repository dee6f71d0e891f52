"""VGG: five stages of 3×3 convolutions, each closed by 2×2 pooling; the map shrinks from 224 to 7, depth grows to 512.

Taps are the literature's: `conv1_1` … `conv5_3` (after the ReLU), `pool1` … `pool5`. Parameters have torchvision's
names (`features.0.weight`), so that official checkpoints load by name.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
"""

from __future__ import annotations

from typing import Unpack

from torch import nn

from convolens.trunks.blocks import OriginalHead, convolution, pool
from convolens.trunks.options import TrunkOptions, vgg_options
from convolens.trunks.receptive import window_of
from convolens.trunks.trunk import Step, Trunk

# Depth of each stage's maps, and of the dense layers behind them.
DEPTHS = (64, 128, 256, 512, 512)
DENSE = 4096


def vgg11(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG11, the paper's configuration A: 8 convolutions and 3 dense layers."""
    return _vgg("vgg11", (1, 1, 2, 2, 2), norm=False, options=options)


def vgg13(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG13, the paper's configuration B."""
    return _vgg("vgg13", (2, 2, 2, 2, 2), norm=False, options=options)


def vgg16(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG16, the paper's configuration D."""
    return _vgg("vgg16", (2, 2, 3, 3, 3), norm=False, options=options)


def vgg19(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG19, the paper's configuration E."""
    return _vgg("vgg19", (2, 2, 4, 4, 4), norm=False, options=options)


def vgg11_bn(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG11 with batch norm after every convolution."""
    return _vgg("vgg11_bn", (1, 1, 2, 2, 2), norm=True, options=options)


def vgg13_bn(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG13 with batch norm after every convolution."""
    return _vgg("vgg13_bn", (2, 2, 2, 2, 2), norm=True, options=options)


def vgg16_bn(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG16 with batch norm after every convolution."""
    return _vgg("vgg16_bn", (2, 2, 3, 3, 3), norm=True, options=options)


def vgg19_bn(**options: Unpack[TrunkOptions]) -> Trunk:
    """VGG19 with batch norm after every convolution."""
    return _vgg("vgg19_bn", (2, 2, 4, 4, 4), norm=True, options=options)


VGGS = {build.__name__: build for build in (vgg11, vgg13, vgg16, vgg19, vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn)}


def is_vgg(trunk: Trunk) -> bool:
    """Whether a trunk is that of a network which ends in VGG's dense layers."""
    return trunk.original_head is dense_head


def dense_head(classes: int) -> OriginalHead:
    """VGG's own classifier: three dense layers on the 7×7 map, with dropout while training."""
    layers = nn.Sequential(
        nn.Linear(DEPTHS[-1] * 7 * 7, DENSE), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(DENSE, DENSE), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(DENSE, classes),
    )  # fmt: skip
    return OriginalHead(7, {"classifier": layers})


def _vgg(name: str, convolutions: tuple[int, ...], *, norm: bool, options: TrunkOptions) -> Trunk:
    """`convolutions` in each of the five stages, each followed by batch norm if `norm`, then by a ReLU."""
    full = vgg_options(options)
    features = nn.Sequential()
    steps = []
    depth_below = full["channels"]
    for stage, (count, depth) in enumerate(zip(convolutions, DEPTHS, strict=True), 1):
        for number in range(1, count + 1):
            layers = _convolution(depth_below, depth, norm, full)
            steps.append(_append(features, f"conv{stage}_{number}", layers, depth))
            depth_below = depth
        pooling = pool(full["pooling"], 2, 2, ceil_mode=full["ceil_mode"])
        steps.append(_append(features, f"pool{stage}", [pooling], depth))
    return Trunk(name, {"features": features}, steps, full, dense_head)


def _convolution(inputs: int, outputs: int, norm: bool, options: TrunkOptions) -> list[nn.Module]:
    layer = convolution(inputs, outputs, 3, padding_mode=options["padding_mode"])
    return [layer, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU(inplace=True)]


def _append(features: nn.Sequential, tap: str, layers: list[nn.Module], channels: int) -> Step:
    """Appends the layers and describes them as the step to `tap`."""
    paths = tuple(f"features.{len(features) + i}" for i in range(len(layers)))
    features.extend(layers)
    before_relu = paths[:-1] if len(layers) > 1 else ()
    return Step(tap, paths, (window_of(layers[0]),), channels, before_relu)
