"""A dilated convolution as a dense one: cells that are `dilation` apart form a map of their own.

Taking every sixth cell, from each of the 6×6 places to start at, gives 36 small maps, on which the 3×3 convolution is
an ordinary one, that Winograd's algorithm does with fewer multiplications. Exact but for rounding.

    a b c d        a c      b d
    e f g h   →    i k  ,   j l  , …   for a dilation of 2
    i j k l
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from convolens.layers import Conv2d, conv2d
from convolens.layers.core import runs_on


class DilatedConv2d(Conv2d):
    """A 3×3 convolution of stride 1 that keeps the size, its parameters those of any other.

    Args:
        inputs: channels of the map.
        outputs: of the result.
        dilation: the distance between cells of the kernel.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__(inputs, outputs, 3, padding=dilation, dilation=dilation)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 - torch's name
        in_integers = self.levels is not None and not torch.is_grad_enabled()  # its gaps cost nothing there
        if in_integers or torch.compiler.is_compiling() or not runs_on(input, weight):
            return super()._conv_forward(input, weight, bias)
        (batch, channels, rows, columns), step = input.shape, int(self.dilation[0])
        down, across = -(-rows // step), -(-columns // step)
        whole = pad(input, (0, across * step - columns, 0, down * step - rows))
        # Maps side by side in the batch, channels last: (start row, start column, batch, row, column, channel).
        cells = whole.view(batch, channels, down, step, across, step).permute(3, 5, 0, 2, 4, 1)
        split = cells.reshape(step * step * batch, down, across, channels).permute(0, 3, 1, 2)
        found = conv2d(split, weight, bias, padding=1).permute(0, 2, 3, 1)
        together = found.reshape(step, step, batch, down, across, -1).permute(2, 3, 0, 4, 1, 5)
        merged: Tensor = together.reshape(batch, down * step, across * step, -1)[:, :rows, :columns]
        return merged.permute(0, 3, 1, 2)
