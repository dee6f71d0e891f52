"""The evidence for a doubtful label: the pictures most like it, of its class and of the likely one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from convolens.training.fold_fit import CHUNK


def nearest_of_class(
    x: Float[Tensor, "pictures features"],
    queries: Sequence[int],
    classes: Sequence[int],
    labels: Int[NDArray[Any], " pictures"],
    trusted: Bool[NDArray[Any], " pictures"],
) -> list[int | None]:
    """For each query the number of the trusted picture of a class whose features point the most alike; itself apart.

    Args:
        x: standardized features.
        queries: numbers of pictures.
        classes: which class, for each query.
        labels: of all pictures.
        trusted: which pictures may be named.
    """
    best = np.full(len(queries), -np.inf, np.float32)
    found = np.full(len(queries), -1)
    wanted = np.asarray(classes, np.int64)
    asked = x[torch.as_tensor(list(queries), dtype=torch.int64)]
    for start in range(0, len(x) if len(queries) else 0, CHUNK):
        some = x[start : start + CHUNK]
        alike = (asked @ some.T / some.norm(dim=1).clamp_min(1e-12)).numpy()
        numbers = np.arange(start, start + len(some))
        allowed = (labels[numbers] == wanted[:, None]) & trusted[numbers] & (numbers != np.asarray(queries)[:, None])
        alike = np.where(allowed, alike, -np.inf)
        at = alike.argmax(axis=1)
        here = alike[np.arange(len(queries)), at]
        better = here > best
        best[better], found[better] = here[better], numbers[at[better]]
    return [int(number) if number >= 0 else None for number in found]
