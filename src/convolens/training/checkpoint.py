"""The state that a training is resumed from: one file of tensors and plain facts, no pickle, whole or absent.

The file is `.safetensors` inside: the model's tensors, the optimizer's and the moving average's under their names, and
one JSON text with the rest. It holds the weights up to four times (AdamW two moments, the moving average one copy).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from convolens.errors import WeightsError
from convolens.media.files import writing
from convolens.models.model_file import RESUMED
from convolens.training.ema import ExponentialMovingAverage
from convolens.trunks.weights.tensor_file import read_tensor_file, write_tensor_file

# The names in files of earlier versions, and today's. The key `place` in a file is `Progress` here.
_NOW_CALLED = {
    "rate": "lr",
    "decay": "weight_decay",
    "average": "ema",
    "clip": "clip_grad",
    "cost": "loss",
    "learn": "finetune",
    "smoothing": "label_smoothing",
}


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: how many are complete.
        step: how many steps of the epoch after those are done.
        lr: the learning rate of the last step.
        seconds: that it has taken so far, all runs together.
        sums: the loss of this epoch so far, by part.
        counts: what these are to be divided by.
        rows: a row of metrics for each complete epoch.
        best: the best value of the monitored metric; None before the first measurement.
        best_epoch: when that was.
    """

    epoch: int = 0
    step: int = 0
    lr: float = 0.0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0


@dataclass(frozen=True)
class Learner:
    """Everything that a step changes.

    Attributes:
        model: what is trained.
        optimizer: of its parameters.
        parameters: those, in the order in which a file numbers them; the optimizer's groups have another.
        ema: the running mean of the model, if there is one.
    """

    model: nn.Module
    optimizer: Optimizer
    parameters: Sequence[nn.Parameter]
    ema: ExponentialMovingAverage | None

    def tensors(self) -> dict[str, Tensor]:
        """Returns all tensors, by names that say whose they are."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.ema:
            found |= {f"ema.{name}": value for name, value in self.ema.model.state_dict().items()}
        for number, parameter in enumerate(self.parameters):
            values = self.optimizer.state.get(parameter, {})
            found |= {f"optimizer.{number}.{name}": value for name, value in values.items() if value is not None}
        return found

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` returned, in place: the order of axes in memory, and with it every sum, stays.

        Raises:
            KeyError: a tensor is missing.
        """
        _fill(self.model, "model.", tensors)
        if self.ema:
            _fill(self.ema.model, "ema.", tensors)
        in_groups = [id(value) for group in self.optimizer.param_groups for value in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            owner, _, rest = name.partition(".")
            if owner == "optimizer":
                number, _, key = rest.partition(".")
                state.setdefault(in_groups.index(id(self.parameters[int(number)])), {})[key] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})


def write_checkpoint(path: Path, learner: Learner, progress: Progress, facts: Mapping[str, Any]) -> None:
    """Writes the state; an earlier file stays until the new one is complete.

    Raises:
        FileError: it cannot be written, as on a full disk; the old file is untouched.
    """
    steps = learner.ema.steps if learner.ema else 0
    text = json.dumps({"place": asdict(progress), "ema_steps": steps, "facts": facts}, default=str)
    with writing(path) as draft:
        write_tensor_file(draft, learner.tensors(), {RESUMED: text})


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    progress: Progress
    facts: Mapping[str, Any]
    ema_steps: int
    tensors: Mapping[str, Tensor]

    def into(self, learner: Learner) -> None:
        """Puts the state into a learner of the same kind."""
        try:
            learner.restore(self.tensors)
        except (LookupError, RuntimeError, ValueError) as error:
            raise WeightsError(f"{self.path}: need the state of this model, got another's: {error}") from error
        if learner.ema:
            learner.ema.steps = self.ema_steps


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a state.

    Raises:
        WeightsError: the file is damaged, or no state of a training.
    """
    try:
        texts, tensors = read_tensor_file(path, "the state of a training")
        known = _in_todays_words(json.loads(texts[RESUMED]))
        tensors = {_todays_name(name): value for name, value in tensors.items()}
        return Checkpoint(path, _progress(known["place"]), known["facts"], _number(known["ema_steps"], int), tensors)
    except (OSError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"{path}: need the state of a training to resume from, got a damaged file: {error}"
        ) from error


def _progress(place: Mapping[str, Any]) -> Progress:
    """How far it says that it is, each fact of its kind: a text for a number would end the training much later."""
    found = Progress(**place)
    for name in ("epoch", "step", "best_epoch"):
        _number(getattr(found, name), int)
    for value in (found.lr, found.seconds, *found.sums.values(), *found.counts.values()):
        _number(value, float)
    if found.best is not None:
        _number(found.best, float)
    return found


def _number(value: Any, kind: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise TypeError(f"need a number, got {value!r:.80}")
    return value


def _in_todays_words(known: dict[str, Any]) -> dict[str, Any]:
    """What a file states, under today's names, whichever version wrote it."""
    progress, facts = _renamed(known["place"]), {part: _renamed(values) for part, values in known["facts"].items()}
    progress["rows"] = [{_todays_name(name): value for name, value in row.items()} for row in progress["rows"]]
    facts["task"] = task = facts.pop("lesson") if "lesson" in facts else facts["task"]
    match task.get("augmentation"):
        case [[_, _], int() | float() as ratio, _, _] as augmentation:  # it was one number, for both ends of the range
            augmentation[1] = [1 / ratio, ratio]
    steps = known["average_steps"] if "average_steps" in known else known["ema_steps"]
    return {"place": progress, "facts": facts, "ema_steps": steps}


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_NOW_CALLED.get(name, name): value for name, value in values.items()}


def _todays_name(name: str) -> str:
    """Today's name of a metric or a tensor: `loss_class` was `cost_class`, `ema.weight` was `average.weight`."""
    for before, now in (("cost_", "loss_"), ("average.", "ema.")):
        if name.startswith(before):
            return now + name.removeprefix(before)
    return _NOW_CALLED.get(name, name)


def _fill(model: nn.Module, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    for name, value in model.state_dict().items():
        value.copy_(tensors[prefix + name])
