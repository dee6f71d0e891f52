"""Dense layers are convolutions: a classifier as one that takes any larger picture and scores every window at once.

A dense layer on a C×H×W map is a convolution with an H×W kernel and the same parameters; on a larger map it gives one
score for every place of that kernel. Cost: one pass over the picture, where windows taken one by one compute what they
have in common again and again (64 windows of 224 in a picture of 448: about 16 times the work).

On a network without padding, map and windows are the same numbers. A network that pads (VGG, ResNet) computes with a
window's real neighbours where a separate window has zeros around it, so the two differ near the windows' borders.

Sermanet et al., "OverFeat", 2014; Long, Shelhamer & Darrell, "Fully Convolutional Networks", 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import unfold

from convolens.errors import ArgumentError, ShapeError
from convolens.layers.geometry import pair
from convolens.layers.tensors import is_traced
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.receptive import window_of
from convolens.trunks.trunk import Trunk

# How many numbers of inputs of dense layers are unfolded at a time: 64 MB.
MAX_UNFOLDED = 1 << 24

# Layers that do the same at every place of a map.
_POINTWISE = (
    nn.ReLU,
    nn.Dropout,
    nn.Identity,
    nn.BatchNorm2d,
    nn.GELU,
    nn.SiLU,
    nn.LeakyReLU,
    nn.ELU,
    nn.Sigmoid,
    nn.Tanh,
)


@runtime_checkable
class PoolsWindows(Protocol):
    """A layer that pools a whole map to one place, and can do so for every window of a larger map."""

    def over_windows(self, rows: int, columns: int) -> nn.Module:
        """The layer for every window of that size: `(N, C, r, c)` to `(N, D, r-rows+1, c-columns+1)`."""


@runtime_checkable
class HasTrunk(Protocol):
    """A model made of a trunk and a head on its taps, such as a classifier."""

    trunk: Trunk
    taps: Sequence[str]
    head: Any


def convolutionalize(model: nn.Module, input_size: int | tuple[int, int]) -> Scanner:
    """A classifier as a convolution: it takes any larger picture and gives a map of class scores, one cell a window.

    Args:
        model: a classifier (its head on one tap), or an `nn.Sequential` of convolutions, pooling, pointwise layers,
            `nn.Flatten` and `nn.Linear`. Its parameters are shared, not copied.
        input_size: side, or (height, width), of the pictures that the classifier takes.

    Returns:
        A `Scanner`; calling it takes `(N, C, H, W)` and gives `(N, classes, rows, columns)`.

    Raises:
        ArgumentError: a layer that cannot be converted, or an input size at which pooling is not uniform.

    >>> dense = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    >>> convolutionalize(dense, 14)(torch.zeros(1, 1, 16, 16)).shape
    torch.Size([1, 2, 2, 2])
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: need a classifier or an nn.Sequential, got {type(model).__name__}")
    height, width = pair(input_size, "input_size", 1)
    layers = list(_layers(model))
    with torch.inference_mode():
        network = nn.Sequential(*_converted(layers, torch.zeros(1, _channels(layers), height, width)))
    return Scanner(network.eval(), (height, width), _total_stride(layers), model)


class Scanner(nn.Module):
    """A network that scores every window of a picture in one pass. Made by `convolutionalize`.

    Attributes:
        window: (height, width) of a window in pixels.
        stride: pixels from one cell's window to the next.
        class_names: as the model has them, or none.
        preprocessing: the model's, at the picture's own size; None where it has none.
    """

    def __init__(self, network: nn.Sequential, window: tuple[int, int], stride: int, model: nn.Module) -> None:
        super().__init__()
        self.network, self.window, self.stride = network, window, stride
        self.class_names: tuple[str, ...] = tuple(getattr(model, "class_names", ()))
        known = model.trunk.preprocessing if isinstance(model, HasTrunk) else None
        self.preprocessing: Preprocessing | None = known and replace(known, resize=None, crop=None)

    def forward(
        self, batch: Float[Tensor, "batch channels height width"], stride: int | None = None
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Class scores of all windows: cell (r, c) is the window whose corner is at pixel (r·stride, c·stride).

        Args:
            batch: preprocessed pictures, at least as large as a window.
            stride: a divisor of the network's own, for a finer map by (own/stride)² shifted passes; None: its own.

        Raises:
            ShapeError: pictures smaller than a window.
            ArgumentError: a stride that does not divide the network's.
        """
        stride = self.stride if stride is None else stride
        if stride < 1 or self.stride % stride:
            raise ArgumentError(f"stride: need a divisor of the network's own {self.stride}, got {stride}")
        rows, columns = (
            (side - window) // stride + 1 for side, window in zip(batch.shape[2:], self.window, strict=True)
        )
        if not is_traced() and (rows < 1 or columns < 1):  # a tracer records the sizes
            (height, width), have = self.window, batch.shape[2:]
            raise ShapeError(f"batch: need pictures of at least {height}×{width}, got {have[0]}×{have[1]}")
        shifts = self.stride // stride
        if shifts == 1:
            whole: Tensor = self.network(batch)
            return whole[:, :, :rows, :columns]
        scores: Tensor | None = None
        for row in range(min(shifts, rows)):
            for column in range(min(shifts, columns)):
                part = self.network(batch[:, :, row * stride :, column * stride :])
                if scores is None:
                    scores = part.new_empty(*part.shape[:2], rows, columns)
                cells = scores[:, :, row::shifts, column::shifts]
                cells.copy_(part[:, :, : cells.shape[2], : cells.shape[3]])
        assert scores is not None
        return scores

    def preprocess(self, pictures: object) -> Float[Tensor, "batch channels height width"]:
        """Pictures at their own size as a batch, on the network's device."""
        if self.preprocessing is None:
            raise ArgumentError(
                "preprocess: need a model that knows its preprocessing, such as a classifier, got none; give the "
                "network a preprocessed batch"
            )
        parameter = next(self.parameters())
        return self.preprocessing(pictures).to(device=parameter.device, dtype=parameter.dtype)


class UntilTap(nn.Module):
    """A trunk as one layer: from the picture to one tap's map."""

    def __init__(self, trunk: Trunk, tap: str) -> None:
        super().__init__()
        self.trunk, self.tap = trunk, tap

    def forward(self, batch: Tensor) -> Tensor:
        """The tap's map."""
        maps: dict[str, Tensor] = self.trunk(batch, taps=(self.tap,))
        return maps[self.tap]


class DenseAsConvolution(nn.Module):
    """A dense layer on a C×H×W map as the convolution that it is, with the same parameters, on any larger map.

    Every place's inputs are unfolded into a column, and one matrix product does the rest. A dense layer's weights are
    large (400 MB in VGG16's first): this reads them in their order, where a general convolution reorders them first.

    Args:
        dense: the layer.
        shape: (H, W) of the map that it was made for.
        dilation: the distance between neighbours of that map in the larger one.
    """

    def __init__(self, dense: nn.Linear, shape: tuple[int, int], dilation: tuple[int, int]) -> None:
        super().__init__()
        self.dense, self.shape, self.dilation = dense, shape, dilation

    def forward(
        self, maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs rows columns"]:
        """The layer at every place of its window."""
        down, across = ((side - 1) * step for side, step in zip(self.shape, self.dilation, strict=True))
        batch, (rows, columns) = maps.shape[0], (maps.shape[2] - down, maps.shape[3] - across)
        strips = [maps]
        if not is_traced():  # how many strips there are depends on sizes, and a tracer would record the number
            at_once = max(1, MAX_UNFOLDED // max(1, self.dense.in_features * columns * batch))
            strips = [maps[:, :, first : first + at_once + down] for first in range(0, rows, at_once)]
        places = torch.cat([self._on_strip(strip) for strip in strips], dim=2)
        return places.reshape(batch, self.dense.out_features, rows, columns)

    def _on_strip(self, strip: Tensor) -> Tensor:
        """The layer at every place of a strip, `(N, outputs, places)`."""
        found = self.dense.weight @ unfold(strip, self.shape, dilation=self.dilation)
        return found if self.dense.bias is None else found + self.dense.bias[:, None]

    def extra_repr(self) -> str:
        """What `repr` shows besides the layer."""
        return f"shape={self.shape}, dilation={self.dilation}"


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    """The model as a sequence of layers."""
    if isinstance(model, HasTrunk):
        if len(model.taps) != 1:
            raise ArgumentError(f"convolutionalize: need a head on one tap, got {', '.join(model.taps)}")
        yield UntilTap(model.trunk, model.taps[0])
        yield from _layers_of(model.head.layers())
    elif isinstance(model, nn.Sequential):
        yield from _layers_of(model.children())
    else:
        yield model


def _layers_of(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    for module in modules:
        yield from _layers(module)


def _converted(layers: list[nn.Module], value: Tensor) -> Iterator[nn.Module]:
    """The layers, dense ones as convolutions. `value` is a window, whose size behind each layer is needed."""
    shape, dilation = (1, 1), (1, 1)  # of the map that is flattened, and the distance between its places
    for layer in layers:
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            dilation = _pooled_cell(layer, value)
            yield nn.AvgPool2d(dilation, stride=1)
        elif isinstance(layer, PoolsWindows):
            yield layer.over_windows(value.shape[2], value.shape[3])
        elif isinstance(layer, nn.Flatten):
            shape = (value.shape[2], value.shape[3])
        elif isinstance(layer, nn.Linear):
            yield DenseAsConvolution(layer, shape, dilation)
            shape, dilation = (1, 1), (1, 1)
        elif isinstance(layer, (UntilTap, *_POINTWISE)) or hasattr(layer, "kernel_size"):
            yield layer
        else:
            raise ArgumentError(f"convolutionalize: need convolutions, pooling and dense layers, got {layer}")
        try:
            value = layer.eval()(value)
        except RuntimeError as error:
            told = str(error).partition("\n")[0]
            raise ArgumentError(f"input_size: need the size that the model takes, {told}") from error


def _pooled_cell(layer: nn.AdaptiveAvgPool2d, value: Tensor) -> tuple[int, int]:
    """The height and width of what adaptive pooling averages, which must be the same everywhere."""
    cells = layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size,) * 2
    have = value.shape[2:]
    if any(not want or side % want for side, want in zip(have, cells, strict=True)):
        raise ArgumentError(
            f"input_size: need one at which the last map is a multiple of {cells[0]}×{cells[1]}, "
            f"got a map of {have[0]}×{have[1]}"
        )
    return have[0] // int(cells[0] or 1), have[1] // int(cells[1] or 1)


def _total_stride(layers: list[nn.Module]) -> int:
    stride = 1
    for layer in layers:
        if isinstance(layer, UntilTap):
            stride *= layer.trunk.stride(layer.tap)
        elif hasattr(layer, "kernel_size"):
            stride *= window_of(layer).stride
    return stride


def _channels(layers: list[nn.Module]) -> int:
    for layer in layers:
        if isinstance(layer, UntilTap):
            return int(layer.trunk.options["channels"])
        channels = getattr(layer, "in_channels", None)
        if isinstance(channels, int):
            return channels
    raise ArgumentError("convolutionalize: need a model that starts with convolutions, got none")
