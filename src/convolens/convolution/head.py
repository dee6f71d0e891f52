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
_MIN_OUTPUTS = 512  # of a line at once: the core sums fewer than its tiles in another order (`direct.cpp`: folded)
_MOST_CHANNELS = 8  # that are done one by one
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
        return int(self.weights.shape[-1]) - 1 + self._outputs(0)

    def convolved(self, line: DelayLine, count: int) -> NDArray[Any]:
        """The outputs of the line's latest samples."""
        outputs = self._outputs(count)
        known = line.latest(self.weights.shape[-1] - 1 + outputs)
        if known.ndim != 2 or known.shape[0] > _MOST_CHANNELS or self.window.before != (0, 0) or not self._is_line:
            return self._computed(known)[..., outputs - count :]
        # One after another: together they wake the core's threads, which takes longer than they do.
        return np.concatenate([self._computed(channel[None]) for channel in known])[:, outputs - count :]

    def _outputs(self, count: int) -> int:
        """How many are computed, so that each is summed in the same order whatever the count."""
        return max(count, _MIN_OUTPUTS) if self._is_line else count

    @property
    def _is_line(self) -> bool:
        return self.weights.size == self.weights.shape[-1] and self.method == "direct"

    def _computed(self, known: NDArray[Any]) -> NDArray[Any]:
        known = np.ascontiguousarray(known)  # several channels lie apart in the delay line
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
