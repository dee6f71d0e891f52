"""Maps at several taps as one vector of features for each place, on the grid of the coarsest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convolens.errors import ArgumentError
from convolens.trunks import Trunk

STRIDES = (1, 2, 4, 8)  # of the taps that are looked at: coarser ones know no small defect


def default_taps(trunk: Trunk) -> tuple[str, ...]:
    """The deepest tap of each of `STRIDES` that there is, or the last.

    >>> from convolens.trunks.registry import trunk
    >>> default_taps(trunk("vgg16")), default_taps(trunk("resnet18", width=0.125))
    (('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3'), ('stem', 'layer1.1', 'layer2.1'))
    """
    found = (next((tap for tap in reversed(trunk.taps) if trunk.stride(tap) == stride), None) for stride in STRIDES)
    return tuple(tap for tap in found if tap is not None) or trunk.taps[-1:]


def coarsest(trunk: Trunk, taps: Sequence[str]) -> str:
    """The tap whose grid is taken: that of the largest stride, the last of several."""
    return max(reversed(taps), key=trunk.stride)


def place_features(
    maps: Mapping[str, Float[Tensor, "batch _features _rows _columns"]], grid: tuple[int, int]
) -> Float[Tensor, "batch places features"]:
    """The features of all maps side by side, for each place of a grid; finer maps are averaged over its cells."""
    alike = [one if one.shape[2:] == grid else adaptive_avg_pool2d(one, grid) for one in maps.values()]
    return torch.cat(alike, dim=1).flatten(2).transpose(1, 2)


def need_grid(trunk: Trunk, taps: Sequence[str], size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the grid for an input of that size.

    Raises:
        ShapeError: the input is too small for a tap.
        ArgumentError: one place alone.
    """
    trunk.need_size(taps, size, "size")
    rows, columns = trunk.map_size(coarsest(trunk, taps), *size)
    if rows * columns < 2:
        raise ArgumentError(
            f"size: need several places to look at, got one on {coarsest(trunk, taps)} at {size[0]}×{size[1]} pixels; "
            "give a larger size, or taps that come earlier"
        )
    return rows, columns
