"""Heads: a 3×3 convolution on each map predicts, for each default box at every cell, which class and where."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convolens.models.detect.loss import Outputs
from convolens.trunks.blocks import convolution, need_weights


class Heads(nn.Module):
    """Two convolutions on each map, one for scores, one for offsets.

    Args:
        channels: of each map.
        boxes: default boxes at each cell of each map.
        classes: how many.
    """

    def __init__(self, channels: Sequence[int], boxes: Sequence[int], classes: int) -> None:
        super().__init__()
        self.numbers = 1 + classes
        pairs = list(zip(channels, boxes, strict=True))
        weights = 9 * sum(depth * count for depth, count in pairs) * (self.numbers + 4)
        need_weights(weights, f"a head of {classes:,} classes", "give fewer")
        self.classes = nn.ModuleList(convolution(depth, count * self.numbers, 3) for depth, count in pairs)
        self.boxes = nn.ModuleList(convolution(depth, count * 4, 3) for depth, count in pairs)

    def forward(self, maps: Sequence[Float[Tensor, "batch _channels _rows _columns"]]) -> Outputs:
        """Computes the outputs for every default box, in their order."""
        scores = [_by_box(head(one), self.numbers) for head, one in zip(self.classes, maps, strict=True)]
        offsets = [_by_box(head(one), 4) for head, one in zip(self.boxes, maps, strict=True)]
        return Outputs(torch.cat(scores, dim=1), torch.cat(offsets, dim=1))


def _by_box(outputs: Tensor, numbers: int) -> Tensor:
    """Reorders from `(N, boxes × numbers, rows, columns)` to `(N, rows × columns × boxes, numbers)`."""
    return outputs.permute(0, 2, 3, 1).reshape(outputs.shape[0], -1, numbers)
