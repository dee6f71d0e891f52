"""The core's separable weighted means (`core/kernels/resample.cpp`): what they can do, and axes as they take them.

Rows and columns in one sweep through the caches. Results may be integers, rounded and clipped on the way.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution.spec import Spec
from convolens.shapes import Boundary, boundary_map

_READ = frozenset(map(np.dtype, ("u1", "u2", "f4", "f8")))


class Windows(NamedTuple):
    """One axis of a separable weighted mean, as the core takes it.

    Output i is `weights[phase[i]]` times the padded samples from `first[i]` on; padded sample p is sample `map[p]`, or
    0 where that is -1.
    """

    map: NDArray[np.int64]
    first: NDArray[np.int64]
    phase: NDArray[np.int64]
    weights: NDArray[np.floating]


def filtered(size: int, before: int, after: int, boundary: Boundary, line: NDArray[np.floating]) -> Windows:
    """An axis correlated with a line of weights."""
    outputs = size + before + after - len(line) + 1
    first, phase = _every_position(outputs)
    return Windows(boundary_map(size, before, after, boundary), first, phase, np.ascontiguousarray(line)[None])


@lru_cache(maxsize=64)
def identity(size: int, dtype: np.dtype[Any]) -> Windows:
    """An axis that is left alone."""
    return filtered(size, 0, 0, "constant", np.ones(1, dtype))


@lru_cache(maxsize=64)
def _every_position(outputs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.arange(outputs), np.zeros(outputs, np.int64)


def reads(spec: Spec) -> bool:
    """Whether the core can read such a signal, and compute in such a dtype, as it is."""
    wide = spec.dtype == np.float64
    return (
        spec.dtype.kind == "f"
        and spec.source in _READ
        and wide == (spec.source == np.float64)
        and spec.contiguous
        and (spec.zeros or not spec.filled)
        and spec.size > 0
        and 0 not in spec.shape
    )


# Neighbouring scalars from which an axis is summed line by line, each for itself.
_MANY_CHANNELS = 64

# What the core's vectors and its blocks of rows hold, for prices.
_VECTOR_BYTES = 64
_VECTORS_IN_A_BLOCK = 2


class Planes(NamedTuple):
    """Arrays seen as the core sees them: planes of rows, columns and channels, one after another."""

    shape: tuple[int, int, int, int]
    down: Windows
    across: Windows

    @property
    def outputs(self) -> tuple[int, int, int, int]:
        """Shape of what comes out."""
        return self.shape[0], len(self.down.first), len(self.across.first), self.shape[3]

    @property
    def products(self) -> tuple[int, int]:
        """About how many products there are down and across.

        Lines shorter than a vector, and blocks that lack rows, take as long as whole ones.
        """
        planes, rows, columns, channels = self.outputs
        lanes = _VECTOR_BYTES // self.down.weights.itemsize
        width, block = self.shape[2] * channels, lanes * _VECTORS_IN_A_BLOCK
        down = planes * rows * (width * lanes if width < lanes else width)
        across = planes * -(-rows // block) * block * columns * channels
        return down * self.down.weights.shape[1], across * self.across.weights.shape[1]


def planes(shape: tuple[int, ...], axis: int, windows: tuple[Windows, ...]) -> Planes:
    """How means along an axis, or along that and the next one, are done: as rows, columns, or both."""
    dtype, first = windows[0].weights.dtype, prod(shape[:axis])
    if len(windows) == 1 and axis > 0 and prod(shape[axis + 1 :]) <= _MANY_CHANNELS:
        return Planes((1, first, shape[axis], prod(shape[axis + 1 :])), identity(first, dtype), windows[0])
    columns = shape[axis + 1] if axis + 1 < len(shape) else 1
    across = windows[1] if len(windows) == 2 else identity(columns, dtype)
    return Planes((first, shape[axis], columns, prod(shape[axis + 2 :])), windows[0], across)


def resample(x: NDArray[Any], seen: Planes, out: NDArray[Any]) -> None:
    """The weighted means of a contiguous x, seen as planes."""
    if not out.flags.c_contiguous:
        together = np.empty(out.shape, out.dtype)
        resample(x, seen, together)
        out[...] = together
        return
    for plane, output in zip(x.reshape(seen.shape), out.reshape(seen.outputs), strict=True):
        _core.resample(plane, seen.down, seen.across, output)
