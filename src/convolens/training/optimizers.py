"""What turns gradients into steps, and which of a model's parameters move how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

SECOND_BETA = 0.999


def optimizer_for(
    model: nn.Module,
    layers: Sequence[nn.Module],
    *,
    name: str,
    momentum: float,
    weight_decay: float,
    layer_decay: float,
) -> Optimizer:
    """An optimizer of the model's parameters that need gradients.

    Each group has `fraction`, what its learning rate is of the highest: layer_decay for the last of `layers`, its
    square for the one before, and so on; 1 for whatever belongs to none, such as the head.

    Args:
        model: whose parameters are to move.
        layers: those whose learning rate falls, first to last.
        name: one of `OPTIMIZERS`.
        momentum: of past gradients.
        weight_decay: of weights; biases, norms and other vectors have none.
        layer_decay: see above.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for number, parameters in enumerate(moving_parameters(model, layers)):
        for value in parameters:
            groups.setdefault((layer_decay ** (len(layers) - number), value.dim() > 1), []).append(value)
    settings = [
        {"params": values, "fraction": fraction, "weight_decay": weight_decay if decays else 0.0}
        for (fraction, decays), values in groups.items()
    ]
    return OPTIMIZERS[name](settings, momentum)


def moving_parameters(model: nn.Module, layers: Sequence[nn.Module]) -> list[list[nn.Parameter]]:
    """A model's parameters that need gradients: those of each layer, and last those of none; of each, vectors last.

    In this order they are numbered in the states of trainings, however an optimizer groups them.
    """
    taken: set[int] = set()
    found = []
    for part in (*layers, model):
        own = [value for value in part.parameters() if value.requires_grad and id(value) not in taken]
        taken.update(map(id, own))
        found.append(sorted(own, key=lambda value: value.dim() <= 1))
    return found


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Sets every group's learning rate, by its fraction of the highest."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["fraction"]


def _sgd(groups: list[dict[str, Any]], momentum: float) -> Optimizer:
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=momentum > 0)


def _adamw(groups: list[dict[str, Any]], momentum: float) -> Optimizer:
    return torch.optim.AdamW(groups, lr=0.0, betas=(momentum, SECOND_BETA), fused=True)  # one pass over the weights


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], float], Optimizer]] = {"adamw": _adamw, "sgd": _sgd}
