"""A linear head on features that are fixed: logistic regression by L-BFGS, in float64.

The problem is convex, so there is one answer: it depends on the data and the weight decay, not on seed,
order or learning rate. A few thousand samples of a thousand features take about a second.

Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989 (torch's, with line search).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LOSS_TOLERANCE = 1e-10  # a step that gains less moves no prediction


@dataclass(frozen=True)
class LinearFit:
    """Weights `(classes, features)` and bias `(classes,)` for features as they come, and the loss they started from."""

    weight: Tensor
    bias: Tensor
    loss: float


def fit_linear(
    features: Float[Tensor, "samples features"],
    loss: Callable[[Tensor], Tensor],
    classes: int,
    *,
    weight_decay: float = 0.01,
    steps: int = 200,
) -> Iterator[LinearFit]:
    """Yields weights with ever less loss + weight_decay/2 · |weights|²; the last are the answer.

    The decay is of the weights of features brought to mean 0 and variance 1. That standardizing is folded into what is
    given back, which takes features as they are. A feature that never varies gets weight 0.

    Args:
        features: float32 or float64.
        loss: of the samples' scores `(samples, classes)`, convex in them: cross-entropy, and its like.
        classes: how many there are.
        weight_decay: larger draws the weights to 0, and probabilities to equal ones.
        steps: at most; fewer where the loss has stopped falling.
    """
    x = features.double()
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    varies = spread > 1e-9 * x.abs().amax(dim=0)
    scale = torch.where(varies, 1 / spread, 0.0)
    for weight, bias, started_from in _descent((x - mean) * scale, loss, classes, weight_decay, steps):
        raw = weight * scale
        yield LinearFit(raw.to(features.dtype), (bias - raw @ mean).to(features.dtype), started_from)


def _descent(
    x: Tensor, loss_of: Callable[[Tensor], Tensor], classes: int, weight_decay: float, steps: int
) -> Iterator[tuple[Tensor, Tensor, float]]:
    weight = x.new_zeros(classes, x.shape[1], requires_grad=True)
    bias = x.new_zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=1, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = loss_of(x @ weight.T + bias) + weight_decay / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    before = float("inf")
    for _ in range(steps):
        started_from = float(optimizer.step(loss).detach())  # type: ignore[no-untyped-call]
        yield weight.detach(), bias.detach(), started_from
        if before - started_from < LOSS_TOLERANCE:
            return
        before = started_from
