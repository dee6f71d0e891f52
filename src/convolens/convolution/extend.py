"""Blocks of the extended signal, gathered through the boundary's maps; the whole is never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.job import Job
from convolens.shapes import boundary_map


def extended_block(job: Job, spans: Sequence[tuple[int, int]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Positions `start` to `stop` of the extended signal on each axis; past its end it goes on with the fill value.

    A view of the signal where the block touches no border and has the dtype, so that inner blocks cost nothing.
    """
    spec, block = job.spec, job.x
    outside: list[tuple[Any, ...]] = []
    for axis, (start, stop) in enumerate(spans):
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
