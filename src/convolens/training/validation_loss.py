"""The loss on validation pictures: where it rises while that of training falls, the model overfits.

It costs a pass through the network, and is taken over a few pictures, evenly drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np
from torch import Tensor, nn

from convolens.distributed import current_world
from convolens.models.inputs import evaluating
from convolens.training.task import Objective, TrainingSet

MOST = 128  # pictures: enough for a curve
BATCH = 8


def validation_loss(validation_set: TrainingSet, objective: Objective, model: nn.Module) -> float:
    """Measures the mean loss of a model.

    Args:
        validation_set: the validation pictures, unchanged.
        objective: what is minimized.
        model: what is measured.
    """
    device = next(model.parameters()).device
    generator = np.random.default_rng(0)
    count = len(validation_set)
    numbers = np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int))
    world = current_world()
    mine = numbers[world.part(len(numbers), BATCH)]
    found: list[tuple[dict[str, float], dict[str, float]]] = []  # of each batch: the loss by part, and its counts
    with evaluating(model):
        for start in range(0, len(mine), BATCH):
            read = [validation_set.sample(int(number), generator) for number in mine[start : start + BATCH]]
            samples = [one for one in read if one is not None]
            if not samples:
                continue
            moved = {
                name: value.to(device) if isinstance(value, Tensor) else value
                for name, value in validation_set.collate(samples).items()
            }
            batch = objective.prepare(moved, generator)
            losses = {name: float(term) for name, term in objective.losses(model, batch).items()}
            found.append((losses, dict(objective.counts(batch))))
    every = list(chain.from_iterable(world.gathered(found)))
    sums, counts = _added(losses for losses, _ in every), _added(counted for _, counted in every)
    return sum(total / max(counts[name], 1.0) for name, total in sums.items())


def _added(several: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Adds up numbers by name, in order, so that it is the same sum whoever found which."""
    total: dict[str, float] = {}
    for one in several:
        for name, value in one.items():
            total[name] = total.get(name, 0.0) + value
    return total
