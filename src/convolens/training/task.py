"""What a task brings to the training loop. The loop knows nothing of classes or boxes; a task nothing of epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

Sample = dict[str, Tensor]  # a view of one picture, and what is to be learned of it
Batch = dict[str, Any]


@runtime_checkable
class TrainingSet(Protocol):
    """What a model is trained on."""

    def __len__(self) -> int:
        """Returns how many pictures there are."""

    def name(self, number: int) -> str:
        """Returns what to call a picture in a message."""

    def sample(self, number: int, generator: np.random.Generator) -> Sample | None:
        """Draws a view of a picture; None if it cannot be used. Called in threads."""

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Makes one batch of samples, on the CPU."""


@runtime_checkable
class Objective(Protocol):
    """What is minimized."""

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Does to a whole batch, on the model's device, what precedes the network: colors, mixing, matching."""

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Counts what each part of the loss is a mean over in this batch: pictures, objects, …."""

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Returns the parts of the loss, weighted and summed over the batch, not divided, by the names of `counts`."""


@runtime_checkable
class Trainable(Protocol):
    """Which part of a model is trained."""

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The parts of the model whose learning rate falls towards the input, first to last."""

    def train(self, model: nn.Module) -> None:
        """Puts the model into training mode, but for what is not trained."""


@dataclass(frozen=True)
class TrainingTask:
    """What is trained, on what, and how it is measured.

    Attributes:
        model: what is trained, in place; on its device.
        trainable: which part of it.
        training_set: what it is trained on.
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


def has_live_norms(task: TrainingTask) -> bool:
    """Whether batch norms are trained: they take their statistics of each batch. Puts the model into training mode."""
    task.trainable.train(task.model)
    return any(isinstance(layer, nn.BatchNorm2d) and layer.training for layer in task.model.modules())


def least_batch(task: TrainingTask) -> int:
    """The fewest pictures that may go through the network at once: of one, a batch norm has no variance."""
    return 2 if has_live_norms(task) else 1


def stacked(samples: Sequence[Sample]) -> Batch:
    """Stacks samples of one shape."""
    return {name: torch.stack([one[name] for one in samples]) for name in samples[0]}
