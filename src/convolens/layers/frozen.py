"""A row of frozen layers: convolutions with their ReLUs, and pooling, with a gradient in the input only.

Where weights take no gradient, a convolution's way back needs nothing that it saw, and a ReLU's one byte for each
value: whether it was above 0. So the maps of the way forward are let go as soon as the next layer has read them, but
for those that are asked for, and their memory is used again: fresh memory costs a page fault every 4 KiB, which is as
much as a ReLU's whole pass. Cost: one run of the layers, and one back; memory: a quarter of the maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import pad

from convolens.layers import core, methods
from convolens.layers.geometry import Geometry, conv_geometry
from convolens.settings import precision

Layers = Sequence[nn.Module]


def can_run(layers: Layers, x: Tensor) -> bool:
    """Whether `run` applies: layers that it knows, as torch.nn has them, frozen; a float32 batch on the CPU."""
    parameters = [p for layer in layers for p in layer.parameters()]
    return (
        not torch.compiler.is_compiling()
        and not any(p.requires_grad for p in parameters)
        and core.runs_on(x, *parameters)
        and x.numel() > 0
        and _stages(layers) is not None
    )


def run(layers: Layers, x: Tensor, wanted: Sequence[int], again: Callable[[Tensor], Sequence[Tensor]]) -> list[Tensor]:
    """The maps after some of the layers.

    Args:
        layers: for which `can_run` holds.
        x: `(N, C, H, W)`.
        wanted: which layers' results, as positions in `layers`; those of a ReLU or of pooling.
        again: computes the same by differentiable operators: for gradients of gradients.

    Returns:
        The maps, in x's order in memory.
    """
    stages = _stages(layers)
    assert stages is not None
    if torch.is_grad_enabled() and x.requires_grad:
        maps: Sequence[Tensor] = _Row.apply(x, stages, tuple(wanted), again)  # type: ignore[no-untyped-call]
        return list(maps)
    return _forward(x, stages, tuple(wanted), None)


@dataclass(frozen=True)
class _Convolution:
    layer: Any
    end: int  # the position of its ReLU

    def geometry(self, x: Tensor) -> Geometry:
        layer = self.layer
        return conv_geometry(tuple(x.shape), tuple(layer.weight.shape), layer.stride, layer.padding, layer.dilation, 1)

    @property
    def edge(self) -> bool:
        return bool(self.layer.padding_mode == "replicate")


@dataclass(frozen=True)
class _Pool:
    layer: Any
    end: int

    @property
    def side(self) -> int:
        side = self.layer.kernel_size
        return int(side[0] if isinstance(side, tuple) else side)

    def size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        def count(length: int) -> int:
            return -(-length // self.side) if self.layer.ceil_mode else length // self.side

        return count(shape[2]), count(shape[3])


_Stage = _Convolution | _Pool


def _stages(layers: Layers) -> list[_Stage] | None:
    """The layers as convolutions with their ReLUs and pools; None where one is something else."""
    stages: list[_Stage] = []
    at = 0
    while at < len(layers):
        layer: Any = layers[at]
        if _watched(layer):
            return None
        if isinstance(layer, nn.Conv2d):
            follows = layers[at + 1] if at + 1 < len(layers) else None
            plain = layer.groups == 1 and layer.padding_mode in ("zeros", "replicate")
            if not plain or isinstance(layer.padding, str) or not isinstance(follows, nn.ReLU) or _watched(follows):
                return None
            at += 1
            stages.append(_Convolution(layer, at))
        elif isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)) and _side_by_side(layer):
            stages.append(_Pool(layer, at))
        else:
            return None
        at += 1
    return stages


def _watched(layer: nn.Module) -> bool:
    """Whether someone put a hook on the layer, which must be called."""
    hooks: Any = layer
    return bool(hooks._forward_hooks or hooks._forward_pre_hooks or hooks._backward_hooks or hooks._backward_pre_hooks)


def _side_by_side(layer: Any) -> bool:
    """Whether its windows lie one beside the other, without padding."""
    sides = {_single(layer.kernel_size), _single(layer.stride)}
    plain = getattr(layer, "dilation", 1) in (1, (1, 1)) and not getattr(layer, "return_indices", False)
    dividing = isinstance(layer, nn.AvgPool2d) and layer.divisor_override is not None
    return len(sides) == 1 and None not in sides and _single(layer.padding) == 0 and plain and not dividing


def _single(value: Any) -> int | None:
    """The number that both axes have; None where they differ."""
    if isinstance(value, tuple):
        return value[0] if len(set(value)) == 1 else None
    return int(value)


@dataclass
class _Trail:
    """What the way back needs of a stage: its input's shape, the signs after a ReLU, where maxima lay."""

    shape: tuple[int, ...]
    signs: Tensor | None = None
    places: Tensor | None = None


def _forward(x: Tensor, stages: Sequence[_Stage], wanted: tuple[int, ...], trails: list[_Trail] | None) -> list[Tensor]:
    """The maps at the wanted ends; with `trails`, what the way back needs is added to it."""
    in_order = core.is_channels_last(x)
    value, found, pooled = x.contiguous(memory_format=core.LAST), {}, False
    for at, stage in enumerate(stages):
        trail = _Trail(tuple(value.shape))
        if pooled:
            pooled = False  # the convolution before has done it
        elif isinstance(stage, _Convolution):
            alone = trails is not None or stage.end in wanted or at + 1 == len(stages)
            value, pooled = _convolve(stage, value, None if alone else stages[at + 1])
            # Through a maximum only signs of what it chose matter: they are taken behind it, a quarter as many.
            behind = at + 1 < len(stages) and _is_max(stages[at + 1]) and stage.end not in wanted
            trail.signs = core.signs(value) if trails is not None and not behind else None
        else:
            value = _pool(stage, value, trail if trails is not None else None)
            if trails is not None and at > 0 and _is_max(stage) and isinstance(stages[at - 1], _Convolution):
                trail.signs = core.signs(value)
        if trails is not None:
            trails.append(trail)
        if stage.end in wanted:
            found[stage.end] = value
    return [found[end] if in_order else found[end].contiguous() for end in wanted]


def _convolve(stage: _Convolution, x: Tensor, follows: _Stage | None) -> tuple[Tensor, bool]:
    """The convolution and its ReLU, and the pooling that follows where one pass does both; whether it did."""
    geometry, layer = stage.geometry(x), stage.layer
    method = methods.choose(geometry, channels_last=True, finishing=True)
    if stage.edge and method in ("patches", "torch"):
        (top, left), (bottom, right) = geometry.before, geometry.after
        x = pad(x, (left, right, top, bottom), "replicate").contiguous(memory_format=core.LAST)
        geometry = _unpadded(geometry)
    numbers = None if method == "torch" else methods.numbers_for(method, layer.weight)
    if numbers is not None:
        pool = follows is not None and _halves(follows, geometry.y_shape) and methods.pools(method)
        finish = core.Finish(layer.bias, relu=True, pool=pool)
        return methods.by_core(method, x, layer.weight, geometry, finish, numbers, edge=stage.edge), pool
    y = methods.torch_output(x, layer.weight, layer.bias, geometry)
    return torch.relu_(y).contiguous(memory_format=core.LAST), False


def _unpadded(geometry: Geometry) -> Geometry:
    """The same convolution of a picture that is padded already."""
    n, c, h, w = geometry.x_shape
    padded = (
        n, c, h + geometry.before[0] + geometry.after[0], w + geometry.before[1] + geometry.after[1]
    )  # fmt: skip
    return conv_geometry(padded, geometry.weight_shape, geometry.stride, 0, geometry.dilation, geometry.groups)


def _pool(stage: _Pool, x: Tensor, trail: _Trail | None) -> Tensor:
    rows, columns = stage.size(tuple(x.shape))
    if not _is_max(stage):
        return core.average(x, stage.side, core.recycled((x.shape[0], x.shape[1], rows, columns)))
    window = (stage.side, stage.side, 0, 0, 1, 1)
    y, places = core.pool(x, (stage.side, stage.side), window, (rows, columns), with_places=trail is not None)
    if trail is not None:
        trail.places = places
    return y


def _halves(stage: _Stage, shape: tuple[int, ...]) -> bool:
    """Whether a stage takes the largest of each whole 2×2 of such a map."""
    half = shape[2] // 2, shape[3] // 2
    return (
        isinstance(stage, _Pool) and _is_max(stage) and stage.side == 2 and min(half) > 0 and stage.size(shape) == half
    )


def _is_max(stage: _Stage) -> bool:
    return isinstance(stage.layer, nn.MaxPool2d)


class _Row(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stages: Any, wanted: tuple[int, ...], again: Any) -> tuple[Tensor, ...]:
        ctx.trails = []
        ctx.stages, ctx.wanted, ctx.again = stages, wanted, again
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)
        return tuple(_forward(x, stages, wanted, ctx.trails))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        asked = [(end, g) for end, g in zip(ctx.wanted, upstream, strict=True) if g is not None]
        if not asked:
            return None, None, None, None
        if torch.is_grad_enabled():  # a gradient of this gradient may be asked for
            maps = dict(zip(ctx.wanted, ctx.again(x), strict=True))
            (gradient,) = torch.autograd.grad(
                [maps[end] for end, _ in asked], x, [g for _, g in asked], create_graph=True
            )
        else:
            gradient = core.like(_backward(dict(asked), ctx.stages, ctx.trails), x)
        return gradient, None, None, None


def _backward(asked: dict[int, Tensor], stages: Sequence[_Stage], trails: Sequence[_Trail]) -> Tensor:
    """The gradient in the row's input."""
    last = max(at for at, stage in enumerate(stages) if stage.end in asked)
    g: Tensor | None = None
    for at in reversed(range(last + 1)):
        stage, trail = stages[at], trails[at]
        mine = asked.get(stage.end)
        if mine is not None:
            g = core.recycled(tuple(mine.shape)).copy_(mine) if g is None else g.add_(mine)
        assert g is not None
        if trail.signs is not None:
            core.gate(g, trail.signs)
        g = (
            _convolution_gradient(stage, g, trail)
            if isinstance(stage, _Convolution)
            else _pool_gradient(stage, g, trail)
        )
    assert g is not None
    return g


def _convolution_gradient(stage: _Convolution, g: Tensor, trail: _Trail) -> Tensor:
    layer = stage.layer
    n, c, h, w = trail.shape
    geometry = conv_geometry((n, c, h, w), tuple(layer.weight.shape), layer.stride, layer.padding, layer.dilation, 1)
    before, padded = geometry.before, _unpadded(geometry) if stage.edge else geometry
    if methods.winograd_fits(geometry):
        tile = 2 if precision() == "exact" else 4
        gradient = core.winograd_input_gradient(g, layer.weight, padded, tile, core.recycled(padded.x_shape))
    else:
        gradient = methods.torch_input_gradient(g, layer.weight, padded).contiguous(memory_format=core.LAST)
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


def _pool_gradient(stage: _Pool, g: Tensor, trail: _Trail) -> Tensor:
    if trail.places is None:
        return core.average_gradient(g, stage.side, core.recycled(trail.shape))
    return core.pool_gradient(g, trail.places, trail.shape, (stage.side, stage.side))
