"""What turns gradients into steps, and which of a model's parameters move how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
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

    Each group has `share`, what its rate is of the highest: layer_decay for the last of `layers`, its square for the
    one before, and so on; 1 for whatever belongs to none, such as the head.

    Args:
        model: whose parameters are to move.
        layers: those whose rate falls, first to last.
        name: one of `OPTIMIZERS`.
        momentum: of past gradients.
        weight_decay: of weights; biases, norms and other vectors have none.
        layer_decay: see above.
    """
    groups = []
    for share, parameters in _by_share(model, layers, layer_decay):
        for decayed in (True, False):
            chosen = [value for value in parameters if (value.dim() > 1) == decayed]
            if chosen:
                groups.append({"params": chosen, "share": share, "weight_decay": weight_decay if decayed else 0.0})
    return OPTIMIZERS[name](groups, momentum)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Sets every group's learning rate, by its share."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["share"]


def _by_share(
    model: nn.Module, layers: Sequence[nn.Module], layer_decay: float
) -> Iterator[tuple[float, list[nn.Parameter]]]:
    taken: set[int] = set()
    for number, layer in enumerate(layers):
        mine = _moving(layer.parameters(), taken)
        yield layer_decay ** (len(layers) - number), mine
    yield 1.0, _moving(model.parameters(), taken)


def _moving(parameters: Iterable[Tensor], taken: set[int]) -> list[nn.Parameter]:
    """Those that need gradients and are in no earlier group."""
    found = [value for value in parameters if value.requires_grad and id(value) not in taken]
    taken.update(id(value) for value in found)
    return found  # type: ignore[return-value]


def _sgd(groups: list[dict[str, Any]], momentum: float) -> Optimizer:
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=momentum > 0)


def _adamw(groups: list[dict[str, Any]], momentum: float) -> Optimizer:
    return torch.optim.AdamW(groups, lr=0.0, betas=(momentum, SECOND_BETA), fused=True)  # one pass over the weights


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], float], Optimizer]] = {"adamw": _adamw, "sgd": _sgd}
