"""The one form behind a convolution layer and its gradients.

With upstream g, the number ⟨g, conv(x, w)⟩ is linear in each of x, w and g. Its three partials are the functions here:

    convolve_tensors(x, w)      the layer itself          (partial in g)
    input_gradient(g, w)        the transposed layer      (partial in x)
    weight_gradient(x, g)       what each weight saw      (partial in w)

so the gradients of each are the other two, and any number of differentiations stays within the three.
`methods` says how each is best computed, once a call. A layer that torch computes anyway keeps torch's own gradients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.overrides import has_torch_function

from convolens.layers import core, methods
from convolens.layers.geometry import Geometry
from convolens.layers.levels import Levels
from convolens.layers.planner import Method
from convolens.settings import precision


def convolve_tensors(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The layer: `(N, C, H, W)` by `(F, C / groups, rows, columns)` gives `geometry.y_shape`."""
    trainable, watched = _watched(weight), _watched(x, weight, bias)
    method = methods.method_for(x, weight, bias, geometry, trainable=trainable, inference=not watched)
    if method == "torch":
        return methods.torch_output(x, weight, bias, geometry)  # with torch's own gradients, which cost no detour
    if watched:
        return _Output.apply(x, weight, bias, method, trainable, geometry)  # type: ignore[no-any-return, no-untyped-call]
    return methods.output(method, x, weight, bias, geometry)


def convolve_unwatched(
    x: Tensor, weight: Tensor, bias: Tensor | None, how: tuple[Any, ...], levels: Levels | None
) -> Tensor | None:
    """The layer where no gradient follows and the core reads all; None where not: then `convolve_tensors` has it.

    All that the sizes decide is looked up in one step: to ask for each of it takes as long as a small layer.

    Args:
        x: `(N, C, H, W)`, as torch's own layer takes it.
        weight: `(F, C / groups, rows, columns)`.
        bias: `(F,)`.
        how: stride, padding, dilation and groups.
        levels: of x, for 8-bit integers; None where it has none.
    """
    if not core.runs_on(x, weight) or _watched(x, weight, bias):
        return None
    if has_torch_function((x,)) or torch.is_autocast_enabled("cpu"):  # a function mode, which wants to see torch's own
        return None
    if bias is not None and not (core.runs_on(bias) and bias.shape == weight.shape[:1]):
        return None
    last = core.is_channels_last(x)
    found = methods.as_called(x.shape, weight.shape, how, last, levels is not None, precision())
    if found is None:
        return None
    method, geometry = found
    y = methods.with_epilogue(method, x, weight, geometry, core.Epilogue(bias), levels=levels)
    return methods.torch_output(x, weight, bias, geometry) if y is None else core.like(y, x)


def input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """The layer transposed: what each input contributed to, weighted as it was; of `geometry.x_shape`."""
    if _watched(g, weight):
        return _InputGradient.apply(g, weight, geometry)  # type: ignore[no-any-return, no-untyped-call]
    return methods.input_gradient(g, weight, geometry)


def weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Each weight's input times what came of it, summed over places and batch; of `geometry.weight_shape`."""
    if _watched(x, g):
        return _WeightGradient.apply(x, g, geometry)  # type: ignore[no-any-return, no-untyped-call]
    return methods.weight_gradient(x, g, geometry)


def _watched(*tensors: Tensor | None) -> bool:
    """Whether autograd follows any of them; where not, the functions are called without its cost of tens of µs."""
    if torch.is_grad_enabled():
        for t in tensors:  # a loop, as this is asked at every layer
            if t is not None and t.requires_grad:
                return True
    return False


class _Output(Function):
    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor | None, method: Method, trainable: bool, geometry: Geometry
    ) -> Tensor:
        return methods.output(method, x, weight, bias, geometry, trainable=trainable)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.geometry = inputs[-1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias, *_ = ctx.needs_input_grad
        return (
            input_gradient(g, weight, ctx.geometry) if for_x else None,
            weight_gradient(x, g, ctx.geometry) if for_weight else None,
            g.sum((0, 2, 3)) if for_bias else None,
            None,
            None,
            None,
        )


class _InputGradient(Function):
    @staticmethod
    def forward(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        return methods.input_gradient(g, weight, geometry)

    setup_context = _Output.setup_context

    @staticmethod
    def backward(ctx: Any, as_x: Tensor) -> tuple[Tensor | None, ...]:
        g, weight = ctx.saved_tensors
        for_g, for_weight, _ = ctx.needs_input_grad
        return (
            convolve_tensors(as_x, weight, None, ctx.geometry) if for_g else None,
            weight_gradient(as_x, g, ctx.geometry) if for_weight else None,
            None,
        )


class _WeightGradient(Function):
    @staticmethod
    def forward(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
        return methods.weight_gradient(x, g, geometry)

    setup_context = _Output.setup_context

    @staticmethod
    def backward(ctx: Any, as_weight: Tensor) -> tuple[Tensor | None, ...]:
        x, g = ctx.saved_tensors
        for_x, for_g, _ = ctx.needs_input_grad
        return (
            input_gradient(g, as_weight, ctx.geometry) if for_x else None,
            convolve_tensors(x, as_weight, None, ctx.geometry) if for_g else None,
            None,
        )
