"""What is explained: a number for each picture, computed from its class scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot, pad

from convolens.arrays import as_flag
from convolens.errors import ArgumentError, ShapeError, did_you_mean

ClassLike = str | int
Scoring = Callable[[Tensor], Tensor]  # scores (N, classes) → (N,)


@dataclass(frozen=True)
class Target:
    """One number for each picture of a batch.

    Attributes:
        labels: its name, one for each picture.
        direction: `(N, classes)`: the number is the scores' sum weighted by it; None where it is something else.
        score: the scores → the number. Differentiable.
    """

    labels: tuple[str, ...]
    direction: Tensor | None
    score: Scoring

    def of(self, number: int) -> Target:
        """The target for one picture of the batch, of which any number of changed copies may be scored."""
        if self.direction is None:
            return Target(self.labels[number : number + 1], None, self.score)
        return linear_target(self.labels[number : number + 1], self.direction[number : number + 1])

    def probability(self, probabilities: Float[Tensor, "batch classes"]) -> list[float | None]:
        """How likely each picture's class is; None where it is not one class that is scored."""
        if self.direction is None:
            return [None] * len(self.labels)
        single = (self.direction != 0).sum(dim=1) == 1
        likely = (probabilities * self.direction.abs()).sum(dim=1)
        return [value if one else None for value, one in zip(likely.tolist(), single.tolist(), strict=True)]

    def negated(self) -> Target:
        """The target whose number has the other sign: what speaks against this one."""
        labels = tuple(f"against {label}" for label in self.labels)
        if self.direction is None:
            return Target(labels, None, lambda scores: -self.score(scores))
        return linear_target(labels, -self.direction)


@dataclass(frozen=True)
class Question:
    """Which of the class scores are explained, whatever the picture.

    Attributes:
        target: a class by name or number, None for each picture's likeliest, or a function of the scores.
        against: a class whose score is subtracted.
        counterfactual: whether the map shows what speaks against the target.
        count: explains the `count` likeliest classes in place of `target`; None explains `target`.
    """

    target: ClassLike | Scoring | None = None
    against: ClassLike | None = None
    counterfactual: bool = False
    count: int | None = None

    def __post_init__(self) -> None:
        as_flag(self.counterfactual, "counterfactual")

    def targets(self, scores: Float[Tensor, "batch classes"], names: Sequence[str]) -> list[Target]:
        """The targets for pictures with these scores. Errors as in `targets_of`."""
        if self.count is None:
            return self.signed([targets_of(scores, names, self.target, self.against)])
        return self.signed([ranked_target(scores, names, rank) for rank in range(min(self.count, scores.shape[1]))])

    def signed(self, targets: Sequence[Target]) -> list[Target]:
        """The targets, or what speaks against them."""
        return [one.negated() if self.counterfactual else one for one in targets]


def linear_target(labels: Sequence[str], direction: Float[Tensor, "batch classes"]) -> Target:
    """A target that is a weighted sum of class scores. Repeated for batches that hold each picture several times."""

    def score(scores: Tensor) -> Tensor:
        copies = len(scores) // len(direction)
        return (scores * direction.repeat_interleave(copies, dim=0)).sum(dim=1)

    return Target(tuple(labels), direction, score)


def targets_of(
    scores: Float[Tensor, "batch classes"],
    names: Sequence[str],
    target: ClassLike | Scoring | None,
    against: ClassLike | None,
) -> Target:
    """The target that `explain`'s arguments mean for pictures with these scores.

    Args:
        scores: of the pictures, before softmax.
        names: of the classes; may be empty.
        target: a class by name or number, None for each picture's likeliest, or a function of the scores.
        against: a class whose score is subtracted.

    Raises:
        ArgumentError: no such class; the nearest name is suggested.
        ShapeError: the function does not give one number for each picture.
    """
    if callable(target):
        if against is not None:
            raise ArgumentError("against: needs a class as target, got a function; subtract in the function")
        return _called(target, scores)
    chosen = ranked_target(scores, names, 0) if target is None else _one_class(scores, names, target)
    if against is None:
        return chosen
    rival = _one_class(scores, names, against)
    assert chosen.direction is not None  # both are classes
    assert rival.direction is not None
    labels = [f"{one} rather than {other}" for one, other in zip(chosen.labels, rival.labels, strict=True)]
    return linear_target(labels, chosen.direction - rival.direction)


def of_group(target: Target, number: int, count: int) -> Target:
    """A target of class scores as one of the scores of `count` groups of these classes, side by side."""
    assert target.direction is not None  # a class
    classes = target.direction.shape[1]
    return linear_target(target.labels, pad(target.direction, (number * classes, (count - 1 - number) * classes)))


def ranked_target(scores: Float[Tensor, "batch classes"], names: Sequence[str], rank: int) -> Target:
    """The class of each picture at a rank of its scores: 0 is the likeliest."""
    return _classes(scores, names, scores.argsort(dim=1, descending=True, stable=True)[:, rank])


def _one_class(scores: Tensor, names: Sequence[str], wanted: ClassLike) -> Target:
    number = class_number(wanted, names, scores.shape[1])
    return _classes(scores, names, torch.full_like(scores[:, 0], number, dtype=torch.int64))


def _classes(scores: Tensor, names: Sequence[str], numbers: Tensor) -> Target:
    labels = [names[number] if names else str(number) for number in numbers.tolist()]
    return linear_target(labels, one_hot(numbers, scores.shape[1]).to(scores))


def class_number(wanted: ClassLike, names: Sequence[str], classes: int) -> int:
    """The number of a class given by name or number.

    >>> class_number("grass", ("brick", "grass"), 2)
    1

    Raises:
        ArgumentError: there is none; the nearest name is suggested.
    """
    if isinstance(wanted, str):
        if wanted in names:
            return names.index(wanted)
        hint = did_you_mean(wanted, names)
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise ArgumentError(f"target: need one of the classes {shown or '(they have no names)'}, got {wanted!r}{hint}")
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 <= wanted < classes:
        raise ArgumentError(f"target: need a class from 0 to {classes - 1}, got {wanted!r}")
    return wanted


def _called(function: Scoring, scores: Tensor) -> Target:
    value = function(scores)
    if not isinstance(value, Tensor) or value.shape != scores.shape[:1]:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ShapeError(f"target: need a function that gives ({len(scores)},) for {tuple(scores.shape)}, got {got}")
    return Target((getattr(function, "__name__", "target"),) * len(scores), None, function)
