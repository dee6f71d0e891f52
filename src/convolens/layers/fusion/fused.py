"""A fused network: what runs it.

Maps lie channels-last in pooled memory (`core.pooled_memory`); a sum with a shortcut is written over the shortcut's map
where nothing reads that later.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_map

from convolens.layers import core
from convolens.layers.fusion.kept import Convolution
from convolens.layers.fusion.row import Row
from convolens.layers.pool import MaxPool2d


class Fused(nn.Module):
    """A traced network, run as fx writes it in Python: each value is released after the last node that reads it.

    What it begins with is repeated by the core (`row`), where it takes one map.
    """

    def __init__(self, layers: fx.GraphModule) -> None:
        super().__init__()
        self.layers = layers
        order = {node: at for at, node in enumerate(layers.graph.nodes)}
        for node in order:
            if _may_overwrite(layers, node, order):
                node.update_kwarg("over_residual", True)
        layers.recompile()
        self._row: Row | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_row": None}  # made anew of a copy's own layers

    @torch.no_grad()
    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the network gives; maps come in the order of the first input."""
        first = next(iter((*inputs, *named.values())))
        found = self._run(first) if len(inputs) == 1 and not named else self.layers.forward(*inputs, **named)
        return (
            _in_order_of(first, found) if isinstance(found, Tensor) else tree_map(partial(_in_order_of, first), found)
        )

    def _run(self, x: Any) -> Any:
        row = vars(self).get("_row")  # there is none in what an earlier version pickled
        if row is None or not row.is_of(self.layers):
            row = self._row = Row(self.layers)
        values = row(x) if isinstance(x, Tensor) and row.is_worth_it else None
        return self.layers.forward(x) if values is None else row.after(values)


def _in_order_of(x: Any, value: Any) -> Any:
    """A map in x's order in memory; anything else as it is."""
    if isinstance(value, Tensor) and value.dim() == 4 and isinstance(x, Tensor) and x.dim() == 4:
        return core.like(value, x)
    return value


def _may_overwrite(layers: fx.GraphModule, node: fx.Node, order: Mapping[fx.Node, int]) -> bool:
    """Whether a convolution may write its sum over its residual: a map of a convolution's own that it reads last.

    All that reads the map must give memory of its own, or something alive could be a view of it.
    """
    if node.op != "call_module" or len(node.args) != 2 or not isinstance(node.args[1], fx.Node):
        return False
    residual = node.args[1]
    return (
        residual is not node.args[0]
        and all(order[reader] <= order[node] for reader in residual.users)
        and all(_gives_its_own(layers, one) for one in (residual, *residual.users))
    )


def _gives_its_own(layers: fx.GraphModule, node: fx.Node) -> bool:
    own = (Convolution, MaxPool2d)
    return node.op == "call_module" and isinstance(layers.get_submodule(str(node.target)), own)
