"""What a task brings to the training loop. The loop knows nothing of classes or boxes; a lesson nothing of epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

Example = dict[str, Tensor]  # one picture and what is to be learned of it
Batch = dict[str, Any]


@runtime_checkable
class Lesson(Protocol):
    """What is to be learned, and from what.

    Attributes:
        model: what learns; on its device, trained in place.
        goal: the name of the metric that says which model is best; the larger the better.
        count: how many pictures there are to learn from.
        validation_count: how many there are to measure on.
    """

    @property
    def model(self) -> nn.Module:
        """What learns."""

    @property
    def goal(self) -> str:
        """The metric to go by."""

    @property
    def count(self) -> int:
        """Of pictures to learn from."""

    @property
    def validation_count(self) -> int:
        """Of pictures to measure on."""

    def layers(self) -> Sequence[nn.Module]:
        """The parts of the model whose learning rate falls towards the input, first to last."""

    def learning(self) -> None:
        """Puts the model into training mode, but for what stays as it is."""

    def example(self, number: int, generator: np.random.Generator) -> Example | None:
        """One picture to learn from, as it is shown this time; None if it cannot be used. Called in threads."""

    def name_of(self, number: int) -> str:
        """What to call a picture in a message."""

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Examples as one batch, on the CPU."""

    def prepare(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """What is done to a whole batch on the model's device before it is learned from: colours, mixing."""

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """What each part of the loss is a mean over: pictures, objects, …; of this batch."""

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The parts of the loss, weighted and summed over the batch, not divided: under the names of `counts`."""

    def measure(self, model: nn.Module) -> dict[str, float]:
        """The model on the validation pictures; in evaluation mode."""

    def save(self, model: nn.Module, path: Any, metrics: Mapping[str, float]) -> None:
        """Writes a model as the file that users load."""

    def facts(self) -> dict[str, Any]:
        """What must be the same for a run to be taken up again: trunk, taps, classes, data, in plain values."""


def stacked(examples: Sequence[Example]) -> Batch:
    """Examples of one shape, side by side."""
    return {name: torch.stack([one[name] for one in examples]) for name in examples[0]}
