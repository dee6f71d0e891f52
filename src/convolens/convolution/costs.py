"""The cost model: seconds as a few coefficients times the amounts of each kind of work.

The coefficients stand in `costs.json`, written by `python -m benchmarks.calibrate`, which also names the machine they
were measured on: one thread's processor time, by dtype. Elsewhere all methods are faster or slower by about the same
factor, so the choice carries over; the number of threads is taken from where it runs.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from math import ceil, log2, prod
from operator import mul
from typing import Any

import numpy as np

from convolens.convolution.spec import Shape, Spec
from convolens.settings import threads

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

# Lines that the transforms' vectors hold.
_SIDE_BY_SIDE = 4


@cache
def coefficients() -> dict[str, dict[str, list[float]]]:
    """By kind of work and dtype, seconds for each unit of each amount; see the functions below."""
    table = json.loads(files("convolens.convolution").joinpath("costs.json").read_text())
    return table["seconds"]  # type: ignore[no-any-return]


@cache
def _rates(work: str, dtype: np.dtype[Any]) -> list[float]:
    return coefficients()[work][dtype.name]


def _seconds(work: str, dtype: np.dtype[Any], amounts: tuple[float, ...]) -> float:
    return float(sum(map(mul, _rates(work, dtype), amounts)))


def direct_amounts(spec: Spec) -> tuple[float, ...]:
    """A call; outputs; weights for each output; lines of outputs, and for each its planes and its lines of weights."""
    lines = _lines(spec)
    planes, rows = prod(spec.kernel[:-2]) * lines, prod(spec.kernel[:-1]) * lines
    return 1.0, float(spec.size), float(spec.size * spec.weights), float(lines), float(planes), float(rows)


def direct_seconds(spec: Spec) -> float:
    """The direct method's time."""
    return _shared(spec, "direct", direct_amounts(spec), spec.weights)


def _lines(spec: Spec) -> int:
    """Lines that the core sees the outputs as: it joins axes that follow the last one convolved to that one."""
    if not spec.contiguous or not spec.axes:
        return prod(spec.out[:-1])
    return max(prod(spec.out[: spec.axes[-1]]), 1)


def sparse_amounts(spec: Spec) -> tuple[float, ...]:
    """A call; weights looked through; outputs; of them what is past the caches; lines.

    Then taps for each output, of them what the first cache cannot hold; for each line; for each output at a border.
    """
    taps, lines = spec.structure.taps, _lines(spec)
    border = spec.size - prod(max(n - k + 1, 0) for n, k in zip(spec.shape, spec.kernel, strict=True))
    width = spec.dtype.itemsize
    past = spec.size * (spec.size * width > _NEAR_CACHE_BYTES)
    crowded = spec.size * taps * (lines > 1 and taps * min(spec.size // lines * width, 1 << 14) > _FIRST_CACHE_BYTES)
    amounts = (spec.weights, spec.size, past, lines, spec.size * taps, crowded, lines * taps, max(border, 0) * taps)
    return 1.0, *map(float, amounts)


def sparse_seconds(spec: Spec) -> float:
    """The sparse method's time."""
    return _shared(spec, "sparse", sparse_amounts(spec), spec.structure.taps)


def _shared(spec: Spec, work: str, amounts: tuple[float, ...], taps: int) -> float:
    """Seconds for work that the core's threads share where there is enough of it."""
    products = spec.size * taps
    sharing = 1 if products < _SERIAL_BELOW else min(threads(), products // _WORK_PER_TASK)
    return _among(float(sharing), _seconds(work, spec.dtype, amounts))


def _among(sharing: float, seconds: float) -> float:
    """Time of work shared evenly, of which the first thread does what it can until the others are awake."""
    return seconds if seconds < _WAKING else seconds / sharing + _WAKING * (1 - 1 / sharing)


def outer_seconds(spec: Spec) -> float:
    """An outer product's time: a call, and a multiplication an output."""
    return _shared(spec, "outer", (1.0, float(spec.size)), 1)


def transform_amounts(dtype: np.dtype[Any], sizes: Shape, many: float, lines: float) -> tuple[float, ...]:
    """Of transforms there and back with the product between: points; octaves; octaves past the caches; octaves alone.

    Several lines are transformed side by side in one vector; `lines` that are fewer than a vector's are alone.
    """
    points = prod(sizes)
    octaves = many * points * log2(max(points, 2))
    beyond = max(log2(points * dtype.itemsize / _CACHED_BYTES), 0.0)
    return many * points, octaves, many * points * beyond, octaves if len(sizes) == 1 and lines < _SIDE_BY_SIDE else 0.0


def fft_amounts(spec: Spec, dtype: np.dtype[Any], sizes: Shape) -> tuple[float, ...]:
    """A call, and transforms of the whole signal, and of the kernel one way."""
    batch = prod(spec.shape) // prod(spec.shape[axis] for axis in spec.axes)
    return 1.0, *transform_amounts(dtype, sizes, batch + 0.5, float(batch))


def fft_seconds(spec: Spec, dtype: np.dtype[Any], sizes: Shape) -> float:
    """Time of transforms of the whole signal; a single line has nothing that threads could share."""
    amounts = fft_amounts(spec, dtype, sizes)
    return _among(threads() ** 0.5 if amounts[-1] == 0 else 1.0, _seconds("fft", dtype, amounts))


def blocks_amounts(spec: Spec, sizes: Shape, tasks: float) -> tuple[float, ...]:
    """A call; weights; tasks; their rows, points, octaves, octaves past the caches, sweeps of axes above the last two.

    Also points read where the convolved axis is not the one along which samples are neighbours.
    """
    size = prod(sizes)
    points = tasks * size
    beyond = max(log2(2 * size * spec.dtype.itemsize / _CACHED_BYTES), 0.0)
    apart = not spec.contiguous or spec.axes[-1] != len(spec.shape) - 1
    sweeps = points * (len(sizes) - 2)
    rows = points / sizes[-1]
    return 1.0, float(spec.weights), tasks, rows, points, points * log2(size), points * beyond, sweeps, points * apart


def blocks_seconds(spec: Spec, sizes: Shape, tasks: int) -> float:
    """Time of blocks, of which each thread does one after another; and of the kernel's transform, by one."""
    kernel = _seconds("blocks", spec.dtype, blocks_amounts(spec, sizes, 0.5))
    blocks = _seconds("blocks", spec.dtype, blocks_amounts(spec, sizes, tasks + 0.5)) - kernel
    sharing = 1.0 if tasks * prod(sizes) <= _FEW_POINTS else tasks / ceil(tasks / threads())
    return kernel + _among(sharing, blocks)


def sweep_amounts(spec: Spec) -> tuple[float, ...]:
    """A call; outputs; weights for each output; lines of outputs."""
    weights = spec.structure.terms * sum(spec.kernel[axis] for axis in spec.axes)
    return 1.0, float(spec.size), float(spec.size * weights), float(prod(spec.out[: spec.axes[-1]]))


def sweep_seconds(spec: Spec) -> float:
    """A separable kernel's time where the core does it in one sweep."""
    return _shared(spec, "sweep", sweep_amounts(spec), spec.structure.terms * sum(spec.kernel[d] for d in spec.axes))


def bands_seconds(spec: Spec, bands: int) -> float:
    """What bands and terms cost besides their passes: looking up plans, adding terms."""
    return _seconds("bands", spec.dtype, (1.0, float(bands * max(spec.structure.terms, 1))))
