"""Pictures that are nearly one of another split, by their features: what is measured on them was learned.

Finds what copies of files do not: the same thing from a step further, a frame later, under other light.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from convolens.training.fold_fit import CHUNK

NEAR = 0.35  # of the usual distance to the nearest of another split, for pictures of a label, below which two are one


def near_across_splits(
    x: Float[Tensor, "pictures features"], splits: Sequence[str], labels: Int[NDArray[np.int64], " pictures"]
) -> list[tuple[int, int]]:
    """Pairs of numbers, of pictures in different splits, the nearest first; each picture with its nearest alone.

    Cost: a product of the features of each split with those of the splits before it.

    Args:
        x: standardized features.
        splits: of each picture; without at least two there is no pair.
        labels: of each picture: some classes look more alike than others.

    >>> x = torch.tensor([[0.0, 1.0], [3.0, 0.0], [0.0, 5.0], [0.01, 1.0], [9.0, 1.0], [1.0, 8.0]])
    >>> near_across_splits(x, ["train"] * 3 + ["test"] * 3, np.zeros(6, np.int64))
    [(3, 0)]
    """
    names = list(dict.fromkeys(splits))
    parts = [np.flatnonzero(np.array(splits) == name) for name in names]
    pairs: list[tuple[float, int, int]] = []
    for at, part in enumerate(parts[1:], start=1):
        before = np.concatenate(parts[:at])
        far, nearest = _nearest(x, part, before)
        label, group = np.unique(labels[part], return_inverse=True)
        usual = np.array([np.median(far[group == number]) for number in range(len(label))])
        close = far < NEAR * usual[group]
        pairs += zip(far[close].tolist(), part[close].tolist(), before[nearest[close]].tolist(), strict=True)
    return [(one, other) for _, one, other in sorted(pairs)]


def _nearest(
    x: Tensor, ones: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The distance of each to the nearest of the others, and which that is."""
    asked = x[torch.from_numpy(ones)]
    best, found = torch.full((len(ones),), torch.inf), torch.zeros(len(ones), dtype=torch.int64)
    for start in range(0, len(others), CHUNK):
        some = x[torch.from_numpy(others[start : start + CHUNK])]
        squares = asked.square().sum(dim=1, keepdim=True) + some.square().sum(dim=1) - 2 * asked @ some.T
        least, at = squares.min(dim=1)
        better = least < best
        best[better], found[better] = least[better], at[better] + start
    return best.clamp_min(0).sqrt().numpy(), found.numpy()
