"""A convolution with its epilogue, one operation under chains of layers and traced networks alike.

What follows a convolution (a batch norm that is not learning, the sum with a shortcut, a ReLU, max pooling by 2×2) is
done before its result leaves the cache; where torch must do it, each is a pass of its own. How a layer is done on one
size of input is a function of sizes alone, settled once (`Recipe`). A ReLU's backward needs one byte for each value:
whether it was above 0; and a convolution whose weights take no gradient needs nothing that it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad

from convolens.layers import core, methods, packing
from convolens.layers.fusion.pooling import Pool
from convolens.layers.geometry import Geometry, conv_geometry
from convolens.layers.levels import levels_of
from convolens.layers.planner import Method
from convolens.layers.trilinear import convolve_tensors
from convolens.settings import precision


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a convolution with its epilogue is done on one size of input.

    Attributes:
        geometry: of the input as it comes.
        read: of what the method reads: where it cannot repeat the edge itself, the input is padded before.
        method: how.
        trainable: whether its weights are being learned, so that what is made of them serves once.
        pools: whether the pooling that follows is done in the same pass.
        behind: the pooling that follows, where it is a pass of its own.
    """

    geometry: Geometry
    read: Geometry
    method: Method
    trainable: bool
    pools: bool
    behind: Pool | None


@lru_cache(maxsize=4096)  # the last arguments are what a choice depends on besides: precision and instruction set
def _recipe(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    window: Any,
    pool: Pool | None,
    trainable: bool,
    inference: bool,
    has_levels: bool,
    *_: str,
) -> Recipe:
    stride, padding, dilation, groups, edge = window
    geometry = conv_geometry(x_shape, weight_shape, stride, padding, dilation, groups)
    method = methods.choose(
        geometry, channels_last=True, epilogue=True, trainable=trainable, inference=inference, has_levels=has_levels
    )
    one_pass = methods.pools(method)  # Winograd's kernel: it also repeats the edge itself
    read = _unpadded(geometry) if edge and not one_pass else geometry
    pools = pool is not None and one_pass and pool.halves(geometry.y_shape)
    return Recipe(geometry, read, method, trainable, pools, None if pools else pool)


class FusedConvolution:
    """A convolution, and what follows it: a norm, the sum with a shortcut, a ReLU, pooling by windows side by side.

    Attributes:
        layer: whose weights, as they are at each call.
        norm: the batch norm behind it, in evaluation mode: a scale and a shift as its numbers are at each call.
        relu: whether a ReLU follows.
        pool: what follows that, if anything.
        edge: whether the layer sees the last pixels again past the border, instead of zeros.
    """

    def __init__(self, layer: nn.Conv2d, *, relu: bool, pool: Pool | None, norm: nn.BatchNorm2d | None = None) -> None:
        self.layer, self.norm, self.relu, self.pool = layer, norm, relu, pool
        self.edge = layer.padding_mode == "replicate"
        self._window = layer.stride, layer.padding, layer.dilation, layer.groups, self.edge

    @property
    def parameters(self) -> list[Tensor]:
        """Its weight, its bias where it has one, and its norm's."""
        found = [self.layer.weight, self.layer.bias]
        if self.norm is not None:
            found += [self.norm.weight, self.norm.bias]
        return [one for one in found if one is not None]

    @property
    def has_backward(self) -> bool:
        """Whether `backward` is all that there is to it: a norm's is torch's."""
        return self.norm is None

    @property
    def convolutions(self) -> tuple[FusedConvolution, ...]:
        """Itself."""
        return (self,)

    def is_read_by_core(self, *maps: Tensor) -> bool:
        """Whether the core can read these and the layer's own: what does not fit, the layer itself refuses."""
        weight, *others = parameters = self.parameters
        norm = self.norm
        statistics: list[Any] = [] if norm is None else [norm.running_mean, norm.running_var]
        vectors = (*others, *statistics)
        return core.runs_on(*maps, *parameters, *statistics) and all(one.shape == weight.shape[:1] for one in vectors)

    def __call__(self, x: Tensor) -> Tensor:
        """All of it, on a map that the core runs on, channels-last."""
        return self.run(self.recipe(x), x)

    def recipe(self, x: Tensor, *, trainable: bool = False, pooling: bool = True, inference: bool = True) -> Recipe:
        """How it is done on an input of x's size; without `pooling`, that is left for later."""
        weight, pool = self.layer.weight, self.pool if pooling else None
        state = precision(), core.instruction_set()
        has_levels = levels_of(self.layer) is not None
        return _recipe(x.shape, weight.shape, self._window, pool, trainable, inference, has_levels, *state)

    def run(
        self,
        recipe: Recipe,
        x: Tensor,
        residual: Tensor | None = None,
        *,
        out: Tensor | None = None,
        packed: Tensor | None = None,
    ) -> Tensor:
        """ReLU(convolution + residual), channels-last, and pooled if the recipe is with pooling.

        Args:
            recipe: for inputs of x's size.
            x: a map that the core runs on.
            residual: of the result's shape.
            out: where the result is written, if the core computes it; may be the residual's own memory.
            packed: the weights as the method reads them, where the caller keeps them; else they are looked up.
        """
        weight, bias, geometry = self.layer.weight, self.layer.bias, recipe.read
        repeats = self.edge and geometry is recipe.geometry
        x = (_padded(x, recipe.geometry) if self.edge and not repeats else x).contiguous(memory_format=core.LAST)
        scale, shift = (None, bias) if self.norm is None else packing.folded_norm(self.norm, bias)
        epilogue = core.Epilogue(shift, residual, self.relu, recipe.pools, out, scale)
        levels = levels_of(self.layer)
        if packed is not None:
            y: Tensor | None = methods.by_core(
                recipe.method, x, weight, geometry, epilogue, packed, edge=repeats, levels=levels
            )
        else:
            y = methods.with_epilogue(
                recipe.method, x, weight, geometry, epilogue, trainable=recipe.trainable, edge=repeats, levels=levels
            )
        if y is None:
            y = self.with_epilogue(methods.torch_output(x, weight, bias, geometry), residual)
            y = y.contiguous(memory_format=core.LAST)
        return y if recipe.behind is None else recipe.behind(y)

    def with_epilogue(self, y: Tensor, residual: Tensor | None) -> Tensor:
        """What follows the layer's own output, but for pooling: each a pass of its own, over `y` where it can be."""
        if self.norm is not None:
            norm = self.norm
            y = batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        y = y if residual is None else y + residual
        return y.relu_() if self.relu else y

    def saving(self, x: Tensor) -> tuple[Tensor, Any, tuple[Tensor | None, ...]]:
        """As a call; and what `backward` needs, where a ReLU follows.

        That is the recipe; x where the weight takes a gradient, the ReLU's mask, and what the pooling needs.
        """
        trainable = bool(self.layer.weight.requires_grad)
        recipe = self.recipe(x, trainable=trainable, pooling=False, inference=False)
        y, seen = self.run(recipe, x), x if trainable else None
        if self.pool is None:
            return y, recipe, (seen, core.relu_mask(y))
        # Through a maximum only the signs of what it chose matter: the mask is taken behind it, a quarter as large.
        mask = core.relu_mask(y) if self.pool.mean else None
        y, _, behind = self.pool.saving(y)
        return y, recipe, (seen, core.relu_mask(y) if mask is None else mask, *behind)

    def backward(
        self, g: Tensor, recipe: Recipe, saved: Sequence[Any], parameters: Sequence[Tensor], needs: Sequence[bool]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradients in x and in the parameters, each where it is needed; g may be written over."""
        x, mask, *behind = saved
        if self.pool is None or not self.pool.mean:
            core.apply_mask(g, mask)
        if self.pool is not None:
            g, _ = self.pool.backward(g, recipe.geometry.y_shape, tuple(behind))
            g = core.apply_mask(g, mask) if self.pool.mean else g
        return self.gradients(g, recipe, x, parameters, needs)

    def gradients(
        self,
        g: Tensor,
        recipe: Recipe,
        x: Tensor | None,
        parameters: Sequence[Tensor],
        needs: Sequence[bool],
        onto: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The same from g, the gradient in what the convolution itself gave; that in x is added to `onto`, over it."""
        found = [methods.weight_gradient(cast(Tensor, x), g, recipe.geometry) if needs[1] else None]
        found += [g.sum((0, 2, 3)) if need else None for need in needs[2:]]
        if needs[0]:
            inside = _unpadded(recipe.geometry) if self.edge else recipe.geometry
            g = methods.input_gradient(g, parameters[0], inside, None if self.edge else onto)
            g = g.contiguous(memory_format=core.LAST)
            g = _folded(g, recipe.geometry) if self.edge else g
            g = g.add_(onto) if self.edge and onto is not None else g
        return g, found

    def by_operators(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same with such weights by differentiable operators, where no norm follows."""
        geometry = self.recipe(x).geometry
        if self.edge:
            x, geometry = _padded(x, geometry), _unpadded(geometry)
        y = convolve_tensors(x, weight, bias, geometry)
        y = torch.relu(y) if self.relu else y
        return y if self.pool is None else self.pool.by_operators(y)


def _padded(x: Tensor, geometry: Geometry) -> Tensor:
    """A picture with its last pixels repeated as far as the convolution looks past them."""
    (top, left), (bottom, right) = geometry.before, geometry.after
    return pad(x, (left, right, top, bottom), "replicate")


def _unpadded(geometry: Geometry) -> Geometry:
    """The same convolution of a picture that is padded already."""
    (n, c, h, w), (top, left), (bottom, right) = geometry.x_shape, geometry.before, geometry.after
    padded = n, c, h + top + bottom, w + left + right
    return conv_geometry(padded, geometry.weight_shape, geometry.stride, 0, geometry.dilation, geometry.groups)


def _folded(gradient: Tensor, geometry: Geometry) -> Tensor:
    """The gradient in a picture from that in its copy padded with its last pixels: theirs add up."""
    for axis in (2, 3):
        start, count = geometry.before[axis - 2], geometry.x_shape[axis]
        stop = start + count
        if start:
            gradient.narrow(axis, start, 1).add_(gradient.narrow(axis, 0, start).sum(axis, keepdim=True))
        if gradient.shape[axis] > stop:
            past = gradient.narrow(axis, stop, gradient.shape[axis] - stop)
            gradient.narrow(axis, stop - 1, 1).add_(past.sum(axis, keepdim=True))
        gradient = gradient.narrow(axis, start, count)
    return core.pooled_memory(tuple(gradient.shape)).copy_(gradient)
