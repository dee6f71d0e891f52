"""An inference copy of a network that moves each feature map once.

A convolution, the batch norm behind it, the sum with a shortcut and the ReLU become one layer that finishes its outputs
while they are in cache. Batch norm is folded into the weights (at inference it is a scale and a shift), weights are
transformed once, and maps lie channels-last in memory that is used again (`fused` runs it all).
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from convolens.errors import ArgumentError, DtypeError
from convolens.layers import core
from convolens.layers.conv import Conv2d
from convolens.layers.fusion.fused import Fused
from convolens.layers.fusion.kept import Convolution
from convolens.layers.fusion.parse import is_plain, pool_of
from convolens.layers.fusion.pooling import Pool
from convolens.layers.pool import MaxPool2d

_RELU = (functional.relu, torch.relu, torch.relu_, "relu", "relu_")
_BY_TWO = Pool(2)
_OWN = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, Convolution)  # give memory of their own
_ADD, _ADD_OVER = (operator.add, torch.add, "add"), (operator.iadd, "add_")


def fuse(model: nn.Module) -> nn.Module:
    """A copy of `model` for inference, faster and equal but for rounding; the model itself does not change.

    Args:
        model: any module built of torch.nn's or Convolens' layers, in float32 on the CPU. A part whose `forward` can
            be traced is fused whole; in any other part (a `forward` that depends on data) the parts inside are.

    Returns:
        A module in evaluation mode, called as the model is. It gives no gradients. Writing to the model's weights
        later does not change it; it follows `cl.precision` as it stands at each call.

    Raises:
        DtypeError: a parameter is not float32 on the CPU; elsewhere torch's own layers are the fast ones.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    >>> x = torch.ones(1, 3, 5, 5)
    >>> torch.testing.assert_close(fuse(net)(x), net(x))
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: need a torch module, got {type(model).__name__}")
    for name, parameter in model.named_parameters():
        if not core.runs_on(parameter):
            raise DtypeError(f"{name}: need float32 on the CPU to fuse, got {parameter.dtype} on {parameter.device}")
    return _fused(copy.deepcopy(model).eval().requires_grad_(False)).eval()


@runtime_checkable
class Fusible(Protocol):
    """A module that calls its parts by name, which no tracer can follow, and so fuses them itself."""

    def fuse_parts(self, fused: Callable[[nn.Module], nn.Module]) -> None:
        """Replaces parts by their fused forms, in place; `fused` makes one of a module, whose `forward` it traces."""


class _Proxy(fx.Proxy):
    """Knows `+=` and its kin for what they are to tensors: a change in place, which all who hold the tensor see."""


def _in_place(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: self.tracer.create_proxy("call_function", operation, (self, other), {})


for _name in ("iadd", "isub", "imul", "itruediv", "ipow", "imod", "ifloordiv"):
    setattr(_Proxy, f"__{_name}__", _in_place(getattr(operator, _name)))


class _Tracer(fx.Tracer):
    """Looks into every module but layers."""

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, (Conv2d, MaxPool2d)) or super().is_leaf_module(module, qualified_name)


def _fused(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.Conv2d):  # one with more to it is called as it is
        return Convolution(module) if is_plain(module, nn.Conv2d, Conv2d) else module
    if not any(isinstance(inner, nn.Conv2d) for inner in module.modules()):
        return module
    if isinstance(module, Fusible):
        module.fuse_parts(_fused)
        return module
    try:
        graph = _Tracer().trace(module)
    except (TraceError, TypeError, RuntimeError):  # its steps depend on values or sizes; its parts' may not
        for name, child in list(module.named_children()):
            setattr(module, name, _fused(child))
        return module
    layers = fx.GraphModule(module, graph)
    for replace in (_remove_idle, _replace_convolution, _replace_pool):
        for node in list(graph.nodes):
            replace(layers, node)
    graph.lint()
    layers.delete_all_unused_submodules()
    return Fused(layers)


def _remove_idle(layers: fx.GraphModule, node: fx.Node) -> None:
    """Takes out what does nothing at inference."""
    if is_plain(_module(layers, node), nn.Dropout, nn.Dropout2d, nn.Identity) and len(node.args) == 1:
        node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
        layers.graph.erase_node(node)


def _replace_pool(layers: fx.GraphModule, node: fx.Node) -> None:
    """Puts our pooling in the place of torch's."""
    module: Any = _module(layers, node)
    if is_plain(module, nn.MaxPool2d) and node.args and not node.kwargs:
        window = module.kernel_size, module.stride, module.padding, module.dilation
        _put(layers, node, MaxPool2d(*window, module.return_indices, module.ceil_mode), node.args)


def _replace_convolution(layers: fx.GraphModule, node: fx.Node) -> None:
    """Puts a convolution's fused form in its place, with all that can follow it."""
    layer: Any = _module(layers, node)
    if not is_plain(layer, nn.Conv2d, Conv2d) or len(node.args) != 1 or node.kwargs:
        return
    last, chain = node, [node]
    inputs: tuple[Any, ...] = node.args
    norm: Any = _module(layers, _only_user(last))
    if is_plain(norm, nn.BatchNorm2d) and norm.track_running_stats:
        layer = fuse_conv_bn_eval(layer, norm)
        last = _follow(chain)
    user = _only_user(last)
    if user is not None and _adds(layers, user, last) and _between(node, user) <= set(chain) and not user.kwargs:
        other = [arg for arg in user.args if arg is not last]
        if len(other) == 1 and isinstance(other[0], fx.Node):
            inputs, last = (*inputs, other[0]), _follow(chain)
    user = _only_user(last)
    relu = user is not None and (user.target in _RELU or is_plain(_module(layers, user), nn.ReLU))
    if relu:
        last = _follow(chain)
    pool = pool_of(_module(layers, _only_user(last))) if len(inputs) == 1 else None
    if pool == _BY_TWO:
        last = _follow(chain)
    _put(layers, last, Convolution(layer, relu=relu, pool=pool if pool == _BY_TWO else None), inputs)
    for done in reversed(chain[:-1]):
        layers.graph.erase_node(done)


def _adds(layers: fx.GraphModule, node: fx.Node, last: fx.Node) -> bool:
    """Whether it is a sum; in place, only over a map that is its own module's and that nothing else reads."""
    if node.target not in _ADD_OVER:
        return node.target in _ADD
    over = node.args[0]
    own = isinstance(over, fx.Node) and isinstance(_module(layers, over), _OWN)
    return over is last or (own and _only_user(over) is node)  # type: ignore[arg-type]


def _follow(chain: list[fx.Node]) -> fx.Node:
    """Goes on to the only node that uses the chain's last."""
    chain.append(next(iter(chain[-1].users)))
    return chain[-1]


def _between(first: fx.Node, last: fx.Node) -> set[fx.Node]:
    """The nodes from `first` up to `last`, without it: what a layer moved to `last` would pass."""

    def walk() -> Iterator[fx.Node]:
        node = first
        while node is not last:
            yield node
            node = node.next

    return set(walk())


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _module(layers: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    called = node is not None and node.op == "call_module"
    return layers.get_submodule(str(node.target)) if called and node is not None else None


def _put(layers: fx.GraphModule, node: fx.Node, module: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Replaces a node by a call of `module`, under a name of its own: the old one may be called elsewhere."""
    name = f"fused_{node.name}"
    layers.add_submodule(name, module)
    with layers.graph.inserting_after(node):
        new = layers.graph.call_module(name, inputs)
    node.replace_all_uses_with(new)
    layers.graph.erase_node(node)
