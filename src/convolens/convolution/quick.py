"""Tiny problems without the planning: a call like an earlier one finds its recipe by one look-up.

Filtering 64 × 64 samples by 3 × 3 takes three microseconds; checking, arranging and planning it would take fifty.
Where the plan depends on nothing but the arguments' shapes, dtypes and options, it is remembered under these.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution.arrange import Arrangement, Asked
from convolens.convolution.extend import core_maps
from convolens.convolution.spec import Shape, Spec
from convolens.convolution.windows import depends_on_shapes_only
from convolens.planning import Plan

# Recipes kept, and samples along their axes (8 bytes each in a recipe's maps); when there are more, the table starts
# anew.
_MAX_RECIPES = 1024
_MAX_SAMPLES = 1 << 14

# The bits of NumPy's flags of an array that is C-contiguous and aligned.
_PLAIN = 0x101


@dataclass(frozen=True, slots=True)
class Recipe:
    """A direct convolution in which only the arrays' values are open; `flip` flips the kernel, where it is flipped."""

    flip: tuple[slice, ...]
    sizes: Shape
    shape: Shape
    dtype: np.dtype[Any]
    maps: _core.Maps
    fill: Any

    def run(self, x: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
        """The result."""
        out = np.empty(self.shape, self.dtype)
        if self.flip:
            flipped = kernel[self.flip].copy()
        else:
            flipped = kernel if kernel.flags.num & _PLAIN == _PLAIN else kernel.copy()
        if kernel.ndim != x.ndim:
            flipped = flipped.reshape(self.sizes)
        _core.correlate_direct(x, flipped, out, self.maps, self.fill)
        return out


_recipes: dict[Any, Recipe] = {}


def find(x: Any, kernel: Any, asked: Asked) -> Recipe | None:
    """The recipe of a call like this one, if there is one."""
    if type(x) is not np.ndarray or type(kernel) is not np.ndarray or x.flags.num & _PLAIN != _PLAIN:
        return None
    try:
        return _recipes.get((x.shape, x.dtype, kernel.shape, kernel.dtype, type(asked.fill_value), asked))
    except TypeError:  # an option that cannot be hashed: the error is raised where it is used
        return None


def keep(plan: Plan, arranged: Arrangement, x: Any, kernel: Any, asked: Asked) -> None:
    """Keeps the recipe of a call that was planned, where later ones need not be."""
    if not _same_for_all(plan) or not (type(x) is type(kernel) is np.ndarray and x.flags.num & _PLAIN == _PLAIN):
        return
    spec: Spec = plan.problem
    as_they_are = spec.source == x.dtype and spec.dtype == kernel.dtype and kernel.dtype.isnative
    if not as_they_are or kernel.dtype.kind not in "fc" or not arranged.in_order:
        return
    if len(_recipes) >= _MAX_RECIPES:
        _recipes.clear()
    flip = arranged.reversal if asked.flip else ()
    recipe = Recipe(flip, spec.kernel_shape, spec.out, spec.dtype, core_maps(spec), arranged.window.fill)
    with suppress(TypeError):  # axes in a list are fine, but no key
        _recipes[x.shape, x.dtype, kernel.shape, kernel.dtype, type(asked.fill_value), asked] = recipe


def _same_for_all(plan: Plan) -> bool:
    """Whether the plan is the direct method's for all arrays of these shapes, and short enough for a recipe."""
    spec: Spec = plan.problem
    short = spec.size > 0 and sum(spec.extended) <= _MAX_SAMPLES
    return short and plan.method == "direct" and depends_on_shapes_only(spec)
