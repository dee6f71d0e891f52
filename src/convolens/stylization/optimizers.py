"""Ways to a lower loss: directions from gradients, and the walk that takes them.

Pixels stay in [0, 1]: a step is cut off there, and a pixel that lies on the edge and is pushed outward is left out of
the direction (Bertsekas, "Projected Newton methods", 1982), so that what is optimised is a picture at every step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from convolens.stylization.bands import Bands, reach
from convolens.stylization.objective import Evaluation

FIRST_MOVE = 0.01  # how far pixels move in L-BFGS's first step, on average
ENOUGH = 1e-4  # the share of the promised descent that a step must bring (Armijo; Nocedal & Wright, 3.4)
MOST_HALVINGS = 12
AVERAGED = 10  # iterates that the running average looks back on


@runtime_checkable
class Optimizer(Protocol):
    """Directions from gradients."""

    must_descend: bool  # whether a step that raises the loss is cut

    def direction(self, gradient: Tensor) -> Tensor:
        """Where to go, and how far."""

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Takes in how the gradient changed over the step that was taken."""

    def forget(self) -> None:
        """Starts anew."""


@dataclass(frozen=True)
class Pair:
    """A step that was taken, how the gradient changed over it, and what L-BFGS asks of the two."""

    step: Tensor
    change: Tensor
    product: float  # of the two
    energies: tuple[Tensor, Tensor]  # of each, band by band, for a change of length 1


class Lbfgs:
    """Curvature from the last `history` steps: `2·history` pictures of memory, as many multiplications a pixel.

    What they do not tell comes from one number for each band of colour and frequency rather than from one for all.

    Liu & Nocedal, "On the limited memory BFGS method", 1989.
    """

    must_descend = True

    def __init__(self, history: int) -> None:
        self.pairs: deque[Pair] = deque(maxlen=history)
        self.bands: Bands | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus the inverse of the curvature seen so far times the gradient (algorithm 7.4 of Nocedal & Wright)."""
        move = -gradient
        if not self.pairs:
            return move.mul_(FIRST_MOVE / max(float(gradient.abs().mean()), 1e-30))
        shares = []
        for pair in reversed(self.pairs):
            share = _dot(pair.step, move) / pair.product
            move.sub_(pair.change, alpha=share)
            shares.append(share)
        move = self._by_band(move)
        for pair, share in zip(self.pairs, reversed(shares), strict=True):
            move.add_(pair.step, alpha=share - _dot(pair.change, move) / pair.product)
        return move

    def _by_band(self, move: Tensor) -> Tensor:
        """Times the inverse curvature of each band, all scaled to what the last step saw."""
        assert self.bands is not None
        steps, changes = (torch.stack(one).sum(0) for one in zip(*(pair.energies for pair in self.pairs), strict=True))
        factors = reach(steps, changes)
        last = self.pairs[-1]
        seen = float((factors * last.energies[1]).sum()) * _dot(last.change, last.change)
        return self.bands.scaled(move, factors * (last.product / seen))

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Keeps the pair where it shows positive curvature."""
        product, square = _dot(step, change), _dot(change, change)
        if product > 1e-10 * math.sqrt(_dot(step, step) * square):
            self.bands = self.bands or Bands(step)
            energies = (self.bands.energies(step) / square, self.bands.energies(change) / square)
            self.pairs.append(Pair(step, change, product, energies))

    def forget(self) -> None:
        """Drops all pairs."""
        self.pairs.clear()


class Adam:
    """Steps of about `rate` for every pixel, steadied by running means; two pictures of memory.

    Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015.
    """

    must_descend = False

    def __init__(self, rate: float = 0.02, memories: tuple[float, float] = (0.9, 0.99)) -> None:
        self.rate, self.memories = rate, memories
        self.mean: Tensor | None = None
        self.square: Tensor | None = None
        self.count = 0

    def direction(self, gradient: Tensor) -> Tensor:
        """The running mean of the gradient over that of its size."""
        if self.mean is None or self.square is None:
            self.mean, self.square = torch.zeros_like(gradient), torch.zeros_like(gradient)
        self.count += 1
        first, second = self.memories
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (self.square / (1 - second**self.count)).sqrt_().add_(1e-12)
        move: Tensor = (self.mean / size).mul_(-self.rate / (1 - first**self.count))
        return move

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Nothing: it has seen the gradient."""

    def forget(self) -> None:
        """Starts anew."""
        self.mean = self.square = None
        self.count = 0


@dataclass(frozen=True)
class Taken:
    """Where a step led."""

    picture: Tensor
    evaluation: Evaluation
    note: str = ""


def walk(
    picture: Tensor, objective: Callable[[Tensor], Evaluation], optimizer: Optimizer, steps: int
) -> Iterator[Taken]:
    """The picture after each step; fewer than `steps` where nothing lowers the loss any more."""
    evaluation = objective(picture)
    for _ in range(steps):
        gradient = _free(picture, evaluation.gradient)
        if not bool(gradient.any()):
            return
        taken = _step(picture, evaluation, objective, optimizer, gradient)
        if taken is None:
            return
        optimizer.learn(taken.picture - picture, taken.evaluation.gradient - evaluation.gradient)
        picture, evaluation = taken.picture, taken.evaluation
        yield taken


def averaged(mean: Tensor | None, picture: Tensor, count: int) -> Tensor:
    """The running average of the iterates with the `count`-th taken in."""
    return picture.clone() if mean is None else mean.lerp_(picture, max(1 / count, 1 / AVERAGED))


def _step(
    picture: Tensor,
    evaluation: Evaluation,
    objective: Callable[[Tensor], Evaluation],
    optimizer: Optimizer,
    gradient: Tensor,
) -> Taken | None:
    """One step, halved until it leads somewhere finite (and, for a method that must descend, lower)."""
    note = ""
    for _ in range(2):  # where what it learned misleads, once more without
        move = optimizer.direction(gradient).masked_fill_(gradient == 0, 0)
        for _ in range(MOST_HALVINGS if _dot(move, gradient) < 0 or not optimizer.must_descend else 0):
            there = (picture + move).clamp_(0, 1)
            found = objective(there)
            if not (math.isfinite(found.loss) and bool(found.gradient.isfinite().all())):
                note = "the loss was not finite: a smaller step was taken"
            elif not optimizer.must_descend or found.loss <= evaluation.loss + ENOUGH * _dot(there - picture, gradient):
                return Taken(there, found, note)
            move.mul_(0.5)
        optimizer.forget()
    return None


def _free(picture: Tensor, gradient: Tensor) -> Tensor:
    """The gradient without pixels on the edge of [0, 1] that it would push outward."""
    stuck = ((picture <= 0) & (gradient > 0)) | ((picture >= 1) & (gradient < 0))
    return gradient.masked_fill(stuck, 0)


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.reshape(-1), b.reshape(-1)))
