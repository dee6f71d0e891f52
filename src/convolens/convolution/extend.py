"""The extended signal, of which the whole is never stored: blocks gathered through the boundary's maps."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution.job import Job
from convolens.convolution.spec import Shape, Spec
from convolens.shapes import Boundary, boundary_map

Span = tuple[int, int]


def extended_block(job: Job, spans: dict[int, Span], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Positions `start` to `stop` of the extended signal on the given axes; the others are left as they are.

    Past the extension's end it goes on with the fill value. A view of the signal where the block touches no border and
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
        source = boundary_map(n, before, spec.after[axis], spec.boundary)[start:stop]
        source = np.concatenate([source, np.full(stop - start - len(source), -1)])
        outside.append((*at, source < 0))
        if n:
            block = np.take(block, source, axis, mode="clip")
        else:  # nothing to take from: all of it is the fill value
            block = np.empty((*block.shape[:axis], stop - start, *block.shape[axis + 1 :]), block.dtype)
    block = block.astype(dtype, copy=False)
    for where in outside:
        block[where] = job.fill
    return block


def core_maps(spec: Spec) -> _core.Maps:
    """The boundary's maps in the core's form."""
    return _core_maps(spec.shape, spec.before, spec.after, spec.boundary)


@lru_cache(maxsize=512)
def _core_maps(shape: Shape, before: Shape, after: Shape, boundary: Boundary) -> _core.Maps:
    return _core.Maps([boundary_map(n, b, a, boundary) for n, b, a in zip(shape, before, after, strict=True)])
