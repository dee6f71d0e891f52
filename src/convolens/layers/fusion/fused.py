"""Running a fused network: step by step, each map let go once nothing reads it.

Maps lie channels-last in memory that is used again (`core.recycled`); a sum with a shortcut is written over the
shortcut's map where nothing reads that later. What a convolution needs to know is settled once for each size of input.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from convolens.layers import core, methods
from convolens.layers.geometry import Geometry, conv_geometry
from convolens.layers.planner import Method
from convolens.layers.pool import MaxPool2d
from convolens.settings import precision


class Convolution(nn.Module):
    """A convolution with the sum, the ReLU and the pooling by 2×2 that follow it.

    Weights are transformed when a size first needs it.
    """

    def __init__(self, layer: nn.Conv2d, *, relu: bool = False, pool: MaxPool2d | None = None) -> None:
        super().__init__()
        self.layer, self.relu, self.pool = layer, relu, pool
        self._numbers: dict[tuple[str, str], Tensor | None] = {}
        self._calls: dict[object, _Call | None] = {}

    def forward(self, x: Tensor, residual: Tensor | None = None, *, over_residual: bool = False) -> Tensor:
        """ReLU(convolution + residual), pooled, each part where it is wanted; over the residual if so asked."""
        call = self._call(x)
        if call is None or (residual is not None and tuple(residual.shape) != call.geometry.y_shape):
            return self._pooled(self._by_torch(x, residual))
        pool = self.pool is not None and methods.pools(call.method) and min(call.geometry.y_shape[2:]) > 1
        finish = core.Finish(self.layer.bias, residual, self.relu, pool, residual if over_residual else None)
        y = methods.by_core(call.method, x, self.layer.weight, call.geometry, finish, call.numbers)
        return y if pool else self._pooled(y)

    def _pooled(self, y: Tensor) -> Tensor:
        return y if self.pool is None else self.pool(y)

    def _call(self, x: Tensor) -> _Call | None:
        """How the core does this layer; None where torch does it."""
        layer = self.layer
        if layer.padding_mode != "zeros" or not core.runs_on(x) or x.dim() != 4 or not x.numel():
            return None
        key = x.shape, precision(), core.instruction_set()
        if key not in self._calls:
            self._calls[key] = self._new_call(x)
        return self._calls[key]

    def _new_call(self, x: Tensor) -> _Call | None:
        layer: Any = self.layer
        shapes = tuple(x.shape), tuple(layer.weight.shape)
        geometry = conv_geometry(*shapes, layer.stride, layer.padding, layer.dilation, layer.groups)
        method = methods.choose(geometry, channels_last=True, epilogue=True)
        numbers = None if method == "torch" else self._transformed(method)
        return None if numbers is None else _Call(method, geometry, numbers)

    def _transformed(self, method: Method) -> Tensor | None:
        key = method, core.instruction_set()
        if key not in self._numbers:
            self._numbers[key] = methods.numbers_for(method, self.layer.weight)
        return self._numbers[key]

    def _by_torch(self, x: Tensor, residual: Tensor | None) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
        y: Tensor = nn.Conv2d.forward(self.layer, x)
        y = y if residual is None else y + residual
        return y.relu_() if self.relu else y


@dataclass(frozen=True, slots=True)
class _Call:
    """What the core is told about a layer on one size of input, besides the input."""

    method: Method
    geometry: Geometry
    numbers: Tensor


class Fused(nn.Module):
    """A traced network, run node by node."""

    def __init__(self, layers: fx.GraphModule) -> None:
        super().__init__()
        self.layers = layers
        self._steps = _steps(layers)

    @torch.no_grad()
    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the network gives; maps come in the order of the first input."""
        values: dict[str, Any] = {}
        waiting, first = iter(inputs), next(iter((*inputs, *named.values())))
        for step in self._steps:
            if step.kind == "output":
                return _filled(step.args[0], lambda name: _in_order_of(values[name], first))
            if step.kind == "placeholder":
                value = named[step.run] if step.run in named else next(waiting, *step.args)
            else:
                value = step.run(*_filled(step.args, values.__getitem__), **_filled(step.kwargs, values.__getitem__))
            values[step.name] = value
            for dead in step.dying:
                del values[dead]
        raise AssertionError("a graph ends with its output")


class _Name(str):
    """The name of a value, where a step reads it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Step:
    """A node of the graph: what it calls (for an input: its name), what it reads, and what nothing reads after it."""

    name: str
    kind: str
    run: Any
    args: Any
    kwargs: Any
    dying: tuple[str, ...]


def _steps(layers: fx.GraphModule) -> list[_Step]:
    last_uses, steps = _last_uses(layers.graph), []
    for node in layers.graph.nodes:
        args, kwargs = (map_arg(read, lambda n: _Name(n.name)) for read in (node.args, node.kwargs))
        dying = last_uses[node.name]
        if _may_overwrite(layers, node, dying):
            kwargs = {**kwargs, "over_residual": True}
        steps.append(_Step(node.name, node.op, _callable(layers, node), args, kwargs, dying))
    return steps


def _callable(layers: fx.GraphModule, node: fx.Node) -> Any:
    target: Any = node.target
    match node.op:
        case "call_module":
            return layers.get_submodule(target)
        case "call_method":
            return partial(_method, target)
        case "get_attr":
            return partial(operator.attrgetter(target), layers)
        case _:
            return target


def _method(name: str, subject: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(subject, name)(*args, **kwargs)


def _last_uses(graph: fx.Graph) -> dict[str, tuple[str, ...]]:
    """For each node the values that nothing reads after it."""
    seen: set[str] = set()
    dying: dict[str, tuple[str, ...]] = {}
    for node in reversed(graph.nodes):
        mine = [used.name for used in ([] if node.op == "output" else [node]) + node.all_input_nodes]
        dying[node.name] = tuple(used for used in dict.fromkeys(mine) if used not in seen)
        seen.update(mine)
    return dying


def _may_overwrite(layers: fx.GraphModule, node: fx.Node, dying: tuple[str, ...]) -> bool:
    """Whether a convolution may write its sum over its residual: a map of a convolution's own that it reads last.

    All that reads the map must give memory of its own, or something alive could be a view of it.
    """
    if node.op != "call_module" or len(node.args) != 2 or not isinstance(node.args[1], fx.Node):
        return False
    residual = node.args[1]
    readers = [residual, *residual.users]
    return (
        residual is not node.args[0]
        and residual.name in dying
        and all(_gives_its_own(layers, reader) for reader in readers)
    )


def _gives_its_own(layers: fx.GraphModule, node: fx.Node) -> bool:
    own = (Convolution, MaxPool2d)
    return node.op == "call_module" and isinstance(layers.get_submodule(str(node.target)), own)


def _filled(template: Any, value_of: Callable[[str], Any]) -> Any:
    """`template` with each name in it replaced by the value."""
    if type(template) is _Name:
        return value_of(template)
    if isinstance(template, tuple):
        return tuple([_filled(item, value_of) for item in template])
    if isinstance(template, list):
        return [_filled(item, value_of) for item in template]
    if isinstance(template, dict):
        return {key: _filled(item, value_of) for key, item in template.items()}
    if isinstance(template, slice):
        return slice(*(_filled(item, value_of) for item in (template.start, template.stop, template.step)))
    return template


def _in_order_of(value: Any, x: Any) -> Any:
    """A map in x's order in memory; anything else as it is."""
    if isinstance(value, Tensor) and value.dim() == 4 and isinstance(x, Tensor) and x.dim() == 4:
        return core.like(value, x)
    return value
