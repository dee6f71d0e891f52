"""A fused convolution whose weights stay, as a layer of a fused network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convolens.layers import core, methods
from convolens.layers.fusion.convolution import FusedConvolution, Recipe
from convolens.layers.fusion.parse import is_convolution
from convolens.layers.fusion.pooling import Pool
from convolens.layers.planner import Method
from convolens.settings import precision


class Convolution(nn.Module):
    """A fused convolution as a module of a network whose weights stay: they are packed when a size first needs it.

    Attributes:
        made: how often its weights have been replaced.
    """

    def __init__(self, layer: nn.Conv2d, *, relu: bool = False, pool: Pool | None = None) -> None:
        super().__init__()
        self.layer, self.op = layer, FusedConvolution(layer, relu=relu, pool=pool)
        self._padded_by_core = is_convolution(layer)
        self._packed: dict[tuple[Method, str], Tensor | None] = {}
        self._recipes: dict[tuple[torch.Size, str, str], Recipe | None] = {}
        self.made = 0

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

    @property
    def kept(self) -> list[Tensor | None]:
        """Its weights in the orders in which they have been needed."""
        return list(self._packed.values())

    def _forget(self) -> None:
        self.made += 1
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
