"""How to train: the settings that every task shares, checked where they are first used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from convolens.errors import ArgumentError, need_one_of
from convolens.training.optimizers import OPTIMIZERS, optimizer_for
from convolens.training.schedules import SCHEDULES

PRECISIONS = ("auto", "float32", "bfloat16")

# What may differ when a run is resumed: when it ends, and what changes nothing but its speed.
FREE_ON_RESUME = frozenset(["epochs", "minutes", "patience", "workers", "checkpoint_seconds", "tensorboard"])


@dataclass(frozen=True)
class Settings:
    """How to train: options of `convolens.train`, which says what each means.

    A run that `minutes` end depends on the machine; one of a number of epochs does not. The decay of weights is
    Loshchilov & Hutter's, apart from the gradient, for `adamw`. `layer_decay` goes from tap to tap: below 1, what is
    early in a trunk that somebody else trained moves less. All that is random is a function of `seed`, the epoch and
    the picture's number.
    """

    epochs: int | None = None
    minutes: float | None = None
    batch: int | Literal["auto"] = 32
    accumulate: int = 1
    optimizer: str = "adamw"
    lr: float | Literal["find"] = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.05
    layer_decay: float = 1.0
    schedule: str = "cosine"
    warmup: float = 0.05
    clip_grad: float | None = 1.0
    ema: float | None = None
    patience: int | None = None
    precision: str = "auto"
    sync_norm: bool = False
    seed: int = 0
    workers: int = 2
    checkpoint_seconds: float = 30.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.epochs is not None:
            _whole("epochs", self.epochs, 1)
        _whole("accumulate", self.accumulate, 1)
        _whole("workers", self.workers, 1)
        _whole("seed", self.seed, 0)
        if self.batch != "auto":
            _whole("batch", self.batch, 1, instead="auto")
            _need(self.accumulate <= self.batch, f"accumulate: need at most the batch's {self.batch}", self.accumulate)
        if self.patience is not None:
            _whole("patience", self.patience, 1)
        if self.lr != "find":
            _number("lr", self.lr, above=0.0, instead="find")
        _number("momentum", self.momentum, least=0.0, below=1.0)
        _number("weight_decay", self.weight_decay, least=0.0)
        _number("layer_decay", self.layer_decay, above=0.0, most=1.0)
        _number("warmup", self.warmup, least=0.0, below=1.0)
        _number("checkpoint_seconds", self.checkpoint_seconds, least=0.0)
        for name in ("minutes", "clip_grad"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), above=0.0)
        if self.ema is not None:
            _number("ema", self.ema, above=0.0, below=1.0)
        need_one_of("optimizer", self.optimizer, OPTIMIZERS)
        need_one_of("schedule", self.schedule, SCHEDULES)
        need_one_of("precision", self.precision, PRECISIONS)

    def make_optimizer(self, model: nn.Module, layers: Sequence[nn.Module]) -> Optimizer:
        """The optimizer of a model, see `optimizer_for`."""
        return optimizer_for(
            model,
            layers,
            name=self.optimizer,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            layer_decay=self.layer_decay,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as plain values."""
        return asdict(self)


def _whole(name: str, value: object, least: int, instead: str = "") -> None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    _need(fits, f"{name}: need a whole number of at least {least}{_or(instead)}", value)


def _number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    instead: str = "",
) -> None:
    bounds = {"at least": least, "above": above, "at most": most, "below": below}
    words = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    fits = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    _need(fits, f"{name}: need a number {words}{_or(instead)}", value)


def _or(word: str) -> str:
    return f", or {word!r}" if word else ""


def _need(fits: bool, sentence: str, value: object) -> None:
    if not fits:
        raise ArgumentError(f"{sentence}, got {value!r}")
