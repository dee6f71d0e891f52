"""ResNet: a stem that shrinks by four, then four stages of residual blocks; all but the first halve the size.

Taps: `stem` (after its ReLU), `pool` (not with a small stem), and every block, `layer1.0` … `layer4.2` (after the ReLU
of the sum). Parameters have torchvision's names (`layer1.0.conv1.weight`), so that official checkpoints load by name.

He et al., "Deep Residual Learning for Image Recognition", 2016. Differs from the paper in the place of a bottleneck's
stride: its 3×3 convolution, as everybody has it by now; `stride_in="conv1"` is the paper's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Unpack

from torch import nn

from convolens.errors import ArgumentError
from convolens.trunks.blocks import OriginalHead, ResidualBlock, convolution, pool
from convolens.trunks.options import ResNetOptions, resnet_options
from convolens.trunks.receptive import window_of
from convolens.trunks.trunk import Step, Trunk

# Depth of the stem's map, and of each stage before a block's last widening.
STEM = 64
DEPTHS = (64, 128, 256, 512)

# Makes the convolutions of a block's main path: (inputs, depth, stride, options) → convolutions.
MainPath = Callable[[int, int, int, ResNetOptions], list[nn.Module]]


def resnet18(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet18."""
    return _resnet("resnet18", (2, 2, 2, 2), _basic, options)


def resnet34(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet34."""
    return _resnet("resnet34", (3, 4, 6, 3), _basic, options)


def resnet50(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet50."""
    return _resnet("resnet50", (3, 4, 6, 3), _bottleneck, options)


def resnet101(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet101."""
    return _resnet("resnet101", (3, 4, 23, 3), _bottleneck, options)


def resnet152(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet152."""
    return _resnet("resnet152", (3, 8, 36, 3), _bottleneck, options)


def wide_resnet50_2(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet50 with bottlenecks twice as wide (Zagoruyko & Komodakis, 2016)."""
    return _resnet("wide_resnet50_2", (3, 4, 6, 3), partial(_bottleneck, widening=2), options)


def resnext50_32x4d(**options: Unpack[ResNetOptions]) -> Trunk:
    """ResNet50 with bottlenecks in 32 groups, twice as wide (Xie et al., 2017)."""
    return _resnet("resnext50_32x4d", (3, 4, 6, 3), partial(_bottleneck, widening=2, groups=32), options)


def dense_head(features: int, classes: int) -> OriginalHead:
    """ResNet's own classifier: the mean of every feature, and one dense layer."""
    return OriginalHead(1, {"fc": nn.Linear(features, classes)})


def _basic(inputs: int, depth: int, stride: int, options: ResNetOptions) -> list[nn.Module]:
    return [_conv(inputs, depth, 3, stride, options), _conv(depth, depth, 3, 1, options)]


def _bottleneck(
    inputs: int, depth: int, stride: int, options: ResNetOptions, *, widening: int = 1, groups: int = 1
) -> list[nn.Module]:
    """1×1 to fewer features, 3×3 on those, 1×1 to four times the depth."""
    width = depth * widening
    if width % groups:
        raise ArgumentError(f"width: need a number of features that {groups} groups divide, got {width} in a stage")
    first, second = (stride, 1) if options["stride_in"] == "conv1" else (1, stride)
    return [
        _conv(inputs, width, 1, first, options),
        _conv(width, width, 3, second, options, groups),
        _conv(width, 4 * depth, 1, 1, options),
    ]


def _resnet(name: str, blocks: tuple[int, ...], main_path: MainPath, options: ResNetOptions) -> Trunk:
    """`blocks` in each of the four stages, their main paths made by `main_path`."""
    full = resnet_options(options)
    modules = _stem(full)
    channels = _scaled(STEM, full)
    steps = [Step("stem", ("conv1", "bn1", "relu"), (window_of(modules["conv1"]),), channels, ("conv1", "bn1"))]
    if "maxpool" in modules:
        steps.append(Step("pool", ("maxpool",), (window_of(modules["maxpool"]),), channels))
    for stage, (count, published) in enumerate(zip(blocks, DEPTHS, strict=True), 1):
        depth = _scaled(published, full)
        layer = modules[f"layer{stage}"] = nn.Sequential()
        for number in range(count):
            stride = 2 if stage > 1 and number == 0 else 1
            path = main_path(channels, depth, stride, full)
            block = _block(path, channels, stride, full)
            channels = _outputs(path)
            layer.append(block)
            steps.append(_step(f"layer{stage}.{number}", path, channels))
    return Trunk(name, modules, steps, full, partial(dense_head, channels))


def _stem(options: ResNetOptions) -> dict[str, nn.Module]:
    small, features = options["stem"] == "small", _scaled(STEM, options)
    modules: dict[str, nn.Module] = {
        "conv1": _conv(options["channels"], features, 3 if small else 7, 1 if small else 2, options),
        "bn1": nn.BatchNorm2d(features, eps=options["norm_epsilon"]),
        "relu": nn.ReLU(inplace=True),
    }
    if not small:
        modules["maxpool"] = pool(options["pooling"], 3, 2, padding=1, ceil_mode=options["ceil_mode"])
    return modules


def _block(path: list[nn.Module], inputs: int, stride: int, options: ResNetOptions) -> ResidualBlock:
    """Identity where the shape stays, projection where size or depth changes."""
    changes = stride > 1 or inputs != _outputs(path)
    projection = _conv(inputs, _outputs(path), 1, stride, options) if changes else None
    return ResidualBlock(path, projection, options["norm_epsilon"])


def _step(tap: str, path: list[nn.Module], channels: int) -> Step:
    # The shortcut's receptive field is in the middle of the main path's, so the main path's windows are enough.
    windows = tuple(window_of(layer) for layer in path)
    return Step(tap, (tap,), windows, channels, before_relu=(f"{tap}.before_relu",))


def _conv(inputs: int, outputs: int, kernel: int, stride: int, options: ResNetOptions, groups: int = 1) -> nn.Module:
    return convolution(
        inputs,
        outputs,
        kernel,
        stride=stride,
        groups=groups,
        bias=options["bias"],
        padding_mode=options["padding_mode"],
    )


def _scaled(features: int, options: ResNetOptions) -> int:
    return round(features * options["width"])


def _outputs(path: list[nn.Module]) -> int:
    return int(path[-1].out_channels)  # type: ignore[arg-type]
