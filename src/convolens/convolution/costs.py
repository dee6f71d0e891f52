"""The cost model of convolution's algorithms: the amounts of each kind of work, and what threads share of it.

`planning` says what a unit of each takes; threads are as many as the cores that the process may run on, whatever
`cl.threads` says: a choice, and with it the bits of a result, does not depend on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2, prod
from typing import Any

import numpy as np

from convolens import planning
from convolens.convolution.spec import Shape, Spec
from convolens.settings import cores

# The core wakes other threads above this many multiply-adds, and gives each at least the second number.
_SERIAL_BELOW = 1 << 20
_FEW_POINTS = 1 << 14  # of blocks
_WORK_PER_TASK = 1 << 18

# Until a sleeping thread takes part.
_WAKING = 5e-5

# Bytes of one transform from which it leaves the fast caches, and its cost an octave grows.
_CACHED_BYTES = 1 << 18

# What a core's first and second cache hold.
_FIRST_CACHE_BYTES = 1 << 15
_NEAR_CACHE_BYTES = 1 << 20

# How the core's direct method cuts its work: results of a tile, at most this many rows by two vectors; a unit, which is
# one thread's, of at most a number of rows, and of bytes of input.
_TILE_ROWS = 12
_TILE_BYTES = 128
_UNIT_ROWS = 64
_UNIT_BYTES = 256 << 10
_FOLDED_BYTES = 64 << 10

# Transforms shorter than this take the time of their calls, not of their octaves.
_SHORT_TRANSFORM = 16
# Seconds for the array of a product of lines, and for each of its weights.
_FORMING_SECONDS = (1e-5, 1e-9)

# Seconds a number: three passes over memory by NumPy.
_ROUNDING_SECONDS = 3e-9

# Seconds a phase of a stepped problem, and for each of its samples: read at a stride, and added.
_PHASE_SECONDS = (3e-5, 2e-9)

# Lines that the transforms' vectors hold.
_VECTOR_LINES = 4


def _seconds(work: str, dtype: np.dtype[Any], amounts: tuple[float, ...]) -> float:
    return planning.seconds(work, dtype.name, amounts)


def direct_amounts(spec: Spec) -> tuple[float, ...]:
    """A call; outputs; weights for each output; lines of outputs, and for each its planes and its lines of weights."""
    lines = _lines(spec)
    planes, rows = prod(spec.kernel_shape[:-2]) * lines, prod(spec.kernel_shape[:-1]) * lines
    return 1.0, float(spec.size), float(spec.size * spec.kernel_size), float(lines), float(planes), float(rows)


def direct_seconds(spec: Spec) -> float:
    """The direct method's time."""
    units, *overhang = direct_tiling(spec)
    regular = _seconds("direct", spec.dtype, direct_amounts(spec))
    besides = _seconds("overhang", spec.dtype, tuple(map(float, overhang)))
    return _among(min(_threads_for(spec.size * spec.kernel_size), max(units, 1)), regular + besides)


def direct_tiling(spec: Spec) -> tuple[int, int, int]:
    """Units of work; products of what tiles hang over the results; lines of the signal read besides one each result's.

    Next to nothing where there are many outputs. Under a huge kernel, a few outputs fill no tile, and outputs along
    the axes before the last two read all of the signal again.
    """
    lines = _lines(spec)
    along = spec.axes[-1] if spec.contiguous and spec.axes else len(spec.out) - 1
    row = max((axis for axis in spec.axes if axis < along), default=None)
    rows, row_weights = (1, 1) if row is None else (spec.out[row], spec.kernel_shape[row])
    length, width = spec.size // max(lines, 1), _TILE_BYTES // spec.real_bytes
    planes = prod(spec.kernel_shape[:along]) // row_weights
    if row_weights == 1 and length >= _TILE_ROWS * width:  # a line is folded to rows
        units = lines * ceil(length * spec.dtype.itemsize / _FOLDED_BYTES)
        tiled, read = lines * _round_up(length, _TILE_ROWS * width), units * planes
    else:
        read_each = planes * (min(rows, _UNIT_ROWS) + row_weights - 1)
        strip = max(_UNIT_BYTES // (max(read_each, 1) * spec.dtype.itemsize) // width, 1) * width
        positions = lines // max(rows, 1)
        units = positions * ceil(rows / _UNIT_ROWS) * ceil(length / strip)
        tiled, read = positions * _round_up(rows, _TILE_ROWS) * _round_up(length, width), units * read_each
    return units, (tiled - spec.size) * spec.kernel_size, max(read - lines, 0)


def _round_up(count: int, unit: int) -> int:
    """The count rounded up to whole units."""
    return ceil(count / unit) * unit


def reduction_amounts(spec: Spec, bands: int, calls: int, rows: int, copied: int) -> tuple[float, ...]:
    """A call; outputs; bands; calls of NumPy; products of a row with a matrix; samples copied; products of numbers."""
    return (
        1.0,
        float(spec.size),
        float(bands),
        float(calls),
        float(rows),
        float(copied),
        float(spec.size * spec.kernel_size),
    )


def reduction_seconds(spec: Spec, *amounts: int) -> float:
    """The time of a few huge dot products, by one thread."""
    return _seconds("reduction", spec.dtype, reduction_amounts(spec, *amounts))


def _lines(spec: Spec) -> int:
    """Lines that the core sees the outputs as: it joins axes that follow the last one convolved to that one."""
    if not spec.contiguous or not spec.axes:
        return prod(spec.out[:-1])
    return max(prod(spec.out[: spec.axes[-1]]), 1)


def sparse_amounts(spec: Spec) -> tuple[float, ...]:
    """A call; weights looked through; outputs; of them what is past the caches; lines.

    Then nonzeros for each output, of them what the first cache cannot hold; for each line; for each output at a border.
    """
    nonzeros, lines = spec.structure.nonzeros, _lines(spec)
    border = spec.size - prod(max(n - k + 1, 0) for n, k in zip(spec.shape, spec.kernel_shape, strict=True))
    width = spec.dtype.itemsize
    past = spec.size * (spec.size * width > _NEAR_CACHE_BYTES)
    crowded = lines > 1 and nonzeros * min(spec.size // lines * width, 1 << 14) > _FIRST_CACHE_BYTES
    for_each = (spec.size, spec.size * crowded, lines, max(border, 0))
    return 1.0, *map(float, (spec.kernel_size, spec.size, past, lines, *(count * nonzeros for count in for_each)))


def sparse_seconds(spec: Spec) -> float:
    """The sparse method's time."""
    return _parallel_seconds(spec, "sparse", sparse_amounts(spec), spec.structure.nonzeros)


def _parallel_seconds(spec: Spec, work: str, amounts: tuple[float, ...], weights: int) -> float:
    """Seconds for work that the core's threads share where there is enough of it."""
    return _among(_threads_for(spec.size * weights), _seconds(work, spec.dtype, amounts))


def _threads_for(products: int) -> float:
    """Threads that the core wakes for a number of multiply-adds."""
    return 1.0 if products < _SERIAL_BELOW else float(min(cores(), products // _WORK_PER_TASK))


def _among(sharing: float, seconds: float) -> float:
    """Time of work that threads share evenly, of which the first does what it can until the others are awake."""
    return seconds if seconds < _WAKING else seconds / sharing + _WAKING * (1 - 1 / sharing)


def outer_seconds(spec: Spec) -> float:
    """An outer product's time: a call, and a multiplication an output."""
    return _parallel_seconds(spec, "outer", (1.0, float(spec.size)), 1)


def transform_amounts(dtype: np.dtype[Any], sizes: Shape, many: float, lines: float) -> tuple[float, ...]:
    """Of transforms there and back with the product between: points; octaves; octaves past the caches; octaves alone.

    Several lines are transformed side by side in one vector; `lines` that are fewer than a vector's are alone.
    """
    points = prod(sizes)
    octaves = many * points * log2(max(points, 2))
    beyond = max(log2(points * dtype.itemsize / _CACHED_BYTES), 0.0)
    return many * points, octaves, many * points * beyond, octaves if len(sizes) == 1 and lines < _VECTOR_LINES else 0.0


def fft_amounts(spec: Spec, dtype: np.dtype[Any], sizes: Shape) -> tuple[float, ...]:
    """A call, and transforms of the whole signal, and of the kernel one way."""
    batch = prod(spec.shape) // prod(spec.shape[axis] for axis in spec.axes)
    return 1.0, *transform_amounts(dtype, sizes, batch + 0.5, float(batch))


def fft_seconds(spec: Spec, dtype: np.dtype[Any], sizes: Shape) -> float:
    """Time of transforms of the whole signal; a single line has nothing that threads could share."""
    amounts = fft_amounts(spec, dtype, sizes)
    seconds = _seconds("fft", dtype, amounts) + _seconds("short_fft", dtype, short_fft_amounts(sizes, amounts[1]))
    return _among(cores() ** 0.5 if amounts[-1] == 0 else 1.0, seconds)


def short_fft_amounts(sizes: Shape, points: float) -> tuple[float, ...]:
    """Lines along axes so short that each is mostly a call."""
    return (sum(points / size for size in sizes if size < _SHORT_TRANSFORM),)


def blocks_amounts(spec: Spec, sizes: Shape, tasks: float) -> tuple[float, ...]:
    """A call; weights; tasks; their rows, points, octaves, octaves past the caches, sweeps of axes above the last two.

    Also points read where the convolved axis is not the one along which samples are neighbours.
    """
    size = prod(sizes)
    points = tasks * size
    beyond = max(log2(2 * size * spec.dtype.itemsize / _CACHED_BYTES), 0.0)
    strided = not spec.contiguous or spec.axes[-1] != len(spec.shape) - 1
    sweeps = points * (len(sizes) - 2)
    rows = points / sizes[-1]
    passes = points, points * log2(size), points * beyond, sweeps, points * strided
    return 1.0, float(spec.kernel_size), tasks, rows, *passes


def blocks_seconds(spec: Spec, sizes: Shape, tasks: int) -> float:
    """Time of blocks, of which each thread does one after another; and of the kernel's transform, by one."""
    kernel = _seconds("blocks", spec.dtype, blocks_amounts(spec, sizes, 0.5))
    blocks = _seconds("blocks", spec.dtype, blocks_amounts(spec, sizes, tasks + 0.5)) - kernel
    count = 1.0 if tasks * prod(sizes) <= _FEW_POINTS else tasks / ceil(tasks / cores())
    return kernel + _among(count, blocks)


def sweep_amounts(spec: Spec) -> tuple[float, ...]:
    """A call; outputs; weights for each output; lines of outputs."""
    weights = spec.structure.terms * sum(spec.kernel_shape[axis] for axis in spec.axes)
    return 1.0, float(spec.size), float(spec.size * weights), float(prod(spec.out[: spec.axes[-1]]))


def sweep_seconds(spec: Spec) -> float:
    """A separable kernel's time where the core does it in one sweep."""
    weights = spec.structure.terms * sum(spec.kernel_shape[axis] for axis in spec.axes)
    return _parallel_seconds(spec, "sweep", sweep_amounts(spec), weights)


def multirate_seconds(spec: Spec, passes: Sequence[tuple[float, ...]]) -> float:
    """Time of passes of weighted means, by the sum of their amounts; see `algorithms/multirate.py`."""
    amounts = tuple(map(sum, zip(*passes, strict=True)))
    return _parallel_seconds(spec, "multirate", amounts, ceil((amounts[1] + amounts[2]) / max(spec.size, 1)))


def phases_seconds(count: int, samples: int) -> float:
    """Time of reading the samples of so many phases and adding their results, so many samples in each."""
    return count * (_PHASE_SECONDS[0] + _PHASE_SECONDS[1] * samples)


def forming_seconds(spec: Spec) -> float:
    """Time of forming the array of a kernel that came as lines."""
    return _FORMING_SECONDS[0] + _FORMING_SECONDS[1] * spec.kernel_size


def rounding_seconds(spec: Spec) -> float:
    """Time of rounding and clipping a result to integers, where an algorithm does not do it on the way."""
    return _ROUNDING_SECONDS * spec.size


def bands_seconds(spec: Spec, bands: int) -> float:
    """What bands and terms cost besides their passes: looking up plans, adding terms."""
    return _seconds("bands", spec.dtype, (1.0, float(bands * max(spec.structure.terms, 1))))
