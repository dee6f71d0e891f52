"""A head measured by folds on features computed once: the metric with its spread, and the weight decay by nested folds.

Each fold's pictures are predicted by a head found on the others. Its weight decay is chosen on those others alone, by
heads that leave out one fold more; as leaving out a and then b is leaving out b and then a, five folds need ten such
heads for each decay. All of them are found together, see `fold_fit.py`.

Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions", 1974; nested, Varma & Simon, "Bias in error
estimation when using cross-validation for model selection", 2006.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from convolens.data import Example
from convolens.errors import DataError
from convolens.training.fold_fit import assign_folds, fit_heads, scores_of, standardized

DECAYS = (1.0, 0.1, 0.01, 0.001)  # to choose from, where none is given

Loss = Callable[[Tensor, Tensor], Tensor]  # of scores and targets, both `(samples, classes)`: the sum over the samples


@dataclass(frozen=True)
class Folded:
    """What folds say.

    Attributes:
        scores: of each picture, by the head of its fold, `(pictures, classes)`.
        fold: the number of each picture's fold.
        decays: the weight decay of each fold's head.
        decay: the one that suits all pictures, for the head that is kept.
    """

    scores: Float[Tensor, "pictures classes"]
    fold: NDArray[Any]
    decays: tuple[float, ...]
    decay: float


def by_folds(
    features: Float[Tensor, "pictures features"],
    targets: Float[Tensor, "pictures classes"],
    loss: Loss,
    examples: Sequence[Example],
    folds: int,
    seed: int,
    decays: Sequence[float] = DECAYS,
) -> Folded:
    """Predicts every picture by a head that did not learn it.

    Args:
        features: as a head takes them.
        targets: of each picture.
        loss: convex in the scores.
        examples: whose labels are spread over the folds evenly.
        folds: at least 2; where decays are to be chosen from, at least 3.
        seed: of the folds.
        decays: to choose from.

    Raises:
        DataError: a class has fewer pictures than it needs to be in every head's part.
    """
    kinds = np.unique([",".join(map(str, sorted(one.labels))) for one in examples], return_inverse=True)[1]
    fold = assign_folds(kinds, folds, seed)
    _need_every_class(targets, fold, folds, left_out=1 if len(decays) == 1 else 2)
    x, wanted = standardized(features).values, targets.float()
    # A fold is left out alone, or with another one: the head of a pair serves both.
    left_out = [*((one,) for one in range(folds)), *(combinations(range(folds), 2) if len(decays) > 1 else ())]
    parts = [~np.isin(fold, list(some)) for some in left_out]
    each = [decay for decay in decays for _ in parts]
    found = fit_heads(
        x, lambda scores, rows: loss(scores, wanted[rows]), targets.shape[1], parts * len(decays), each
    )  # fmt: skip
    heads = found.reshape(len(decays), len(parts), *found.shape[1:])
    rows = [torch.from_numpy(np.flatnonzero(fold == number)) for number in range(folds)]

    def loss_of(decay: int, some: tuple[int, ...], tested: int) -> float:
        head = heads[decay, left_out.index(some)]
        return float(loss(scores_of(x[rows[tested]], head), wanted[rows[tested]]))

    def best(losses: Callable[[int], float]) -> int:
        return min(range(len(decays)), key=losses) if len(decays) > 1 else 0

    scores = torch.empty(len(x), targets.shape[1])
    chosen = []
    for one in range(folds):
        others = [other for other in range(folds) if other != one]
        decay = best(lambda number, one=one, others=others: sum(  # type: ignore[misc]
            loss_of(number, (min(one, other), max(one, other)), other) for other in others
        ))  # fmt: skip
        chosen.append(decays[decay])
        scores[rows[one]] = scores_of(x[rows[one]], heads[decay, left_out.index((one,))])
    for_all = best(lambda number: sum(loss_of(number, (one,), one) for one in range(folds)))
    return Folded(scores, fold, tuple(chosen), decays[for_all])


def _need_every_class(targets: Tensor, fold: NDArray[Any], folds: int, left_out: int) -> None:
    """Every class must be among the pictures of every head: in more folds than one head leaves out."""
    for number in range(targets.shape[1]):
        having = len(np.unique(fold[(targets[:, number] > 0).numpy()]))
        if having <= left_out:
            raise DataError(
                f"folds: need pictures of every class in at least {left_out + 1} of {folds} folds, got class number "
                f"{number} in {having}; bring more pictures of it, or leave out folds"
            )
