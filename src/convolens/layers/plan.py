"""How a convolution layer would be computed, and why not otherwise: what `cl.plan` says of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from convolens.layers import methods
from convolens.layers.geometry import Geometry
from convolens.layers.methods import Method
from convolens.settings import precision

# Largest error against float64, of the largest output: as promised for "fast" and "exact"; tests hold them to less.
ERRORS: dict[Method, float] = {"winograd4": 5e-5, "winograd2": 5e-6, "depthwise": 5e-6, "patches": 5e-6, "torch": 5e-6}


@dataclass(frozen=True)
class LayerCost:
    """What one way of computing a layer needs: multiplications, and bytes of weights in the form it reads."""

    multiplications: int
    memory: int
    error: float


@dataclass(frozen=True)
class LayerPlan:
    """The recipe for a layer on one size of input.

    Attributes:
        geometry: the layer's sizes.
        method: how it is computed.
        refusals: for each method, why it is not taken; None where it could be.
    """

    geometry: Geometry
    method: Method
    refusals: dict[Method, str | None]

    @property
    def cost(self) -> LayerCost:
        """What the chosen method needs."""
        return cost_of(self.method, self.geometry)

    def explain(self) -> str:
        """A table of all methods: multiplications, weights, bound of the error, or why not."""
        lines = [f"{'method':<14}{'10⁶ products':>14}{'weights MB':>12}{'error bound':>13}"]
        for method, refusal in self.refusals.items():
            mark = "*" if method == self.method else " "
            if refusal is not None:
                lines.append(f"{mark} {method:<12}not taken: {refusal}")
                continue
            cost = cost_of(method, self.geometry)
            figures = f"{cost.multiplications / 1e6:>14.2f}{cost.memory / 1e6:>12.2f}{cost.error:>13.1e}"
            lines.append(f"{mark} {method:<12}{figures}")
        return "\n".join(lines)


def layer_plan(geometry: Geometry, *, by_core: bool, channels_last: bool, learning: bool) -> LayerPlan:
    """The plan of a layer as it stands, with nothing following.

    Args:
        geometry: its sizes.
        by_core: whether the core can read its input and weights: float32 on the CPU.
        channels_last: whether its input lies so.
        learning: whether its weights are being learned.
    """
    mode = precision()
    refusals: dict[Method, str | None] = {
        method: methods.refusal(method, geometry, channels_last=channels_last, learning=learning, mode=mode)
        for method in methods.METHODS
    }
    if not by_core:
        refusals |= dict.fromkeys(methods.METHODS[:-1], "need float32 on the CPU")
    return LayerPlan(geometry, next(method for method, why in refusals.items() if why is None), refusals)


def cost_of(method: Method, geometry: Geometry) -> LayerCost:
    """Multiplications and bytes of one method; its additions and what it moves are not counted."""
    products, weights = prod(geometry.y_shape) * prod(geometry.weight_shape[1:]), prod(geometry.weight_shape)
    if method in ("winograd4", "winograd2"):
        tile = methods.tile_of(method)
        n, _, height, width = geometry.y_shape
        weights = weights // 9 * (tile + 2) ** 2
        products = n * ceil(height / tile) * ceil(width / tile) * weights
    return LayerCost(products, 4 * weights, ERRORS[method])
