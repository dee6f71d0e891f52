"""The loss on validation pictures: where it rises while that of training falls, pictures are learned by heart.

It costs a pass through the network, and is taken over a few pictures, evenly drawn.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from convolens.models.inputs import evaluating
from convolens.training.lesson import Lesson

MOST = 128  # pictures: enough for a curve
BATCH = 8


def validation_loss(lesson: Lesson, model: nn.Module) -> float:
    """The mean loss of a model.

    Args:
        lesson: the task on the validation pictures, shown as they are.
        model: what is measured.
    """
    device = next(model.parameters()).device
    generator = np.random.default_rng(0)
    numbers = np.unique(np.linspace(0, lesson.count - 1, min(lesson.count, MOST)).round().astype(int))
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    with evaluating(model):
        for start in range(0, len(numbers), BATCH):
            read = [lesson.example(int(number), generator) for number in numbers[start : start + BATCH]]
            examples = [one for one in read if one is not None]
            if not examples:
                continue
            moved = {
                name: value.to(device) if isinstance(value, Tensor) else value
                for name, value in lesson.collate(examples).items()
            }
            batch = lesson.prepare(moved, generator)
            for name, term in lesson.losses(model, batch).items():
                sums[name] = sums.get(name, 0.0) + float(term)
            for name, count in lesson.counts(batch).items():
                counts[name] = counts.get(name, 0.0) + count
    return sum(total / max(counts[name], 1.0) for name, total in sums.items())
