"""Chains of layers run as one: convolutions with their ReLUs, and pooling.

Maps are released as soon as the next op has read them, but for those that a weight's gradient will read, and their
memory is used again: fresh memory costs a page fault every 4 KiB, which is as much as a ReLU's whole pass. Cost: one
run of the layers, and one backward; memory: with fixed weights a quarter of the maps.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.module import _has_any_global_hook

from convolens import _core
from convolens.layers import core
from convolens.layers.fusion.parse import Differentiable, Op, parse, state_of
from convolens.layers.fusion.repeated import Repeated
from convolens.layers.fusion.shares import shares
from convolens.layers.tensors import mixes_precisions

T = TypeVar("T")
HANDED_OVER = 8 << 20  # bytes of gradients: of VGG16's 59 MB six pieces; torch exchanges 25 MB at once


class Chains:
    """A module's chains, each parsed once for as long as its layers stay what they are.

    The module holds them, so that they go with it. Its copies, pickled ones too, begin with none.
    """

    def __init__(self) -> None:
        self._parsed: dict[Hashable, Chain] = {}

    def __reduce__(self) -> tuple[type[Chains], tuple[()]]:
        return Chains, ()

    def of(self, key: Hashable, layers: list[nn.Module]) -> Chain:
        """The chain that is kept under `key`, if it is still one of just these layers, or a new one."""
        chain = self._parsed.get(key)
        if chain is None or not chain.is_still(layers):
            chain = self._parsed[key] = Chain(layers)
        return chain


class Chain:
    """Layers, one behind the other, as fused ops.

    Parameters are the layers' own at each call, so that others may take their place; whatever else parsing reads is
    settled.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        self._ops, read = parse(layers)
        self._count, self._read = len(layers), list(layers[:read])
        self._states = [state_of(layer) for layer in self._read]
        self._has_backward = all(op.has_backward for op in self._ops or ())
        self._repeated = Repeated(self._ops or [])

    def is_still(self, layers: list[nn.Module]) -> bool:
        """Whether parsing would read the same in these layers."""
        seen = layers[: len(self._read)]
        same = len(layers) == self._count and seen == self._read
        return same and [state_of(layer) for layer in seen] == self._states

    def runs_on(self, x: Tensor) -> bool:
        """Whether the layers can be run as one on x: layers as torch.nn has them, a float32 batch on the CPU."""
        if not self._ops or not x.numel() or _has_any_global_hook():  # type: ignore[no-untyped-call]
            return False
        convolutions = [one for op in self._ops for one in op.convolutions]
        if x.dim() != 4 or not core.runs_on(x) or not all(op.is_read_by_core() for op in convolutions):
            return False
        trainable = [op for op in convolutions if any(p.requires_grad for p in op.parameters)]
        if not self._has_backward and torch.is_grad_enabled() and (trainable or x.requires_grad):
            return False
        return not trainable or not (mixes_precisions(x) or any(op.edge for op in trainable))

    def __call__(self, x: Tensor) -> Tensor:
        """The map after the last of the layers.

        Args:
            x: `(N, C, H, W)`, on which the chain runs.

        Returns:
            The map, in x's order in memory. Differentiable any number of times.
        """
        assert self._ops
        if not torch.is_grad_enabled():
            repeated = self._repeated(x)
            return _without_gradients(self._ops, x) if repeated is None else repeated
        value, pieces = x, _pieces(self._ops) if core.is_channels_last(x) else [self._ops]
        for ops in pieces:
            parameters = [parameter for op in ops for parameter in op.parameters]
            if any(t.requires_grad for t in (value, *parameters)):
                value = _ChainFunction.apply(ops, ops is pieces[-1], value, *parameters)  # type: ignore[no-untyped-call]
            else:
                value = _without_gradients(ops, value)
        return value


def _without_gradients(ops: Sequence[Op], x: Tensor) -> Tensor:
    value = x.contiguous(memory_format=core.LAST)
    for op in ops:
        value = op(value)
    return core.like(value, x)


def _pieces(ops: Sequence[Op]) -> list[list[Op]]:
    """The ops in pieces, each a node of autograd: a node gives its gradients all at once, at its end.

    Several processes exchange gradients while backward goes on with what comes before (`distributed.py`); so where
    weights take gradients, a piece ends behind `HANDED_OVER` bytes of them. Pieces share maps and cost nothing.
    """
    pieces: list[list[Op]] = [[]]
    size = 0
    for op in ops:
        if size >= HANDED_OVER:
            pieces, size = [*pieces, []], 0
        pieces[-1].append(op)
        size += sum(one.nbytes for one in op.parameters if one.requires_grad)
    return pieces


class _ChainFunction(Function):
    @staticmethod
    def forward(ctx: Any, ops: Sequence[Differentiable], is_last: bool, x: Tensor, *parameters: Tensor) -> Tensor:
        value, ctx.ops, ctx.settled, ctx.counts = x.contiguous(memory_format=core.LAST), ops, [], []
        ctx.is_last = is_last
        kept: list[Tensor | None] = []
        for op in ops:
            value, settled, saved = op.saving(value)
            ctx.settled.append(settled)
            ctx.counts.append(len(saved))
            kept += saved
        ctx.save_for_backward(x, *parameters, *kept)  # watched for changes, and released after backward
        return core.like(value, x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        needs, tensors = ctx.needs_input_grad[2:], ctx.saved_tensors
        x, *parameters = inputs = tensors[: len(needs)]
        if torch.is_grad_enabled():  # a gradient of this gradient may be asked for
            return None, None, *_differentiable_gradients(g, ctx.ops, inputs, needs)
        saved = shares(tensors[len(needs) :], ctx.counts)
        if any(needs[1:]):  # weights learn: this step's maps are all there, and the next step's lie where these lay
            _core.expect_as_much_again()
        if ctx.is_last:  # it is written to, and the next piece's is nobody else's
            g = core.pooled_memory(tuple(g.shape)).copy_(g)
        for_x, for_parameters = _backward(g, ctx.ops, list(zip(ctx.settled, saved, strict=True)), parameters, needs)
        return None, None, None if for_x is None else core.like(for_x, x), *for_parameters


def _backward(
    g: Tensor,
    ops: Sequence[Differentiable],
    saved: Sequence[tuple[Any, Any]],
    parameters: Sequence[Tensor],
    needs: Sequence[bool],
) -> tuple[Tensor | None, list[Tensor | None]]:
    """The gradients in the ops' input, and in their parameters, where needed; g is written over."""
    by_op, values = _by_op(ops, needs[1:]), _by_op(ops, parameters)
    lowest = 0 if needs[0] else next(at for at, wanted in enumerate(by_op) if any(wanted))
    gradients: list[list[Tensor | None]] = [[None] * len(wanted) for wanted in by_op]
    for at in reversed(range(lowest, len(ops))):
        wanted = at > lowest or needs[0], *by_op[at]
        g, gradients[at] = ops[at].backward(g, *saved[at], values[at], wanted)
    return g if needs[0] else None, [one for found in gradients for one in found]


def _differentiable_gradients(
    g: Tensor, ops: Sequence[Differentiable], inputs: Sequence[Tensor], needs: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients in the chain's inputs, where needed, as differentiable operators give them."""
    aliases = [one.view_as(one) for one in inputs]  # a weight that two layers share has a gradient from each
    y = aliases[0]
    for op, parameters in zip(ops, _by_op(ops, aliases[1:]), strict=True):
        y = op.by_operators(y, *parameters)
    wanted = [one for one, need in zip(aliases, needs, strict=True) if need]
    found = iter(torch.autograd.grad(y, wanted, g, create_graph=True))
    return [next(found) if need else None for need in needs]


def _by_op(ops: Sequence[Differentiable], of_parameters: Sequence[T]) -> list[tuple[T, ...]]:
    """What belongs to all ops' parameters, one after another, as each op's own."""
    return shares(of_parameters, [len(op.parameters) for op in ops])
