"""The exponential moving average of a model's weights, which is steadier than the weights of any one step.

Polyak & Juditsky, 1992; with a decay, as in Tarvainen & Valpola, "Mean teachers", 2017.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class ExponentialMovingAverage:
    """A model whose weights follow another's: `mean ← decay · mean + (1 - decay) · weights`.

    In the first steps the decay is less, (1 + steps) / (10 + steps), so that the start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Takes in the model's weights after a step, and its batch norms' statistics."""
        self.steps += 1
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        mine, theirs = self.model.state_dict(), model.state_dict()
        floats = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in floats], [theirs[name] for name in floats], weight)
        for name in mine.keys() - set(floats):
            mine[name].copy_(theirs[name])
