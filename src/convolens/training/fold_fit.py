"""Linear heads for several parts of the same samples, found together: folds, and weight decays to choose from.

Every head sees the same features, so one product of matrices per step of L-BFGS serves all of them: ten heads take
little longer than one. Samples go through in chunks: beside the features, memory is for one chunk's scores and for the
weights themselves.

Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989 (SciPy's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from convolens.first_use import loaded

CHUNK = 8192  # samples at once
MOST_COLUMNS = 640  # scores of a sample, over all heads that are found together
STEPS = 120  # at most; ranks of probabilities no longer move long before
TOLERANCE = 1e-6  # of the loss, relative: what float32 sums can tell

Loss = Callable[[Tensor, Tensor], Tensor]  # of scores `(rows, classes)` and the rows' numbers: its sum


@dataclass(frozen=True)
class Standardized:
    """Features brought to mean 0 and variance 1, float32 `(samples, features)`, and what undoes it.

    A feature that never varies is 0.
    """

    values: Tensor
    mean: Tensor
    scale: Tensor


def standardized(features: Float[Tensor, "samples features"]) -> Standardized:
    """Brings each feature to mean 0 and variance 1; takes a second array as large as the features in float32."""
    x = features.float()
    mean = x.mean(dim=0, dtype=torch.float64).float()
    values = x - mean
    spread = values.square().mean(dim=0, dtype=torch.float64).sqrt().float()
    varies = spread > 1e-6 * x.abs().amax(dim=0)
    scale = torch.where(varies, 1 / spread, 0.0)
    return Standardized(values.mul_(scale), mean, scale)


def assign_folds(labels: Int[NDArray[Any], " samples"], folds: int, seed: int) -> Int[NDArray[Any], " samples"]:
    """Numbers each sample's fold, so that every class is spread over the folds as evenly as it can be.

    Args:
        labels: a number of its class, or of any other kind, for each sample.
        folds: how many.
        seed: of the order within a class.

    >>> assign_folds(np.array([0, 0, 0, 1, 1, 1]), 3, seed=0).reshape(2, 3).sum(axis=1).tolist()
    [3, 3]
    """
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    numbers = np.empty(len(labels), np.int64)
    numbers[order] = np.arange(len(labels)) % folds
    return numbers


def fit_heads(
    x: Float[Tensor, "samples features"],
    loss: Loss,
    classes: int,
    parts: Sequence[Bool[NDArray[Any], " samples"]],
    decays: Sequence[float],
) -> Float[Tensor, "heads features+1 classes"]:
    """Finds one head for each part: its mean loss + decay/2 · |weights|² is least. The last row of each is the bias.

    Args:
        x: standardized features.
        loss: convex in the scores.
        classes: scores of a head.
        parts: the samples that each head is found on; at least one.
        decays: of each head.
    """
    together = max(1, MOST_COLUMNS // classes)
    found = [
        _fitted(x, loss, classes, parts[first : first + together], decays[first : first + together])
        for first in range(0, len(parts), together)
    ]
    return torch.cat(found)


def scores_of(x: Float[Tensor, "samples features"], head: Float[Tensor, "features+1 classes"]) -> Tensor:
    """Computes a head's scores."""
    return x @ head[:-1] + head[-1]


def _fitted(x: Tensor, loss: Loss, classes: int, parts: Sequence[NDArray[Any]], decays: Sequence[float]) -> Tensor:
    heads, features = len(parts), x.shape[1]
    shape = (features + 1, heads, classes)
    penalty = np.array(decays)[:, None]
    counts = [int(part.sum()) for part in parts]
    rows = [[torch.from_numpy(np.flatnonzero(part[start : start + CHUNK])) for part in parts]
            for start in range(0, len(x), CHUNK)]  # fmt: skip

    def value_and_gradient(flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        weights = flat.reshape(shape)
        as_read = torch.from_numpy(weights.reshape(features + 1, -1)).float()
        gradient = torch.zeros_like(as_read)
        total = 0.0
        for number, chosen in enumerate(rows):
            some = x[number * CHUNK : (number + 1) * CHUNK]
            scores = (some @ as_read[:-1] + as_read[-1]).requires_grad_()
            split = scores.view(len(some), heads, classes)
            value = torch.stack([
                loss(split[kept, head], kept + number * CHUNK) / counts[head] for head, kept in enumerate(chosen)
            ]).sum()  # fmt: skip
            (slope,) = torch.autograd.grad(value, scores)
            gradient[:-1].addmm_(some.T, slope)
            gradient[-1] += slope.sum(dim=0)
            total += float(value.detach())
        slope_of_weights = gradient.double().numpy().reshape(shape)
        slope_of_weights[:-1] += penalty * weights[:-1]
        return total + float((penalty / 2 * weights[:-1] ** 2).sum()), slope_of_weights.ravel()

    start = np.zeros(shape).ravel()
    options = {"maxiter": STEPS, "ftol": TOLERANCE, "gtol": 1e-6, "maxcor": 10}
    with torch.enable_grad():
        found = loaded("scipy.optimize").minimize(
            value_and_gradient, start, jac=True, method="L-BFGS-B", options=options
        )
    return torch.from_numpy(found.x.reshape(shape)).float().permute(1, 0, 2).contiguous()
