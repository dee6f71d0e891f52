"""What a localizer makes of its tap's map: outputs of every cell, pooled by attention to those of the whole picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from convolens.errors import ArgumentError
from convolens.layers.tensors import is_traced
from convolens.trunks.blocks import convolution, need_weights

HIDDEN = 128  # features between a tap and the outputs
MAX_HIDDEN = 8192


@dataclass(frozen=True)
class Predictions:
    """A localizer's raw output, `(N, 1 + classes + 4, …)`, by meaning.

    Attributes:
        object: objectness before the sigmoid, `(N, …)`.
        classes: class scores before softmax, `(N, classes, …)`.
        boxes: center x, center y, width, height, as fractions of the network's input, `(N, 4, …)`.
    """

    object: Tensor
    classes: Tensor
    boxes: Tensor

    @classmethod
    def of(cls, output: Float[Tensor, "batch outputs *places"]) -> Predictions:
        """Splits outputs by meaning. Sizes are sigmoids, so that every box is one."""
        centers, sizes = output[:, -4:-2], output[:, -2:].sigmoid()
        return cls(output[:, 0], output[:, 1:-4], torch.cat([centers, sizes], dim=1))


class AttentionPooling(nn.Module):
    """Pools every cell's outputs, `(N, 1 + classes + 4, rows, columns)`, to those of the map, `(N, 1 + classes + 4)`.

    With s the objectness logit of each cell: objectness is log mean exp(s), the rest the mean weighted by softmax(s). A
    cell's box center is relative to the cell, in fractions of the whole map; here it becomes relative to the map's
    corner.
    """

    def forward(self, outputs: Float[Tensor, "batch numbers rows columns"]) -> Float[Tensor, "batch numbers"]:
        """Pools to the outputs of the whole map."""
        rows, columns = outputs.shape[2:]
        logits = outputs[:, :1].flatten(2)
        weights = logits.softmax(dim=2).view_as(outputs[:, :1])
        found = (weights * _placed(outputs[:, 1:], rows, columns)).sum(dim=(2, 3))
        # By a sum where sizes are recorded: a tracer or an exporter would keep their logarithm as a number.
        log_cells: Any = torch.zeros_like(logits).logsumexp(dim=2) if is_traced() else math.log(rows * columns)
        return torch.cat([logits.logsumexp(dim=2) - log_cells, found], dim=1)

    def over_windows(self, rows: int, columns: int) -> AttentionPoolingWindows:
        """Gives the same for every window of a larger map."""
        return AttentionPoolingWindows(rows, columns)


class AttentionPoolingWindows(nn.Module):
    """`AttentionPooling` in every window of a size: exact, as its sums of exponentials are averages over the window."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(
        self, outputs: Float[Tensor, "batch numbers rows columns"]
    ) -> Float[Tensor, "batch numbers down across"]:
        """Pools to the outputs of each window, its box as fractions of that window."""
        size = (self.rows, self.columns)
        most = outputs[:, :1].amax(dim=(2, 3), keepdim=True)
        weight = (outputs[:, :1] - most).exp()
        whole = avg_pool2d(weight, size, 1).clamp_min(1e-30)
        found = avg_pool2d(weight * _placed(outputs[:, 1:], *size), size, 1) / whole
        down, across = (torch.arange(count, device=outputs.device) for count in found.shape[2:])
        center_x = found[:, -4] - across / self.columns
        center_y = found[:, -3] - down[:, None] / self.rows
        boxes = [center_x[:, None], center_y[:, None], found[:, -2:]]
        return torch.cat([most + whole.log(), found[:, :-4], *boxes], dim=1)


class PlaceHead(nn.Module):
    """Two convolutions that give every cell its outputs, and `AttentionPooling`.

    Args:
        channels: of the tap.
        classes: how many.
        hidden: features in between.
    """

    kind = "place"

    def __init__(self, channels: int, classes: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        if type(hidden) is not int or not 1 <= hidden <= MAX_HIDDEN:
            raise ArgumentError(f"hidden: need 1 to {MAX_HIDDEN} features, got {hidden!r}")
        self.hidden = hidden
        need_weights(hidden * (9 * channels + classes), f"a head of {classes:,} classes", "give fewer")
        self.see = convolution(channels, hidden, 3)
        self.say = convolution(hidden, 1 + classes + 4, 1)

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _channels _rows _columns"]], *, pooled: bool = True
    ) -> Float[Tensor, "batch outputs *cells"]:
        """Computes the raw output from the tap's map; with `pooled=False` that of every cell."""
        value = maps[0]
        for layer in self.layers() if pooled else self.layers()[:-1]:
            value = layer(value)
        return value

    def layers(self) -> list[nn.Module]:
        """Returns all it does, as layers in a row."""
        return [self.see, nn.ReLU(), self.say, AttentionPooling()]


def _placed(outputs: Tensor, rows: int, columns: int) -> Tensor:
    """Each cell's box center, given relative to the cell, relative to the corner of a map of `rows` × `columns`."""
    down = (torch.arange(outputs.shape[2], device=outputs.device, dtype=outputs.dtype) + 0.5) / rows
    across = (torch.arange(outputs.shape[3], device=outputs.device, dtype=outputs.dtype) + 0.5) / columns
    center_x, center_y = outputs[:, -4] + across, outputs[:, -3] + down[:, None]
    return torch.cat([outputs[:, :-4], center_x[:, None], center_y[:, None], outputs[:, -2:]], dim=1)
