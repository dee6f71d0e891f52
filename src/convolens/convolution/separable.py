"""Separable and low-rank kernels: a pass along one axis, a pass along the others, for each term of a short sum.

R·(K + L) instead of K·L multiplications an output. The signal is done in bands of lines, so that what lies between two
passes stays in cache. Each pass is a problem of its own, left to the algorithm that is best for it.

A boundary's extension along one axis commutes with a pass along another, so each pass can extend its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import numpy as np

from convolens.convolution.extend import extended_block
from convolens.convolution.job import Cost, Job, Solve
from convolens.convolution.spec import Spec
from convolens.convolution.structure import LEFT_OUT, Structure, terms_of

NAME = "separable"
LOCAL = True

# Bytes between two passes: within the second-level caches of two cores.
_BAND_BYTES = 1 << 20


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if len(spec.axes) < 2:
        return "the kernel lies along one axis"
    if spec.structure.split is None:
        return "the kernel is no short sum of separable ones, or too small to look for one"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Cost:
    """Two passes for each term, in bands."""
    bands = list(_bands(spec))
    across, along = _passes(spec, *bands[0])
    parts = best(across), best(along)
    seconds = spec.structure.terms * len(bands) * sum(part.seconds for part in parts)
    between = (prod(across.out) + prod(along.out)) * spec.dtype.itemsize
    error = spec.structure.terms * sum(part.error for part in parts) + LEFT_OUT * spec.epsilon
    return Cost(seconds, between + sum(part.memory for part in parts), error)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    spec = job.spec
    axis, terms = terms_of(job.weights)
    assert axis is not None
    for start, stop in _bands(spec):
        across, along = _passes(spec, start, stop)
        x = extended_block(job, {axis: (start, stop + spec.kernel[axis] - 1)}, spec.source)
        out = job.out[(slice(None),) * axis + (slice(start, stop),)]
        between = np.empty(across.out, spec.dtype)
        for number, (line, rest) in enumerate(terms):
            solve(Job(across, x, rest, job.fill, between))
            part = np.empty_like(out) if number else out
            solve(Job(along, between, line, 0, part))
            if number:
                out += part


def _bands(spec: Spec) -> Iterator[tuple[int, int]]:
    """Outputs along the split axis, `start` to `stop`, that are done together."""
    axis = spec.structure.split or 0
    size, reach = spec.out[axis], spec.kernel[axis] - 1
    line = spec.size // max(size, 1) * spec.dtype.itemsize
    lines = max(_BAND_BYTES // max(line, 1), 2 * reach, 8)
    for start in range(0, max(size, 1), lines):
        yield start, min(start + lines, size)


def _passes(spec: Spec, start: int, stop: int) -> tuple[Spec, Spec]:
    """The problems of one band: across the split axis, from the signal; then along it, which no border touches."""
    axis = spec.structure.split or 0

    def on_axis(sizes: tuple[int, ...], value: int) -> tuple[int, ...]:
        return (*sizes[:axis], value, *sizes[axis + 1 :])

    across = replace(
        spec,
        shape=on_axis(spec.shape, stop - start + spec.kernel[axis] - 1),
        kernel=on_axis(spec.kernel, 1),
        before=on_axis(spec.before, 0),
        after=on_axis(spec.after, 0),
        structure=spec.structure.rest or Structure(0),
    )
    line = on_axis((1,) * len(spec.kernel), spec.kernel[axis])
    nothing = (0,) * len(line)
    along = Spec(
        across.out, line, nothing, nothing, "constant", spec.dtype, spec.dtype,
        structure=Structure(spec.kernel[axis]), peak=spec.peak,
    )  # fmt: skip
    return across, along
