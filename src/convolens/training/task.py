"""What a task brings to the training loop. The loop knows nothing of classes or boxes; a task nothing of epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

Sample = dict[str, Tensor]  # one picture as the network sees it this time, and what is to be learned of it
Batch = dict[str, Any]


@runtime_checkable
class TrainingSet(Protocol):
    """What is learned from."""

    def __len__(self) -> int:
        """How many pictures there are."""

    def name(self, number: int) -> str:
        """What to call a picture in a message."""

    def sample(self, number: int, generator: np.random.Generator) -> Sample | None:
        """A picture as it is seen this time; None if it cannot be used. Called in threads."""

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Samples as one batch, on the CPU."""


@runtime_checkable
class Objective(Protocol):
    """What is minimized."""

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """What is done to a whole batch on the model's device before it is learned from: colors, mixing, matching."""

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """What each part of the loss is a mean over: pictures, objects, …; of this batch."""

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The parts of the loss, weighted and summed over the batch, not divided: under the names of `counts`."""


@runtime_checkable
class Trainable(Protocol):
    """Which part of a model is trained."""

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The parts of the model whose learning rate falls towards the input, first to last."""

    def train(self, model: nn.Module) -> None:
        """Puts the model into training mode, but for what stays as it is."""


@dataclass(frozen=True)
class TrainingTask:
    """What is to be learned, and from what.

    Attributes:
        model: what learns; on its device, trained in place.
        trainable: which part of it.
        training_set: what it learns from.
        objective: what is minimized.
        validation_count: how many pictures there are to measure on.
        monitored: the name of the metric that says which model is best; the larger the better.
        measure: a model in evaluation mode → its metrics on the validation set.
        save: writes a model, with its metrics, as the file that users load.
        facts: what must be the same for a run to be resumed: trunk, taps, classes, data, in plain values.
    """

    model: nn.Module
    trainable: Trainable
    training_set: TrainingSet
    objective: Objective
    validation_count: int
    monitored: str
    measure: Callable[[nn.Module], dict[str, float]]
    save: Callable[[nn.Module, Path, Mapping[str, float]], None]
    facts: Mapping[str, Any]


def stacked(samples: Sequence[Sample]) -> Batch:
    """Samples of one shape, side by side."""
    return {name: torch.stack([one[name] for one in samples]) for name in samples[0]}
