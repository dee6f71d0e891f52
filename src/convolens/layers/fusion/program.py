"""Convolutions and poolings one behind the other, repeated by one call of the core.

Which kernels run, on what, depends on the input's size alone. So the first time for a size they are written down as
they run (`core.written_down`), the maps between them are given places in one piece of memory, and from then on the core
goes through all of them without coming back to Python, which takes some 70 µs a layer: a quarter of ResNet50's time in
8-bit integers. Fused networks (`row`) and chains of layers that nobody differentiates (`chains`) are run so.

In a batch the first maps are large: written by one layer, they are read by the next from memory, not from the cache.
Where that takes longer than the products, in 8-bit integers and bfloat16, the first layers run for a few pictures after
the others, and the maps between them have room for those alone. The later ones, of small maps and many weights, run for
all at once. The bits of what comes out are the same.

A map that only layers in 8-bit integers read is stored as the levels that they make of it, in a quarter of the bytes or
half of them, with the same bits once more. NaN has no level: where one is met, layers are run one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import Tensor

from convolens import _core
from convolens.arrays import empty
from convolens.layers import core

_LINE = 16  # floats: maps begin at a cache line
_X, _ARENA, _OF_GROUP, _OUTPUTS = 0, 1, 2, 3  # numbers of buffers
_LARGE_MAP = 1 << 22  # floats that a third-level cache does not hold beside others
_GROUP_MAP = 1 << 20  # that one holds, of a few pictures
_NONE = 0.0, 0  # levels: a map of numbers
MOST_PROGRAMS = 64  # sizes that are kept: a program is some kilobytes
_KERNELS = frozenset(("winograd", "im2col", "depthwise", "bfloat16_convolution", "int8_convolution", "pool"))


_FASTER_THAN_MEMORY = ("int8_convolution", "bfloat16_convolution")  # products in float32 are what takes the time


class NotRepeatable(Exception):  # noqa: N818 - no error that anybody sees
    """Something else than the core's kernels took part."""


@dataclass(eq=False)
class Map:
    """A map between two kernels."""

    shape: tuple[int, ...]
    first: int  # the step that writes it
    last: int  # that reads it last
    buffer: int = _ARENA
    offset: int = 0  # floats
    pictures: int | None = None  # that there is room for; None: all
    levels: tuple[float, int] | None = None  # it is stored as: their step, and the lowest

    @classmethod
    def of_input(cls, x: Tensor) -> Map:
        """The one that a program is given."""
        return cls(tuple(x.shape), -1, -1, _X)

    @property
    def size(self) -> int:
        """Floats that it takes, up to where another may begin."""
        n, c, h, w = self.shape
        n = n if self.pictures is None else self.pictures
        return -(-n * c * h * w // _LINE) * _LINE

    def settle(self, early: int, pictures: int) -> None:
        """Says where it lies, where so many steps run for so many pictures after the others."""
        if self.buffer != _ARENA or self.first >= early:
            return
        if self.last < early:
            self.buffer, self.pictures = _OF_GROUP, pictures
        else:
            self.first = 0  # of the first pictures it is written before the last steps of these run again


@dataclass
class _Step:
    name: str
    arguments: tuple[Any, ...]
    x: Map
    residual: Map | None
    y: Map


class Draft:
    """Kernels as they are called, written down.

    Attributes:
        steps: them, in their order.
        held: what they read besides maps, kept alive for as long as the program is.
    """

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self.held: list[Tensor] = []

    def write(
        self,
        run: Callable[[], Tensor],
        maps: Mapping[int, Map],
        held: Callable[[], Sequence[Tensor]],
        kernels: int | None = None,
    ) -> tuple[Tensor, Map]:
        """Runs some layers and writes down how.

        Args:
            run: what gives their last map.
            maps: those that they may read, by their addresses.
            held: what else they may read, asked for when they have run; it must stay where it is.
            kernels: how many there must be, where that is known.

        Raises:
            NotRepeatable: something else than the core's kernels took part.
        """
        with core.written_down() as calls:
            y = run()
        mine, known = held(), dict(maps)
        constant = {0, *(one.data_ptr() for one in mine)}
        found = [self._step(name, arguments, known, constant) for name, arguments in calls]
        if not found or found[-1].shape != tuple(y.shape) or known.get(y.data_ptr()) is not found[-1]:
            raise NotRepeatable
        if kernels not in (None, len(found)):
            raise NotRepeatable
        self.held += mine
        return y, found[-1]

    def _step(self, name: str, arguments: tuple[Any, ...], known: dict[int, Map], constant: set[int]) -> Map:
        if name not in _KERNELS:
            raise NotRepeatable
        x, y = arguments[0], arguments[-2] if name == "pool" else arguments[-1]
        after = arguments[-2] if name != "pool" else (0, 0, 0, 0)
        if name != "pool" and not {arguments[1][0], arguments[2], *after[:2]} <= constant:
            raise NotRepeatable  # a weight or a bias that was brought into another order for this call alone
        read = [known.get(address) for address in (x[0], after[2]) if address]
        if None in read:
            raise NotRepeatable
        residual = cast(Map, read[-1]) if after[2] else None
        number = len(self.steps)
        for one in read:
            cast(Map, one).last = number
        _, n, h, w, c, *_ = y
        found = residual if residual is not None and y[0] == after[2] else Map((n, c, h, w), number, number)
        known[y[0]] = found
        self.steps.append(_Step(name, arguments, cast(Map, read[0]), residual, found))
        return found


class Program:
    """Layers on inputs of one size, for as long as their weights lie where they do.

    Attributes:
        stored_as_levels: how many maps are.
    """

    def __init__(self, draft: Draft, outputs: Sequence[Map]) -> None:
        self._held = [(one, one.data_ptr()) for one in {id(one): one for one in draft.held}.values()]
        self._shapes = [one.shape for one in outputs]
        for number, one in enumerate(outputs):
            if one.buffer != _ARENA:  # the input itself, or one value twice
                raise NotRepeatable
            one.buffer = _OUTPUTS + number
        early, pictures = _groups(draft.steps)
        maps = list({id(step.y): step.y for step in draft.steps}.values())
        for one in maps:
            one.settle(early, pictures)
        self._floats = [_place(maps, buffer) for buffer in (_ARENA, _OF_GROUP)]
        self.stored_as_levels = _choose_levels(draft.steps)
        self._program = _core.Program()
        for step in draft.steps:
            _write(self._program, step)
        self._program.in_groups(early, pictures, self._shapes[0][0], _OF_GROUP)

    def is_still(self) -> bool:
        """Whether all that it reads is where it was: torch moves what is put into shared memory, among others."""
        return all(one.data_ptr() == address for one, address in self._held)

    def __call__(self, x: Tensor) -> list[Tensor] | None:
        """The outputs, channels-last; None where a map that is stored as levels would hold NaN."""
        x = core.in_order(x)
        arenas = [empty((floats,), np.float32) for floats in self._floats]
        outputs = [core.pooled_memory(shape) for shape in self._shapes]
        buffers = *(one.ctypes.data for one in arenas), *(one.data_ptr() for one in outputs)
        done = self._program.run([x.data_ptr(), *buffers])
        return outputs if done else None


def _groups(steps: Sequence[_Step]) -> tuple[int, int]:
    """How many of the first steps run for some pictures after the others, and for how many pictures each time."""
    batch = steps[0].x.shape[0]
    largest = [max(step.x.size, step.y.size) for step in steps]
    early = max((at + 1 for at, size in enumerate(largest) if size > _LARGE_MAP), default=0)
    pictures = _GROUP_MAP * batch // max(1, *largest)  # 0 where one's maps are too large: then nothing is won
    waits = any(step.name in _FASTER_THAN_MEMORY for step in steps[:early])
    return (early, pictures) if waits and 0 < pictures < batch else (0, max(batch, 1))


def _place(maps: Sequence[Map], buffer: int) -> int:
    """Gives each map in a buffer a place that none has that lives at the same time; how many floats that takes."""
    placed: list[Map] = []
    for one in sorted((one for one in maps if one.buffer == buffer), key=lambda one: -one.size):
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
        if step.y.buffer in (_ARENA, _OF_GROUP) and step.name in ("int8_convolution", "im2col", "pool"):
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

    def within(view: tuple[int, ...], one: Map) -> tuple[int, ...]:
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
