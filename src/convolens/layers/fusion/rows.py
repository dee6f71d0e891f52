"""A row of layers run as one: convolutions with their ReLUs, and pooling.

A ReLU is done before the convolution's result leaves the cache. Its way back needs one byte for each value: whether it
was above 0; and a convolution whose weights take no gradient needs nothing that it saw. So maps are let go as soon as
the next layer has read them, but for those that a weight's gradient will read, and their memory is used again: fresh
memory costs a page fault every 4 KiB, which is as much as a ReLU's whole pass. Cost: one run of the layers, and one
back; memory: with fixed weights a quarter of the maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import pad
from torch.nn.modules.module import _has_any_global_hook

from convolens.layers import core, methods
from convolens.layers.fusion.stages import Convolution, Layers, Pool, Stage, halves, is_max, stages_of, unpadded
from convolens.layers.tensors import mixes_precisions
from convolens.layers.trilinear import convolve_tensors

T = TypeVar("T")


def can_run(layers: Layers, x: Tensor) -> bool:
    """Whether `run` applies: layers that it knows, as torch.nn has them; a float32 batch on the CPU."""
    stages = stages_of(layers)
    hooked = _has_any_global_hook()  # type: ignore[no-untyped-call]
    if torch.compiler.is_compiling() or hooked or not stages or not x.numel():
        return False
    if not core.runs_on(x, *(p for stage in stages for p in stage.parameters)):
        return False
    learning = [stage for stage in stages if any(p.requires_grad for p in stage.parameters)]
    return not learning or not (mixes_precisions(x) or any(_sees_edges(stage) for stage in learning))


def run(layers: Layers, x: Tensor) -> Tensor:
    """The map after the last of the layers.

    Args:
        layers: for which `can_run` holds.
        x: `(N, C, H, W)`.

    Returns:
        The map, in x's order in memory. Differentiable any number of times.
    """
    stages = stages_of(layers)
    assert stages
    parameters = [p for stage in stages for p in stage.parameters]
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters)):
        return _Row.apply(stages, x, *parameters)  # type: ignore[no-any-return, no-untyped-call]
    return _forward(x, stages, None)


@dataclass
class _Trail:
    """What the way back needs of a stage.

    Attributes:
        shape: of its input.
        seen: its input, where its weight takes a gradient.
        signs: after its ReLU.
        places: where its maxima lay.
    """

    shape: tuple[int, ...]
    seen: Tensor | None = None
    signs: Tensor | None = None
    places: Tensor | None = None


def _forward(x: Tensor, stages: Sequence[Stage], trails: list[_Trail] | None) -> Tensor:
    """The last map; with `trails`, what the way back needs is added to it."""
    value, pooled = x.contiguous(memory_format=core.LAST), False
    for at, stage in enumerate(stages):
        follows = stages[at + 1] if at + 1 < len(stages) else None
        trail = _Trail(tuple(value.shape), value if trails is not None and _learns(stage) else None)
        if pooled:
            pooled = False  # the convolution before has done it
        elif isinstance(stage, Convolution):
            value, pooled = _convolve(stage, value, follows if trails is None else None, trail.seen is not None)
            # Through a maximum only signs of what it chose matter: they are taken behind it, a quarter as many.
            behind = follows is not None and is_max(follows)
            trail.signs = core.signs(value) if trails is not None and not behind else None
        else:
            value = _pool(stage, value, trail if trails is not None else None)
            if trails is not None and at > 0 and is_max(stage) and isinstance(stages[at - 1], Convolution):
                trail.signs = core.signs(value)
        if trails is not None:
            trails.append(trail)
    return core.like(value, x)


def _sees_edges(stage: Stage) -> bool:
    return isinstance(stage, Convolution) and stage.edge


def _learns(stage: Stage) -> bool:
    return isinstance(stage, Convolution) and bool(stage.layer.weight.requires_grad)


def _convolve(stage: Convolution, x: Tensor, follows: Stage | None, learning: bool) -> tuple[Tensor, bool]:
    """The convolution and its ReLU, and the pooling that follows where one pass does both; whether it did."""
    geometry, layer = stage.geometry(tuple(x.shape)), stage.layer
    method = methods.choose(geometry, channels_last=True, epilogue=True, trainable=learning)
    if stage.edge and not methods.pools(method):
        (top, left), (bottom, right) = geometry.before, geometry.after
        x = pad(x, (left, right, top, bottom), "replicate").contiguous(memory_format=core.LAST)
        geometry = unpadded(geometry)
    pool = follows is not None and halves(follows, geometry.y_shape) and methods.pools(method)
    finish = core.Finish(layer.bias, relu=True, pool=pool)
    y = methods.finished(method, x, layer.weight, geometry, finish, learning=learning, edge=stage.edge)
    if y is not None:
        return y, pool
    y = methods.torch_output(x, layer.weight, layer.bias, geometry)
    return torch.relu_(y).contiguous(memory_format=core.LAST), False


def _pool(stage: Pool, x: Tensor, trail: _Trail | None) -> Tensor:
    rows, columns = stage.size(tuple(x.shape))
    if not is_max(stage):
        return core.average(x, stage.side, core.recycled((x.shape[0], x.shape[1], rows, columns)))
    window = (stage.side, stage.side, 0, 0, 1, 1)
    y, places = core.pool(x, (stage.side, stage.side), window, (rows, columns), with_places=trail is not None)
    if trail is not None:
        trail.places = places
    return y


class _Row(Function):
    @staticmethod
    def forward(ctx: Any, stages: Sequence[Stage], x: Tensor, *parameters: Tensor) -> Tensor:
        trails: list[_Trail] = []
        y = _forward(x, stages, trails)
        ctx.stages, ctx.shapes = stages, [trail.shape for trail in trails]
        kept = [one for trail in trails for one in (trail.seen, trail.signs, trail.places)]
        ctx.save_for_backward(x, *parameters, *kept)  # watched for changes, and let go after the way back
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        needs, saved = ctx.needs_input_grad[1:], ctx.saved_tensors
        read, kept = saved[: len(needs)], saved[len(needs) :]
        if torch.is_grad_enabled():  # a gradient of this gradient may be asked for
            return None, *_by_the_layers(g, ctx.stages, read, needs)
        trails = [_Trail(shape, *kept[3 * at : 3 * at + 3]) for at, shape in enumerate(ctx.shapes)]
        for_x, for_parameters = _backward(g, ctx.stages, trails, read[1:], needs)
        return None, None if for_x is None else core.like(for_x, read[0]), *for_parameters


def _by_the_layers(
    g: Tensor, stages: Sequence[Stage], read: Sequence[Tensor], needs: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients in what the row read, where needed, as differentiable operators give them."""
    aliases = [one.view_as(one) for one in read]  # a weight that two layers share has a gradient from each
    inputs = [one for one, need in zip(aliases, needs, strict=True) if need]
    y = _one_by_one(aliases[0], stages, aliases[1:])
    found = iter(torch.autograd.grad(y, inputs, g, create_graph=True))
    return [next(found) if need else None for need in needs]


def _one_by_one(x: Tensor, stages: Sequence[Stage], parameters: Sequence[Tensor]) -> Tensor:
    """The row's map by differentiable operators."""
    for stage, mine in zip(stages, _by_stage(stages, parameters), strict=True):
        if isinstance(stage, Pool):
            x = stage.layer(x)
            continue
        weight, bias = mine[0], mine[1] if len(mine) > 1 else None
        geometry = stage.geometry(tuple(x.shape))
        if stage.edge:
            (top, left), (bottom, right) = geometry.before, geometry.after
            x, geometry = pad(x, (left, right, top, bottom), "replicate"), unpadded(geometry)
        x = torch.relu(convolve_tensors(x, weight, bias, geometry))
    return x


def _backward(
    g: Tensor,
    stages: Sequence[Stage],
    trails: Sequence[_Trail],
    parameters: Sequence[Tensor],
    needs: Sequence[bool],
) -> tuple[Tensor | None, list[Tensor | None]]:
    """The gradients in the row's input, and in its stages' parameters, where needed."""
    by_stage, values = _by_stage(stages, needs[1:]), _by_stage(stages, parameters)
    lowest = 0 if needs[0] else next(at for at, wanted in enumerate(by_stage) if any(wanted))
    gradients: list[list[Tensor | None]] = [[None] * len(wanted) for wanted in by_stage]
    g = core.recycled(tuple(g.shape)).copy_(g)  # it is written to
    for at in reversed(range(lowest, len(stages))):
        stage, trail = stages[at], trails[at]
        if trail.signs is not None:
            core.gate(g, trail.signs)
        if isinstance(stage, Convolution):
            gradients[at] = _parameter_gradients(stage, g, trail, by_stage[at])
        if at > lowest or needs[0]:
            if isinstance(stage, Convolution):
                g = _convolution_gradient(stage, g, trail, values[at][0])
            else:
                g = _pool_gradient(stage, g, trail)
    return g if needs[0] else None, [one for found in gradients for one in found]


def _by_stage(stages: Sequence[Stage], of_parameters: Sequence[T]) -> list[list[T]]:
    """What belongs to all stages' parameters, one after another, as each stage's own."""
    left = iter(of_parameters)
    return [[next(left) for _ in stage.parameters] for stage in stages]


def _parameter_gradients(stage: Convolution, g: Tensor, trail: _Trail, needs: Sequence[bool]) -> list[Tensor | None]:
    """In its weight, and in its bias where it has one."""
    found: list[Tensor | None] = [None] * len(needs)
    if needs[0]:
        assert trail.seen is not None
        found[0] = methods.weight_gradient(trail.seen, g, stage.geometry(trail.shape))
    if any(needs[1:]):
        found[1] = g.sum((0, 2, 3))
    return found


def _convolution_gradient(stage: Convolution, g: Tensor, trail: _Trail, weight: Tensor) -> Tensor:
    geometry, (_, _, h, w) = stage.geometry(trail.shape), trail.shape
    before, padded = geometry.before, unpadded(geometry) if stage.edge else geometry
    how = methods.choose(padded, channels_last=True, trainable=weight.requires_grad, partial="input gradient")
    if how != "torch":
        tile = methods.tile_of(how)
        gradient = core.winograd_input_gradient(g, weight, padded, tile, core.recycled(padded.x_shape))
    else:
        gradient = methods.torch_input_gradient(g, weight, padded).contiguous(memory_format=core.LAST)
    return _folded(gradient, before, (h, w)) if stage.edge else gradient


def _folded(gradient: Tensor, before: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The gradient in a picture from that in its copy padded with its last pixels: theirs add up."""
    for axis in (2, 3):
        start, count = before[axis - 2], size[axis - 2]
        stop = start + count
        if start:
            gradient.narrow(axis, start, 1).add_(gradient.narrow(axis, 0, start).sum(axis, keepdim=True))
        if gradient.shape[axis] > stop:
            past = gradient.narrow(axis, stop, gradient.shape[axis] - stop)
            gradient.narrow(axis, stop - 1, 1).add_(past.sum(axis, keepdim=True))
        gradient = gradient.narrow(axis, start, count)
    return core.recycled(tuple(gradient.shape)).copy_(gradient)


def _pool_gradient(stage: Pool, g: Tensor, trail: _Trail) -> Tensor:
    if trail.places is None:
        return core.average_gradient(g, stage.side, core.recycled(trail.shape))
    return core.pool_gradient(g, trail.places, trail.shape, (stage.side, stage.side))
