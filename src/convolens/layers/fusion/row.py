"""The convolutions and poolings that a fused network begins with, repeated by one call of the core (`program`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx
from torch.nn.modules.module import _has_any_global_hook

from convolens.layers import core
from convolens.layers.fusion.kept import Convolution
from convolens.layers.fusion.parse import is_plain
from convolens.layers.fusion.program import MOST_PROGRAMS, Draft, Map, NotRepeatable, Program
from convolens.layers.pool import MaxPool2d
from convolens.settings import precision


class _Written(Program):
    """A program, for as long as no weights were replaced."""

    def __init__(self, draft: _Layers, outputs: Sequence[fx.Node]) -> None:
        self._made = [(one, one.made) for one in draft.convolutions]
        super().__init__(draft.draft, [draft.maps[node] for node in outputs])

    def is_still(self) -> bool:
        """Whether the weights are the same, and where they were."""
        return all(one.made == made for one, made in self._made) and super().is_still()


class _Layers(fx.Interpreter):
    """Runs the layers one by one and writes down what they do."""

    def __init__(self, layers: fx.GraphModule, graph: fx.Graph) -> None:
        super().__init__(layers, graph=graph)
        self.extra_traceback = False  # an error's words are for whoever called, not about fx
        self.draft = Draft()
        self.maps: dict[fx.Node, Map] = {}
        self.convolutions: list[Convolution] = []

    def run_node(self, n: fx.Node) -> Any:
        """Runs one, and what it gives is known by its node."""
        if n.op == "output":
            return super().run_node(n)
        if n.op == "placeholder":
            x: Tensor = super().run_node(n)
            self.maps[n] = Map.of_input(x)
            return x
        known = {self.env[node].data_ptr(): self.maps[node] for node in n.all_input_nodes}
        run = super().run_node
        y, self.maps[n] = self.draft.write(lambda: run(n), known, lambda: self._held(n))
        return y

    def _held(self, node: fx.Node) -> list[Tensor]:
        """What stays of a layer."""
        module = self.fetch_attr(str(node.target))
        if not isinstance(module, Convolution):
            return []
        self.convolutions.append(module)
        held = [module.layer.weight, module.layer.bias, *module.kept]
        return [one for one in held if one is not None]


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
        self._programs: dict[tuple[Any, ...], _Written | None] = {}
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
        draft = _Layers(self._layers, self._graph)
        try:
            outputs: Sequence[Tensor] = draft.run(core.in_order(x))
            self._programs[key] = _Written(draft, self._outputs)
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
