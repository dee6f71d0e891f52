"""The loss on validation pictures: where it rises while that of training falls, the model overfits.

It costs a pass through the network, and is taken over a few pictures, evenly drawn.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

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
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    with evaluating(model):
        for start in range(0, len(numbers), BATCH):
            read = [validation_set.sample(int(number), generator) for number in numbers[start : start + BATCH]]
            samples = [one for one in read if one is not None]
            if not samples:
                continue
            moved = {
                name: value.to(device) if isinstance(value, Tensor) else value
                for name, value in validation_set.collate(samples).items()
            }
            batch = objective.prepare(moved, generator)
            for name, term in objective.losses(model, batch).items():
                sums[name] = sums.get(name, 0.0) + float(term)
            for name, number in objective.counts(batch).items():
                counts[name] = counts.get(name, 0.0) + number
    return sum(total / max(counts[name], 1.0) for name, total in sums.items())
