"""Separable and low-rank kernels: a pass along one axis, a pass along the others, for each term of a short sum.

R·(K + L) instead of K·L multiplications an output. Two axes are done by the core in one sweep over memory. With more,
the signal is done in bands of lines, so that intermediate results stay in cache, and each pass is a problem
by itself, left to the algorithm that is best for it.

A boundary's extension along one axis commutes with a pass along another, so each pass can extend its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution import costs
from convolens.convolution.extend import chunk, core_maps
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.product import Product
from convolens.convolution.resampling import Planes, filtered, planes, reads, resample
from convolens.convolution.spec import Shape, Spec
from convolens.convolution.structure import LEFT_OUT, Structure, terms_of
from convolens.planning import Cost
from convolens.shapes import MANY_SAMPLES, boundary_along

NAME = "separable"
KEEPS_NONFINITE_LOCAL = True
TAKES_STEPS = False

# Bytes between two passes: within the second-level caches of two cores.
_BAND_BYTES = 1 << 20

# Scalars after the second axis that the core takes along.
_CORE_CHANNELS = 4096

# By measurement: weights along both axes, and outputs, for which the core's weighted means are the slower sweep.
_SHORT = 14
_MANY_OUTPUTS = 1 << 14

# Planes that are done one by one, a call of the core each.
_MAX_PLANES = 64


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if len(spec.axes) < 2:
        return "the kernel has only one axis"
    if spec.structure.split is None:
        return "the kernel is no short sum of separable ones, or too small to look for one"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """Two passes for each term."""
    error = LEFT_OUT * spec.epsilon
    if _in_one_sweep(spec):
        rounded = sum(spec.kernel_shape[axis] for axis in spec.axes) * spec.structure.terms + 2
        error += rounded * spec.structure.amplification * spec.epsilon
        return Estimate(costs.sweep_seconds(spec), 0.0, error, rounds=_resamples(spec), by_lines=True)
    bands = list(_bands(spec))
    across, along = _passes(spec, *bands[0])
    parts = best(across), best(along)
    passes = spec.structure.terms * len(bands) * sum(part.seconds for part in parts)
    seconds = passes + costs.bands_seconds(spec, len(bands))
    between = (prod(across.out) + prod(along.out)) * spec.dtype.itemsize
    error += spec.structure.terms * spec.structure.amplification * sum(part.error for part in parts)
    return Estimate(seconds, between + sum(part.memory for part in parts), error, by_lines=True)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    sweeps = _in_one_sweep(job.spec) and job.out.flags.c_contiguous
    if _in_one_sweep(job.spec) and _resamples(job.spec) and not (sweeps and _is_short(job.spec)):
        return _by_resampling(job)
    return _sweep(job) if sweeps else _in_bands(job, solve)


def _in_one_sweep(spec: Spec) -> bool:
    """Whether the core can do it: two axes, and the axes after them are contiguous."""
    if len(spec.axes) != 2:
        return False
    after = prod(spec.shape[spec.axes[1] + 1 :])
    return after == 1 or (spec.contiguous and after <= _CORE_CHANNELS)


def _resamples(spec: Spec) -> bool:
    """Whether the core's weighted means can do it, which round to integers on the way and are faster for long lines."""
    first, second = spec.axes
    few = prod(spec.shape[:first]) <= _MAX_PLANES
    return few and reads(spec) and spec.structure.terms == 1 and second == first + 1


def _is_short(spec: Spec) -> bool:
    """Whether the weighted means would take up to twice as long as the other sweep, which does not round on the way."""
    return not spec.rounded and spec.size >= _MANY_OUTPUTS and sum(spec.kernel_shape[d] for d in spec.axes) <= _SHORT


def _by_resampling(job: Job) -> None:
    short = isinstance(job.kernel, Product) and sum(job.spec.extended) <= MANY_SAMPLES
    look_up: Any = _cached_planes if short else _planes
    resample(job.x, look_up(job.spec, job.kernel), job.out)


def _planes(spec: Spec, kernel: Any) -> Planes:
    """The signal as the core's weighted means see it."""
    _, [(line, rest)] = terms_of(kernel)
    sides = zip(spec.axes, sorted((line, np.asarray(rest)), key=lambda side: side.shape[spec.axes[1]]), strict=True)
    along = tuple(
        filtered(
            spec.shape[axis], spec.before[axis], spec.after[axis], boundary_along(spec.boundary, axis), side.ravel()
        )
        for axis, side in sides
    )
    return planes(spec.shape, spec.axes[0], along)


# Of a kernel known by its lines, which pictures of one size share: half of the time of a small picture's blur.
_cached_planes = lru_cache(maxsize=64)(_planes)


def _sweep(job: Job) -> None:
    first, second = job.spec.axes
    terms = terms_of(job.kernel)[1]
    # Which axis was split off does not matter here: of each term, the line along the first axis comes first.
    pairs = [term if term[0].shape[first] > 1 else term[::-1] for term in terms]
    down, across = (np.stack([np.ravel(pair[side]) for pair in pairs]) for side in (0, 1))
    maps = core_maps(job.spec)
    _core.correlate_separable(job.x, down, across, job.out, maps, (first, second), job.fill, job.spec.magnitude_bound)


def _in_bands(job: Job, solve: Solve) -> None:
    spec = job.spec
    axis, terms = terms_of(job.kernel)
    assert axis is not None
    buffers = [np.empty(0, spec.dtype), np.empty(0, spec.dtype)]
    for start, stop in _bands(spec):
        across, along = _passes(spec, start, stop)
        part = chunk(job, axis, start, stop)
        across = replace(across, source=part.spec.source, contiguous=part.spec.contiguous)
        between = _buffer(buffers, 0, across.out)
        for number, (line, rest) in enumerate(terms):
            solve(Job(across, part.x, rest, job.fill, between))
            term = _buffer(buffers, 1, along.out) if number else part.out
            solve(Job(along, between, line, 0, term))
            if number:
                part.out[...] += term


def _buffer(buffers: list[NDArray[Any]], number: int, shape: Shape) -> NDArray[Any]:
    """An array in memory that earlier bands have used: fresh memory would take longer than the pass."""
    size = prod(shape)
    if buffers[number].size < size:
        buffers[number] = np.empty(size, buffers[number].dtype)
    return buffers[number][:size].reshape(shape)


def count(spec: Spec) -> int:
    """How many bands there are."""
    return -(-max(spec.out[spec.structure.split or 0], 1) // _lines(spec))


def _bands(spec: Spec) -> Iterator[tuple[int, int]]:
    """Outputs along the split axis, `start` to `stop`, that are done together."""
    size, lines = spec.out[spec.structure.split or 0], _lines(spec)
    for start in range(0, max(size, 1), lines):
        yield start, min(start + lines, size)


def _lines(spec: Spec) -> int:
    """Of the split axis, how many of a band."""
    axis = spec.structure.split or 0
    line = spec.size // max(spec.out[axis], 1) * spec.dtype.itemsize
    return max(_BAND_BYTES // max(line, 1), 2 * (spec.kernel_shape[axis] - 1), 8)


def _passes(spec: Spec, start: int, stop: int) -> tuple[Spec, Spec]:
    """The problems of one band: across the split axis, from the signal; then along it, which no border touches."""
    axis = spec.structure.split or 0

    def on_axis(sizes: tuple[int, ...], value: int) -> tuple[int, ...]:
        return (*sizes[:axis], value, *sizes[axis + 1 :])

    across = replace(
        spec,
        shape=on_axis(spec.shape, stop - start + spec.kernel_shape[axis] - 1),
        kernel_shape=on_axis(spec.kernel_shape, 1),
        before=on_axis(spec.before, 0),
        after=on_axis(spec.after, 0),
        structure=spec.structure.rest or Structure(0),
    )
    line = on_axis((1,) * len(spec.kernel_shape), spec.kernel_shape[axis])
    nothing = (0,) * len(line)
    along = Spec(
        across.out, line, nothing, nothing, "constant", spec.dtype, spec.dtype,
        structure=Structure(spec.kernel_shape[axis]), magnitude_bound=spec.magnitude_bound,
    )  # fmt: skip
    return across, along
