"""A stream's first weights under its latest samples, by a method whose sums do not depend on how many are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.delay_line import DelayLine
from convolens.convolution.extend import core_maps
from convolens.convolution.quick import Recipe
from convolens.convolution.spec import Shape, Spec, Window
from convolens.convolution.windows import execute, planned

_RECIPES = 32  # for numbers of samples that came; when there are more, the table starts anew
_LONG = 1 << 14  # samples, from which a recipe's maps would be large


@dataclass
class Head:
    """A canonical kernel whose last weight meets the latest sample."""

    weights: NDArray[Any]
    window: Window
    method: str
    recipes: dict[Shape, Recipe] = field(default_factory=dict)

    @classmethod
    def of(cls, weights: NDArray[Any], window: Window) -> Head:
        """By the definition, or by the nonzeros alone where they are few."""
        return cls(weights, window, "sparse" if 2 * np.count_nonzero(weights) <= weights.size else "direct")

    def __getstate__(self) -> dict[str, Any]:  # recipes hold maps of the core, which are made again
        return {**self.__dict__, "recipes": {}}

    @property
    def reach(self) -> int:
        """Samples that must be kept."""
        return int(self.weights.shape[-1]) - 1

    def convolved(self, line: DelayLine, count: int) -> NDArray[Any]:
        """The outputs of the line's latest samples."""
        known = np.ascontiguousarray(line.latest(self.reach + count))  # several channels lie apart in the delay line
        recipe = self.recipes.get(known.shape)
        if recipe is not None:
            return recipe.run(known, self.weights)
        plan = planned(known, self.weights, self.window, self.method)
        self._keep(plan.problem, known)
        return execute(plan, known, self.weights, self.window, local=True)

    def _keep(self, spec: Spec, known: NDArray[Any]) -> None:
        short = spec.size > 0 and sum(spec.extended) <= _LONG
        if self.method != "direct" or spec.exact or not short:
            return
        if len(self.recipes) >= _RECIPES:
            self.recipes.clear()
        self.recipes[known.shape] = Recipe(
            (), spec.kernel_shape, spec.out, spec.dtype, core_maps(spec), self.window.fill
        )
