"""Polyphase: outputs at every step-th place alone, as a few convolutions without steps.

    out[i] = Σ_k w[k] · X[s i + k] = Σ_r Σ_q w[s q + r] · X_r[i + q],   X_r[i] = X[s i + r]

Each remainder r of k by the step s is a *phase*: the signal's every s-th sample under the kernel's every s-th weight.
Together they are outputs × weights multiplications, and none for places that nobody wants. Each phase is a problem by
itself, left to the algorithm that is best for it, so that transforms too are as short as the outputs are few.

Bellanger, Bonnerot & Coudreuse, "Digital filtering by polyphase network", IEEE ASSP 24(2), 1976.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import empty
from convolens.convolution import costs
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.product import Product
from convolens.convolution.spec import Shape, Spec
from convolens.convolution.structure import describe
from convolens.planning import Cost
from convolens.shapes import boundary_along, boundary_map

NAME = "polyphase"
KEEPS_NONFINITE_LOCAL = True
TAKES_STEPS = True


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    return None if spec.step else "every place is wanted"


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """A problem without steps for each phase, the reading of its samples, and the adding."""
    count = prod(map(min, spec.step, spec.kernel_shape))
    part = _largest_phase(spec, count)
    each = best(part)
    samples = prod(part.shape)
    seconds = count * each.seconds + costs.phases_seconds(count, samples + spec.size)
    memory = each.memory + (samples + spec.size) * spec.dtype.itemsize
    return Estimate(seconds, float(memory), each.error + count * spec.epsilon, by_lines=True)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    between: NDArray[Any] | None = None
    for phase in product(*map(range, map(min, job.spec.step, job.spec.kernel_shape))):
        if between is None:
            solve(_phase(job, phase, job.out))
            between = empty(job.spec.out, job.spec.dtype)
        else:
            solve(_phase(job, phase, between))
            job.out[...] += between


def _largest_phase(spec: Spec, count: int) -> Spec:
    """The problem of the phase with most weights, for its price."""
    kernel = tuple(map(_ceil_divided, spec.kernel_shape, spec.step))
    shape = tuple(n + k - 1 for n, k in zip(spec.out, kernel, strict=True))
    nonzeros = ceil(spec.structure.nonzeros / count)
    structure = replace(spec.structure, nonzeros=nonzeros, sigmas=None, truncation=0.0)
    return _without_steps(replace(spec, kernel_shape=kernel, structure=structure), shape)


def _without_steps(spec: Spec, shape: Shape) -> Spec:
    nothing = (0,) * len(shape)
    return replace(
        spec, shape=shape, before=nothing, after=nothing, boundary="constant", zeros=True, step=(), tolerance=0.0
    )


def _ceil_divided(size: int, step: int) -> int:
    return -(-size // step)


def _phase(job: Job, phase: Shape, out: NDArray[Any]) -> Job:
    """One phase as a job without steps or borders."""
    spec, x = job.spec, job.x
    kernel = _every(job.kernel, phase, spec.step)
    sides = zip(phase, spec.step, spec.out, kernel.shape, strict=True)
    for axis, (first, step, outputs, weights) in enumerate(sides):
        x = _samples(x, job, axis, range(first, first + step * (outputs + weights - 1), step))
    structure = describe(kernel, seek_rank=spec.structure.split is not None)
    whole = replace(spec, kernel_shape=kernel.shape, structure=structure, source=x.dtype)
    part = replace(_without_steps(whole, x.shape), contiguous=x.flags.c_contiguous)
    return Job(part, x, kernel, 0, out)


def _every(kernel: Any, phase: Shape, step: Shape) -> Any:
    """The kernel's every step-th weight on each axis."""
    if isinstance(kernel, Product):
        return Product(tuple(line[r::s].copy() for line, r, s in zip(kernel.lines, phase, step, strict=True)))
    return np.ascontiguousarray(kernel[tuple(slice(r, None, s) for r, s in zip(phase, step, strict=True))])


def _samples(x: NDArray[Any], job: Job, axis: int, positions: range) -> NDArray[Any]:
    """The extended signal at these positions of an axis; a view where all are inside."""
    spec, at = job.spec, (slice(None),) * axis
    size, before, after = spec.shape[axis], spec.before[axis], spec.after[axis]
    boundary = boundary_along(spec.boundary, axis)
    head, rest = _cut(positions, before)
    inside, tail = _cut(rest, before + size)
    inner = x[(*at, _as_slice(inside, before))]
    if not head and not tail:
        return inner
    first = boundary_map(size, before, -size, boundary)[_as_slice(head, 0)]
    last = boundary_map(size, -size, after, boundary)[_as_slice(tail, before + size)]
    return np.concatenate([_gathered(x, axis, first, job), inner, _gathered(x, axis, last, job)], axis=axis)


def _cut(positions: range, at: int) -> tuple[range, range]:
    """Those before a position, and the others."""
    count = max(0, _ceil_divided(at - positions.start, positions.step))
    return positions[:count], positions[count:]


def _as_slice(positions: range, start: int) -> slice:
    return slice(positions.start - start, positions.stop - start, positions.step) if positions else slice(0, 0)


def _gathered(x: NDArray[Any], axis: int, source: NDArray[np.int64], job: Job) -> NDArray[Any]:
    """Samples of an axis by their numbers, the fill value for -1."""
    if not len(source):
        return x[(slice(None),) * axis + (slice(0, 0),)]
    if (source >= 0).all():
        return x.take(source, axis=axis)
    return np.full((*x.shape[:axis], len(source), *x.shape[axis + 1 :]), job.fill, job.spec.dtype)
