"""A fused network: its convolutions, and what runs it.

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

from convolens.layers import core, methods
from convolens.layers.fusion.convolution import FusedConvolution, Recipe
from convolens.layers.fusion.parse import is_convolution
from convolens.layers.fusion.pooling import Pool
from convolens.layers.planner import Method
from convolens.layers.pool import MaxPool2d
from convolens.settings import precision


class Convolution(nn.Module):
    """A fused convolution as a module of a network whose weights stay: they are packed when a size first needs it."""

    def __init__(self, layer: nn.Conv2d, *, relu: bool = False, pool: Pool | None = None) -> None:
        super().__init__()
        self.layer, self.op = layer, FusedConvolution(layer, relu=relu, pool=pool)
        self._padded_by_core = is_convolution(layer)
        self._packed: dict[tuple[Method, str], Tensor | None] = {}
        self._recipes: dict[tuple[torch.Size, str, str], Recipe | None] = {}

    def forward(self, x: Tensor, residual: Tensor | None = None, *, over_residual: bool = False) -> Tensor:
        """ReLU(convolution + residual), pooled, each part where it is wanted; over the residual if so asked."""
        recipe = self._recipe_for(x)
        if recipe is None or (residual is not None and not self._adds(residual, recipe)):
            return self._by_layers(x, residual)
        out, packed = residual if over_residual else None, self._packed_for(recipe.method)
        return self.op.run(recipe, x, residual, out=out, packed=packed)

    def _recipe_for(self, x: Tensor) -> Recipe | None:
        """How it is done on an input like x, kept for each size, as weights stay; None where layers do it."""
        if not core.runs_on(x):
            return None
        key = x.shape, precision(), core.instruction_set()
        if key not in self._recipes:
            able = self._padded_by_core and self.op.is_read_by_core() and x.dim() == 4 and x.numel()
            self._recipes[key] = self.op.recipe(x) if able else None
        return self._recipes[key]

    def _adds(self, residual: Tensor, recipe: Recipe) -> bool:
        return core.runs_on(residual) and residual.shape == recipe.geometry.y_shape

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self._forget()  # the weights are about to be others
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def _forget(self) -> None:
        self._packed.clear()
        self._recipes.clear()

    def _packed_for(self, method: Method) -> Tensor | None:
        if method == "torch":
            return None
        key = method, core.instruction_set()
        if key not in self._packed:
            self._packed[key] = methods.packed_for(method, self.layer.weight)
        return self._packed[key]

    def _by_layers(self, x: Tensor, residual: Tensor | None) -> Tensor:
        """The same by torch's operators: on other devices, in other dtypes, with other padding, broadcast."""
        x = x.contiguous(memory_format=core.LAST) if x.dim() == 4 else x
        y = self.op.with_epilogue(self.layer(x), residual)
        return y if self.op.pool is None else self.op.pool.by_operators(y)


class Fused(nn.Module):
    """A traced network, run as fx writes it in Python: each value is released after the last node that reads it."""

    def __init__(self, layers: fx.GraphModule) -> None:
        super().__init__()
        self.layers = layers
        order = {node: at for at, node in enumerate(layers.graph.nodes)}
        for node in order:
            if _may_overwrite(layers, node, order):
                node.update_kwarg("over_residual", True)
        layers.recompile()

    @torch.no_grad()
    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the network gives; maps come in the order of the first input."""
        first = next(iter((*inputs, *named.values())))
        found = self.layers.forward(*inputs, **named)
        return (
            _in_order_of(first, found) if isinstance(found, Tensor) else tree_map(partial(_in_order_of, first), found)
        )


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
