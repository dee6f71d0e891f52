"""The extended signal, of which the whole is never stored: blocks gathered through the boundary's maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution.job import Job
from convolens.convolution.spec import Shape, Spec
from convolens.shapes import MANY_SAMPLES, Boundaries, boundary_along, boundary_map

Span = tuple[int, int]

# Samples along one axis beyond which the core gets it in pieces: its maps take 16 bytes a sample.
_LONG_AXIS = 1 << 20


def extended_block(job: Job, spans: dict[int, Span], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Positions `start` to `stop` of the extended signal on the given axes; the others are left as they are.

    Past the extension's end lies the fill value. A view of the signal where the block touches no border and
    has the dtype, so that inner blocks cost nothing.
    """
    spec, block = job.spec, job.x
    outside: list[tuple[Any, ...]] = []
    for axis, (start, stop) in spans.items():
        n, before = spec.shape[axis], spec.before[axis]
        at: tuple[Any, ...] = (slice(None),) * axis
        if before <= start and stop - before <= n:
            block = block[(*at, slice(start - before, stop - before))]
            continue
        end = min(stop, spec.extended[axis])
        source = boundary_map(n, before - start, end - before - n, boundary_along(spec.boundary, axis))
        source = np.concatenate([source, np.full(stop - end, -1)])
        outside.append((*at, source < 0))
        if n:
            block = block[(*at, np.maximum(source, 0))]  # np.take would first copy a strided signal whole
        else:  # nothing to take from: all of it is the fill value
            block = np.empty((*block.shape[:axis], stop - start, *block.shape[axis + 1 :]), block.dtype)
    block = block.astype(dtype, copy=False)
    for where in outside:
        block[where] = job.fill
    return block


def chunks(job: Job, unit: int = 1) -> Iterator[Job]:
    """The job in pieces along its longest axis where that is very long, so that no map is as long as the signal.

    Each but the last has a whole number of units of outputs.
    """
    spec = job.spec
    axis = int(np.argmax(spec.extended))
    if spec.extended[axis] <= _LONG_AXIS:
        yield job
        return
    step = -(-max(_LONG_AXIS // 2, spec.kernel_shape[axis]) // unit) * unit
    cut = _chunk_of_constant if boundary_along(spec.boundary, axis) == "constant" else chunk
    for start in range(0, spec.out[axis], step):
        yield cut(job, axis, start, min(start + step, spec.out[axis]))


def chunk(job: Job, axis: int, start: int, stop: int) -> Job:
    """Outputs `start` to `stop` of an axis as a separate job, which has no border on that axis."""
    spec = job.spec
    # A fraction to fill with fits in no integer signal.
    dtype = spec.source if spec.zeros or not spec.filled else spec.dtype
    x = extended_block(job, {axis: (start, stop + spec.kernel_shape[axis] - 1)}, dtype)
    return _part(replace(job, spec=replace(spec, source=dtype)), axis, (start, stop), x, 0, 0)


def _chunk_of_constant(job: Job, axis: int, start: int, stop: int) -> Job:
    """A chunk of a signal that is extended by a constant: its samples in place, and its border where it has one."""
    spec = job.spec
    first, last = start - spec.before[axis], stop + spec.kernel_shape[axis] - 1 - spec.before[axis]
    begin = min(max(first, 0), spec.shape[axis])
    end = min(max(last, begin), spec.shape[axis])
    x = job.x[(slice(None),) * axis + (slice(begin, end),)]
    return _part(job, axis, (start, stop), x, begin - first, last - end)


def _part(job: Job, axis: int, outputs: Span, x: NDArray[Any], before: int, after: int) -> Job:
    befores, afters = (
        (*sizes[:axis], size, *sizes[axis + 1 :])
        for sizes, size in ((job.spec.before, before), (job.spec.after, after))
    )
    part = replace(job.spec, shape=x.shape, before=befores, after=afters, contiguous=x.flags.c_contiguous)
    return Job(part, x, job.kernel, job.fill, job.out[(slice(None),) * axis + (slice(*outputs),)])


def core_maps(spec: Spec) -> _core.Maps:
    """The boundary's maps in the core's form; few long ones are remembered, as they take eight bytes a sample."""
    few = sum(spec.extended) > MANY_SAMPLES
    return (_cached_long_maps if few else _cached_maps)(spec.shape, spec.before, spec.after, spec.boundary)


def _core_maps(shape: Shape, before: Shape, after: Shape, boundary: Boundaries) -> _core.Maps:
    sides = enumerate(zip(shape, before, after, strict=True))
    return _core.Maps([boundary_map(n, b, a, boundary_along(boundary, axis)) for axis, (n, b, a) in sides])


_cached_maps = lru_cache(maxsize=256)(_core_maps)
_cached_long_maps = lru_cache(maxsize=4)(_core_maps)
