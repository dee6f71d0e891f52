"""The convolutions and poolings that a fused network begins with, repeated by one call of the core.

Which kernels run, on what, depends on the input's size alone. So the first time for a size they are written down as
they run (`core.written_down`), the maps between them are given places in one piece of memory, and from then on the core
goes through all of them without coming back to Python, which takes some 70 µs a layer: a quarter of ResNet50's time in
8-bit integers.

A map that only layers in 8-bit integers read is stored as the levels that they make of it, in a quarter of the bytes or
half of them; the bits of what comes out are the same. NaN has no level: where one is met, layers are run one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import Tensor, fx
from torch.nn.modules.module import _has_any_global_hook

from convolens import _core
from convolens.arrays import empty
from convolens.layers import core
from convolens.layers.fusion.kept import Convolution
from convolens.layers.fusion.parse import is_plain
from convolens.layers.pool import MaxPool2d
from convolens.settings import precision

_LINE = 16  # floats: maps begin at a cache line
_X, _ARENA, _OUTPUTS = 0, 1, 2  # numbers of buffers
_NONE = 0.0, 0  # levels: a map of numbers
MOST_PROGRAMS = 64  # sizes that are kept: a program is some kilobytes


class NotRepeatable(Exception):  # noqa: N818 - no error that anybody sees
    """Something else than the core's kernels took part."""


@dataclass(eq=False)
class _Map:
    """A map between two kernels."""

    shape: tuple[int, ...]
    first: int  # the step that writes it
    last: int  # that reads it last
    buffer: int = _ARENA
    offset: int = 0  # floats
    levels: tuple[float, int] | None = None  # it is stored as: their step, and the lowest

    @property
    def size(self) -> int:
        n, c, h, w = self.shape
        return -(-n * c * h * w // _LINE) * _LINE


@dataclass
class _Step:
    name: str
    arguments: tuple[Any, ...]
    x: _Map
    residual: _Map | None
    y: _Map


class _Draft(fx.Interpreter):
    """Runs the layers one by one and writes down what they do."""

    def __init__(self, layers: fx.GraphModule, graph: fx.Graph) -> None:
        super().__init__(layers, graph=graph)
        self.extra_traceback = False  # an error's words are for whoever called, not about fx
        self.steps: list[_Step] = []
        self.maps: dict[fx.Node, _Map] = {}
        self.convolutions: list[Convolution] = []
        self.held: list[Tensor] = []

    def run_node(self, n: fx.Node) -> Any:
        """Runs one, and what it gives is known by its node."""
        if n.op == "output":
            return super().run_node(n)
        known = {self.env[node].data_ptr(): self.maps[node] for node in n.all_input_nodes}
        with core.written_down() as calls:
            y: Tensor = super().run_node(n)
        if n.op == "placeholder":
            self.maps[n] = _Map(tuple(y.shape), -1, -1, _X)
            return y
        constant = self._constants(self.fetch_attr(str(n.target)))
        found = [self._step(name, arguments, known, constant) for name, arguments in calls]
        if not found or found[-1].shape != tuple(y.shape) or known.get(y.data_ptr()) is not found[-1]:
            raise NotRepeatable
        self.maps[n] = found[-1]
        return y

    def _step(self, name: str, arguments: tuple[Any, ...], known: dict[int, _Map], constant: set[int]) -> _Map:
        x, y = arguments[0], arguments[-2] if name == "pool" else arguments[-1]
        after = arguments[-2] if name != "pool" else (0, 0, 0, 0)
        if name != "pool" and not {arguments[1][0], arguments[2], *after[:2]} <= constant:
            raise NotRepeatable  # a weight or a bias that was brought into another order for this call alone
        read = [known.get(address) for address in (x[0], after[2]) if address]
        if None in read:
            raise NotRepeatable
        residual = cast(_Map, read[-1]) if after[2] else None
        number = len(self.steps)
        for one in read:
            cast(_Map, one).last = number
        _, n, h, w, c, *_ = y
        found = residual if residual is not None and y[0] == after[2] else _Map((n, c, h, w), number, number)
        known[y[0]] = found
        self.steps.append(_Step(name, arguments, cast(_Map, read[0]), residual, found))
        return found

    def _constants(self, module: Any) -> set[int]:
        """Where what stays lies: 0 is nothing."""
        held: list[Tensor | None] = []
        if isinstance(module, Convolution):
            self.convolutions.append(module)
            held = [module.layer.weight, module.layer.bias, *module.kept]
        mine = [one for one in held if one is not None]
        self.held += mine
        return {0, *(one.data_ptr() for one in mine)}


class Program:
    """A row of layers on inputs of one size, for as long as their weights lie where they do.

    Attributes:
        stored_as_levels: how many maps are.
    """

    def __init__(self, draft: _Draft, outputs: Sequence[fx.Node]) -> None:
        self._held = [(one, one.data_ptr()) for one in draft.held]
        self._made = [(one, one.made) for one in draft.convolutions]
        found = [draft.maps[node] for node in outputs]
        self._shapes = [one.shape for one in found]
        for number, one in enumerate(found):
            if one.buffer != _ARENA:  # the input itself, or one value twice
                raise NotRepeatable
            one.buffer = _OUTPUTS + number
        self._floats = _place({id(step.y): step.y for step in draft.steps}.values())
        self.stored_as_levels = _choose_levels(draft.steps)
        self._program = _core.Program()
        for step in draft.steps:
            _write(self._program, step)

    def is_still(self) -> bool:
        """Whether the weights are the same, and where they were: torch moves those of shared memory, among others."""
        return all(one.made == made for one, made in self._made) and all(
            one.data_ptr() == address for one, address in self._held
        )

    def __call__(self, x: Tensor) -> list[Tensor] | None:
        """The outputs, channels-last; None where a map that is stored as levels would hold NaN."""
        x = core.in_order(x)
        arena = empty((self._floats,), np.float32)
        outputs = [core.pooled_memory(shape) for shape in self._shapes]
        done = self._program.run([x.data_ptr(), arena.ctypes.data, *(one.data_ptr() for one in outputs)])
        return outputs if done else None


def _place(maps: Any) -> int:
    """Gives each map in the arena a place that none has that lives at the same time; how many floats that takes."""
    placed: list[_Map] = []
    for one in sorted((one for one in maps if one.buffer == _ARENA), key=lambda one: -one.size):
        beside = sorted(
            (other for other in placed if other.first <= one.last and one.first <= other.last),
            key=lambda other: other.offset,
        )
        for other in beside:
            if one.offset + one.size <= other.offset:
                break
            one.offset = max(one.offset, other.offset + other.size)
        placed.append(one)
    return max((one.offset + one.size for one in placed), default=0)


def _choose_levels(steps: Sequence[_Step]) -> int:
    """Says of maps how they are stored: what is read last is known first, as pooling reads the levels that it gives.

    Returns:
        How many as levels.
    """
    for step in reversed(steps):
        if step.y.buffer == _ARENA and step.name in ("int8_convolution", "im2col", "pool"):
            readers = [one for one in steps if one.x is step.y]
            whole = any(step.y is one.residual for one in steps) or any(
                one.y is step.y for one in steps if one is not step
            )
            wanted = {_levels_read(one) for one in readers}
            step.y.levels = next(iter(wanted)) if len(wanted) == 1 and not whole else None
    for step in steps:  # whose input is another kernel's, and no levels
        if step.name == "pool" and step.x.levels is None:
            step.y.levels = None
    return sum(step.y.levels is not None for step in steps)


def _levels_read(step: _Step) -> tuple[float, int] | None:
    """The levels that a step reads its input as."""
    if step.name == "int8_convolution":
        return step.arguments[3:5]
    return step.y.levels if step.name == "pool" else None


def _write(program: Any, step: _Step) -> None:
    """Adds a step to a program."""
    name, arguments = step.name, _relative(step)
    if name == "pool" and step.x.levels:
        program.pool_levels(*arguments[:-1])
    elif name == "im2col":
        program.im2col(*arguments, step.y.levels or _NONE)
    elif name == "int8_convolution":
        program.int8_convolution(*arguments, step.y.levels or _NONE, step.x.levels is not None)
    else:
        getattr(program, name)(*arguments)


def _relative(step: _Step) -> tuple[Any, ...]:
    """A step's arguments with its maps as places in buffers."""

    def within(view: tuple[int, ...], one: _Map) -> tuple[int, ...]:
        return (4 * one.offset, *view[1:])

    x, *others = step.arguments
    residual = step.residual
    places = step.x.buffer, -1 if residual is None else residual.buffer, step.y.buffer
    if step.name == "pool":
        *how, y, argmax = others
        return places, within(x, step.x), *how, within(y, step.y), argmax
    *how, (scale, bias, _, relu), y = others
    how.append((scale, bias, 0 if residual is None else 4 * residual.offset, relu))
    return places, within(x, step.x), *how, within(y, step.y)


class Row:
    """What a traced network begins with, as far as it is convolutions and max poolings, and what comes after it.

    Attributes:
        is_worth_it: whether there is such a beginning.
    """

    def __init__(self, layers: fx.GraphModule) -> None:
        self._layers, self._forward = layers, type(layers).forward
        first, inside, kept = _split(layers)
        self._modules = {str(node.target): layers.get_submodule(str(node.target)) for node in inside}
        self._graph = _part([first], inside, kept)
        *_, output = self._graph.nodes
        self._outputs = output.all_input_nodes
        rest = [node for node in layers.graph.nodes if node not in {first, *inside}]
        # Its code alone, to be run on the layers themselves: whatever is put in a layer's place is then seen.
        self._after = type(fx.GraphModule(layers, _part(kept, rest, None))).forward
        self._programs: dict[tuple[Any, ...], Program | None] = {}
        self.is_worth_it = len(inside) > 1 and first not in kept

    def is_of(self, layers: fx.GraphModule) -> bool:
        """Whether these are the layers that it was made of, with the same graph."""
        return self._layers is layers and type(layers).forward is self._forward

    def after(self, values: Sequence[Tensor]) -> Any:
        """What the network makes of the row's values."""
        return self._after(self._layers, *values)

    def __call__(self, x: Tensor) -> Sequence[Tensor] | None:
        """The values that what comes after takes; None where the layers are to be called one by one."""
        if not (core.runs_on(x) and x.dim() == 4 and x.numel()) or _has_any_global_hook():  # type: ignore[no-untyped-call]
            return None
        if not all(map(self._is_still, self._modules.items())):
            return None
        key = x.shape, precision(), core.instruction_set()
        if key in self._programs:
            program = self._programs[key]
            if program is None:
                return None
            if program.is_still():
                return program(x)
        return self._written(key, x)

    def _written(self, key: tuple[Any, ...], x: Tensor) -> Sequence[Tensor] | None:
        """Runs the layers and writes down how; what was written of weights that are gone, or long ago, is dropped."""
        programs = {other: one for other, one in self._programs.items() if one is None or one.is_still()}
        self._programs = dict(list(programs.items())[-MOST_PROGRAMS + 1 :])
        draft = _Draft(self._layers, self._graph)
        try:
            outputs: Sequence[Tensor] = draft.run(core.in_order(x))
            self._programs[key] = Program(draft, self._outputs)
        except NotRepeatable:
            self._programs[key] = None
            return None
        return outputs

    def _is_still(self, named: tuple[str, Any]) -> bool:
        name, module = named
        return vars(self._layers)["_modules"].get(name) is module and is_plain(module, Convolution, MaxPool2d)


def _split(layers: fx.GraphModule) -> tuple[fx.Node, list[fx.Node], list[fx.Node]]:
    """The input, the layers from there on that the core repeats, and which of all these values are used after them."""
    first, *others = layers.graph.nodes
    inside: list[fx.Node] = []
    for node in others:
        if node.op != "call_module" or not _repeats(layers, node) or not set(node.all_input_nodes) <= {first, *inside}:
            break
        inside.append(node)
    kept = [node for node in (first, *inside) if not set(node.users) <= set(inside)]
    return first, inside, kept


def _repeats(layers: fx.GraphModule, node: fx.Node) -> bool:
    module = layers.get_submodule(str(node.target))
    return isinstance(module, Convolution) or (type(module) is MaxPool2d and not module.return_indices)


def _part(inputs: Sequence[fx.Node], nodes: Sequence[fx.Node], outputs: Sequence[fx.Node] | None) -> fx.Graph:
    """Some nodes of a graph as a graph of their own; without `outputs` the last of them is its output."""
    graph, copies = fx.Graph(), {}
    for node in inputs:
        copies[node] = graph.placeholder(node.name)
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    if outputs is not None:
        graph.output(tuple(copies[node] for node in outputs))
    return graph
