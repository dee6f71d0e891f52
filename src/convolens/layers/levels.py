"""How a layer's inputs become 8-bit integers: 256 levels, measured on what goes into it.

A layer that has `levels` may be computed in integers where no gradient follows (`planner`). Its weights stay float32
numbers: their levels, a step for each filter, are made of them whenever they are packed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from convolens.errors import WeightsError

HIGHEST = 255  # levels above the lowest
LEAST_STEP = 1e-20  # a number and its inverse are floats
KEPT = 1 << 12  # numbers of one map that are looked at
SHARES = tuple(1 - part / 32 for part in range(24))  # of the largest number seen: ends that are tried


@dataclass(frozen=True, slots=True)
class Levels:
    """256 numbers next to one another: `step · level`, from `lowest` on, 0 among them.

    Attributes:
        step: the distance between two.
        lowest: the lowest level, from -255 to 0; 0 where all inputs are positive.
    """

    step: float
    lowest: int

    @classmethod
    def between(cls, low: float, high: float) -> Levels:
        """The levels that reach from `low` (or 0) to `high` (or 0).

        >>> Levels.between(0.0, 51.0)
        Levels(step=0.2, lowest=0)
        """
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / HIGHEST
        step = step if step > LEAST_STEP else 1.0  # where all is 0, or nearly
        return cls(step, max(round(low / step), -HIGHEST))

    def rounded(self, x: Tensor) -> Tensor:
        """The level nearest to each number, as a number."""
        return torch.clamp(torch.round(x / self.step), self.lowest, self.lowest + HIGHEST) * self.step


def levels_of(layer: nn.Module) -> Levels | None:
    """A layer's levels, where it has been given some."""
    found = getattr(layer, "levels", None)
    return found if isinstance(found, Levels) else None


def given_levels(module: nn.Module) -> dict[str, Levels]:
    """The levels of all its layers that have some, by their names."""
    found = {name: levels_of(layer) for name, layer in module.named_modules()}
    return {name: levels for name, levels in found.items() if levels is not None}


def give_levels(module: nn.Module, levels: Mapping[str, Levels]) -> None:
    """Gives the named layers their levels, and takes all others'."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.levels = levels.get(name)  # type: ignore[assignment]


class _Seen:
    """What went into a layer: its ends, and some of it."""

    def __init__(self) -> None:
        self.low = self.high = 0.0
        self.parts: list[Tensor] = []

    def add(self, x: Tensor) -> None:
        low, high = float(x.min()), float(x.max())
        if not math.isfinite(low) or not math.isfinite(high):  # at once, as `min` may drop a NaN
            raise WeightsError("model: need finite maps, got NaN or infinity; its weights are damaged or far too large")
        self.low, self.high = min(self.low, low), max(self.high, high)
        flat = x.detach().flatten()
        self.parts.append(flat[:: max(1, math.ceil(flat.numel() / KEPT))].clone())

    def levels(self) -> Levels:
        """Those nearest to what was seen, by squares: a few large numbers are worth less than all others' precision."""
        values = torch.cat(self.parts)
        tried = [Levels.between(self.low * share, self.high * share) for share in SHARES]
        return min(tried, key=lambda one: float((one.rounded(values) - values).square().mean()))


@contextmanager
def measuring(module: nn.Module) -> Iterator[dict[str, _Seen]]:
    """Within it, what goes into a module's convolutions is looked at; layers run one by one.

    What is seen is by the layers' names; those that see nothing are not there.
    """
    seen: dict[str, _Seen] = {}

    def look(name: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen.setdefault(name, _Seen()).add(inputs[0])

    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_pre_hook(partial(look, name)) for name, layer in layers]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
