"""How many threads a training computes with: one, where a step is too small to be worth sharing.

Threads wait for one another after every layer. Of a small network a layer takes a fraction of a millisecond, less than
a core that is busy otherwise keeps a thread waiting: beside a program that kept one of two cores busy, a step of a
ResNet18 at a quarter of its width took 63 ms by two threads and 36 by one (23 and 27 at rest). The choice depends on
sizes alone, never on a measured time, so that a run is the same again on the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from math import prod
from typing import Any

import torch
from torch import nn

from convolens.models.inputs import in_evaluation_mode
from convolens.settings import threads
from convolens.training.loader import batch_generator, minibatches
from convolens.training.task import TrainingTask

WORTH_SHARING = 1_000_000_000  # multiplications of a forward pass: some 0.1 s of one core, with the backward pass
TRIED = 8  # pictures, until one can be used


@contextmanager
def threads_for(task: TrainingTask, batch: int) -> Iterator[None]:
    """Computes with one thread if a step on `batch` pictures is small and runs on the CPU; else as many as before."""
    before = threads(), torch.get_num_threads()
    if next(task.model.parameters()).device.type != "cpu" or max(before) == 1 or worth_sharing(task, batch):
        yield
        return
    threads(1)
    try:
        yield
    finally:
        threads(before[0])
        torch.set_num_threads(before[1])


def worth_sharing(task: TrainingTask, batch: int) -> bool:
    """Whether a step has work for several threads; of weights alone if there are that many."""
    weights = sum(value.numel() for value in task.model.parameters())  # each is used at least once a picture
    return batch * weights >= WORTH_SHARING or batch * multiplications(task) >= WORTH_SHARING


def multiplications(task: TrainingTask) -> int:
    """Counts those of a forward pass on one picture, of convolutions and dense layers; 0 if no picture can be used."""
    numbers = [[number] for number in range(min(len(task.training_set), TRIED))]
    found = (one.samples for one in minibatches(task.training_set, numbers, 0, 0, 0, 1) if one.samples)
    for samples in islice(found, 1):
        return _counted(task, task.training_set.collate(samples))
    return 0


def _counted(task: TrainingTask, batch: Any) -> int:
    found = [0]

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        weight: Any = layer.weight
        found[0] += output.numel() * prod(weight.shape[1:])

    layers = [layer for layer in task.model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with in_evaluation_mode(task.model), torch.no_grad():  # batch norms must not see the picture
            task.objective.losses(task.model, task.objective.prepare(batch, batch_generator(0, 0, 0)))
    finally:
        for hook in hooks:
            hook.remove()
    return found[0]
