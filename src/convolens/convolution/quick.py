"""Tiny problems without the planning: a call like an earlier one finds its recipe by one look-up.

Filtering 64 × 64 samples by 3 × 3 takes three microseconds; checking, arranging and planning it would take fifty.
Where the plan depends on nothing but the arguments' shapes, dtypes and words, it is remembered under these.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution.arrange import Arrangement
from convolens.convolution.extend import core_maps
from convolens.convolution.planner import plan_for
from convolens.convolution.spec import Shape
from convolens.convolution.windows import depends_on_shapes_only, specify

# Recipes kept, and samples along their axes (8 bytes each in a recipe's maps); when there are more, the table starts
# anew.
_MOST = 1024
_LONGEST = 1 << 14


@dataclass(frozen=True, slots=True)
class Recipe:
    """A direct convolution in which only the arrays' values are open."""

    turn: tuple[slice, ...]
    sizes: Shape
    shape: Shape
    dtype: np.dtype[Any]
    maps: _core.Maps
    fill: Any

    def run(self, x: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
        """The result."""
        out = np.empty(self.shape, self.dtype)
        weights = np.ascontiguousarray(kernel[self.turn]).reshape(self.sizes)
        _core.correlate_direct(x, weights, out, self.maps, self.fill)
        return out


_recipes: dict[Any, Recipe] = {}


def key_of(x: Any, kernel: Any, fill_value: Any, *words: Any) -> Any:
    """What the recipe of such a call is kept under; None where it can have none."""
    if type(x) is np.ndarray and type(kernel) is np.ndarray and x.flags.c_contiguous and x.flags.aligned:
        return (x.shape, x.dtype, kernel.shape, kernel.dtype, fill_value, type(fill_value), *words)
    return None


def find(key: Any) -> Recipe | None:
    """The recipe of a call like this one, if there is one."""
    try:
        return _recipes.get(key)
    except TypeError:  # a word that cannot be hashed: what is wrong with it is said where it is used
        return None


def keep(key: Any, x: NDArray[Any], kernel: NDArray[Any], arranged: Arrangement, *, flip: bool) -> None:
    """Keeps the recipe of a call that went the whole way, where later ones need not."""
    if key is None or kernel.dtype.kind not in "fc" or arranged.order != tuple(range(kernel.ndim)):
        return
    spec = specify(x, arranged.weights(kernel, flip=flip), arranged.window)
    as_it_is = spec.source == x.dtype and spec.dtype == kernel.dtype and kernel.dtype.isnative
    if not as_it_is or spec.size == 0 or sum(spec.extended) > _LONGEST:
        return
    if not depends_on_shapes_only(spec, "auto") or plan_for(spec).method != "direct":
        return
    if len(_recipes) >= _MOST:
        _recipes.clear()
    turn = (slice(None, None, -1 if flip else 1),) * kernel.ndim
    recipe = Recipe(turn, spec.kernel, spec.out, spec.dtype, core_maps(spec), arranged.window.fill)
    with suppress(TypeError):  # axes in a list are fine, but no key
        _recipes[key] = recipe
