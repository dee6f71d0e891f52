"""Optimizers: directions from gradients, and the loop that steps along them.

Pixels stay in [0, 1]: a step is clamped there, and a pixel at a bound that the gradient pushes outward is left out of
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

from convolens.stylization.objective import Evaluation
from convolens.stylization.subband_preconditioner import Subbands, inverse_curvature

FIRST_STEP = 0.01  # how far pixels move in L-BFGS's first step, on average
ARMIJO = 1e-4  # the fraction of the predicted descent that a step must bring (Armijo; Nocedal & Wright, 3.4)
MAX_HALVINGS = 12
AVERAGED_ITERATES = 10  # how many the running average is over


@runtime_checkable
class Optimizer(Protocol):
    """Directions from gradients."""

    must_descend: bool  # whether a step that raises the loss is halved

    def direction(self, gradient: Tensor) -> Tensor:
        """The step to try."""

    def update(self, step: Tensor, change: Tensor) -> None:
        """Takes in how the gradient changed over the step that was taken."""

    def reset(self) -> None:
        """Forgets all steps."""


@dataclass(frozen=True)
class Pair:
    """A step that was taken, how the gradient changed over it, and what L-BFGS needs of the two."""

    step: Tensor
    change: Tensor
    product: float  # of the two
    energies: tuple[Tensor, Tensor]  # of each, band by band, for a change of length 1


class Lbfgs:
    """Curvature from the last `history` steps: `2·history` pictures of memory, as many multiplications a pixel.

    The initial Hessian has one number for each band of colour and frequency (`subband_preconditioner`), not just one.

    Liu & Nocedal, "On the limited memory BFGS method", 1989.
    """

    must_descend = True

    def __init__(self, history: int) -> None:
        self.pairs: deque[Pair] = deque(maxlen=history)
        self.subbands: Subbands | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus the inverse of the curvature so far times the gradient (algorithm 7.4 of Nocedal & Wright)."""
        move = -gradient
        if not self.pairs:
            return move.mul_(FIRST_STEP / max(float(gradient.abs().mean()), 1e-30))
        alphas = []
        for pair in reversed(self.pairs):
            alpha = _dot(pair.step, move) / pair.product
            move.sub_(pair.change, alpha=alpha)
            alphas.append(alpha)
        move = self._preconditioned(move)
        for pair, alpha in zip(self.pairs, reversed(alphas), strict=True):
            move.add_(pair.step, alpha=alpha - _dot(pair.change, move) / pair.product)
        return move

    def _preconditioned(self, move: Tensor) -> Tensor:
        """The direction, each band times its inverse curvature, scaled to the curvature along the last step."""
        assert self.subbands is not None
        steps, changes = (torch.stack(one).sum(0) for one in zip(*(pair.energies for pair in self.pairs), strict=True))
        factors = inverse_curvature(steps, changes)
        last = self.pairs[-1]
        along = float((factors * last.energies[1]).sum()) * _dot(last.change, last.change)
        return self.subbands.scaled(move, factors * (last.product / along))

    def update(self, step: Tensor, change: Tensor) -> None:
        """Keeps the pair where it shows positive curvature."""
        product, square = _dot(step, change), _dot(change, change)
        if product > 1e-10 * math.sqrt(_dot(step, step) * square):
            self.subbands = self.subbands or Subbands(step)
            energies = (self.subbands.energies(step) / square, self.subbands.energies(change) / square)
            self.pairs.append(Pair(step, change, product, energies))

    def reset(self) -> None:
        """Drops all pairs."""
        self.pairs.clear()


class Adam:
    """Steps of about `lr` for every pixel, smoothed by running means; two pictures of memory.

    Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015.
    """

    must_descend = False

    def __init__(self, lr: float = 0.02, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self.lr, self.betas = lr, betas
        self.mean: Tensor | None = None
        self.square: Tensor | None = None
        self.count = 0

    def direction(self, gradient: Tensor) -> Tensor:
        """The running mean of the gradient over that of its magnitude."""
        if self.mean is None or self.square is None:
            self.mean, self.square = torch.zeros_like(gradient), torch.zeros_like(gradient)
        self.count += 1
        first, second = self.betas
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (self.square / (1 - second**self.count)).sqrt_().add_(1e-12)
        move: Tensor = (self.mean / size).mul_(-self.lr / (1 - first**self.count))
        return move

    def update(self, step: Tensor, change: Tensor) -> None:
        """Does nothing: the gradient is taken in by `direction`."""

    def reset(self) -> None:
        """Forgets all steps."""
        self.mean = self.square = None
        self.count = 0


@dataclass(frozen=True)
class Iterate:
    """The picture after a step."""

    picture: Tensor
    evaluation: Evaluation
    note: str = ""


def optimize(
    picture: Tensor, objective: Callable[[Tensor], Evaluation], optimizer: Optimizer, steps: int
) -> Iterator[Iterate]:
    """The picture after each step; fewer than `steps` where no step lowers the loss any more."""
    evaluation = objective(picture)
    for _ in range(steps):
        gradient = _free(picture, evaluation.gradient)
        if not bool(gradient.any()):
            return
        iterate = _step(picture, evaluation, objective, optimizer, gradient)
        if iterate is None:
            return
        optimizer.update(iterate.picture - picture, iterate.evaluation.gradient - evaluation.gradient)
        picture, evaluation = iterate.picture, iterate.evaluation
        yield iterate


def averaged(mean: Tensor | None, picture: Tensor, count: int) -> Tensor:
    """The running average of the iterates, updated by the `count`-th."""
    return picture.clone() if mean is None else mean.lerp_(picture, max(1 / count, 1 / AVERAGED_ITERATES))


def _step(
    picture: Tensor,
    evaluation: Evaluation,
    objective: Callable[[Tensor], Evaluation],
    optimizer: Optimizer,
    gradient: Tensor,
) -> Iterate | None:
    """One step, halved until it leads somewhere finite (and, for a method that must descend, lower)."""
    note = ""
    for _ in range(2):  # where the curvature so far misleads, once more without it
        move = optimizer.direction(gradient).masked_fill_(gradient == 0, 0)
        for _ in range(MAX_HALVINGS if _dot(move, gradient) < 0 or not optimizer.must_descend else 0):
            there = (picture + move).clamp_(0, 1)
            found = objective(there)
            if not (math.isfinite(found.loss) and bool(found.gradient.isfinite().all())):
                note = "the loss was not finite: a smaller step was taken"
            elif not optimizer.must_descend or found.loss <= evaluation.loss + ARMIJO * _dot(there - picture, gradient):
                return Iterate(there, found, note)
            move.mul_(0.5)
        optimizer.reset()
    return None


def _free(picture: Tensor, gradient: Tensor) -> Tensor:
    """The gradient without pixels at a bound of [0, 1] that it would push outward."""
    stuck = ((picture <= 0) & (gradient > 0)) | ((picture >= 1) & (gradient < 0))
    return gradient.masked_fill(stuck, 0)


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.reshape(-1), b.reshape(-1)))
