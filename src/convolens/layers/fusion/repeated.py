"""A chain of layers that nobody differentiates, repeated by one call of the core (`program`).

Its weights may become others at any time, in ways that torch's version counter does not see. So a program is kept with
fingerprints of their numbers, and before it runs they are looked at again: at each call, or once where weights stand
(`packing.standing_weights`), as within one prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from convolens.layers import core
from convolens.layers.fusion.convolution import FusedConvolution
from convolens.layers.fusion.parse import Op
from convolens.layers.fusion.program import MOST_PROGRAMS, Draft, Map, NotRepeatable, Program
from convolens.layers.levels import levels_of
from convolens.layers.packing import Standing, marks_of, standing_weights
from convolens.settings import precision


class Repeated:
    """The programs of some ops, one for each size of input. Ops that learn have none."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self._ops = ops
        convolutions = [one for op in ops for one in op.convolutions]
        self._convolutions = [one for one in convolutions if isinstance(one, FusedConvolution)]
        self._is_worth_it = len(self._convolutions) > 1 and len(self._convolutions) == len(convolutions)
        self._programs: dict[tuple[Any, ...], tuple[tuple[int, ...], Program | None]] = {}

    def __call__(self, x: Tensor) -> Tensor | None:
        """The last map, in x's order in memory; None where the ops are to be run one by one."""
        if not self._is_worth_it:
            return None
        tensors = self._tensors()
        if not all(map(_is_dense, tensors)):
            return None
        key = x.shape, precision(), core.instruction_set(), self._levels()
        marks = marks_of(self, tensors)
        before, program = self._programs.get(key, (None, None))
        if before != marks or (program is not None and not program.is_still()):
            return self._written(key, marks, tensors, x)
        values = None if program is None else program(x)
        return None if values is None else core.like(values[0], x)

    def _written(self, key: tuple[Any, ...], marks: tuple[int, ...], tensors: list[Tensor], x: Tensor) -> Tensor | None:
        """Runs the ops and writes down how; what was written of other weights, or long ago, is dropped."""
        kept = {other: one for other, one in self._programs.items() if one[0] == marks and other != key}
        self._programs = dict(list(kept.items())[1 - MOST_PROGRAMS :])
        draft, value = Draft(), core.in_order(x)
        last = Map.of_input(value)
        try:
            with standing_weights() as standing:
                for op in self._ops:
                    held = partial(_held, tensors, standing)
                    value, last = draft.write(
                        partial(op, value), {value.data_ptr(): last}, held, _kernels_of(op, value)
                    )
            self._programs[key] = marks, Program(draft, [last])
        except NotRepeatable:
            self._programs[key] = marks, None
            return None
        return core.like(value, x)

    def _tensors(self) -> list[Tensor]:
        found = []
        for one in self._convolutions:
            layer, norm = one.layer, one.norm
            found += [layer.weight, layer.bias]
            if norm is not None:
                found += [norm.running_mean, norm.running_var, norm.weight, norm.bias]
        return [one for one in found if one is not None]

    def _levels(self) -> tuple[Any, ...]:
        return tuple(levels_of(one.layer) for one in self._convolutions)


def _held(tensors: list[Tensor], standing: Standing) -> list[Tensor]:
    return [*tensors, *standing.tensors()]


def _kernels_of(op: Op, x: Tensor) -> int:
    """How many there are where the core does all of it."""
    if isinstance(op, FusedConvolution):
        return 1 + (op.recipe(x).behind is not None)
    return max(1, len(op.convolutions))


def _is_dense(tensor: Tensor) -> bool:
    """Whether its numbers are all that lies between its first and its last."""
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
