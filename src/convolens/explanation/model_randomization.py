"""The model-randomization test: an explanation that stays the same for shuffled weights shows only the picture.

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from convolens.explanation.explanation import Explanation


def randomized(model: nn.Module, *, seed: int = 0) -> Any:
    """A copy of the model in which the entries of every weight are shuffled: it has learned nothing.

    An explanation that is the same for both shows the picture, not what the network learned from it.
    """
    shuffled = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in shuffled.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return shuffled


def similarity(one: Explanation, other: Explanation) -> float:
    """The rank correlation of two maps of one picture, from -1 to 1, before their ReLU: the mean over their taps.

    After the ReLU a map of a shuffled network is often empty, as its class may weigh nothing but against: an empty map
    is like none, which would pass for a map that has changed.

    Returns:
        NaN where a map is the same everywhere: it has no ranks to compare.
    """
    return float(np.mean([_rank_correlation(grid, other.grids[tap]) for tap, grid in one.grids.items()]))


def _rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = (ranks - ranks.mean() for ranks in (_ranks(one.ravel()), _ranks(other.ravel())))
    scale = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / scale) if scale > 0 else float("nan")


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 0, equal values sharing their mean rank."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((last - counts + last - 1) / 2)[at]
    return ranks
