"""Outer products: on every axis the extended signal or the kernel is one sample long, so nothing is summed.

One multiplication an output, at memory speed: scaling, and a column convolved with a row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convolens import _core
from convolens.convolution import costs
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.spec import Spec
from convolens.planning import Cost

NAME = "outer"
KEEPS_NONFINITE_LOCAL = True
TAKES_STEPS = False


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    summed = any(k > 1 and (n != 1 or not spec.zeros) for n, k in zip(spec.shape, spec.kernel_shape, strict=True))
    if summed:
        return "outputs are sums of more than one product"
    sides = zip(spec.kernel_shape, spec.before, spec.after, strict=True)
    if any(not (0 <= before < k and 0 <= after < k) for k, before, after in sides):
        return "some outputs see nothing of the signal, or are left out"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """A multiplication an output."""
    return Estimate(costs.outer_seconds(spec), 0.0, spec.epsilon)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    # Output i of an axis with one sample meets weight `before - i`: the kernel backwards, from there.
    flipped = tuple(slice(None, None, -1) for _ in job.spec.kernel_shape)
    starts = [k - 1 - b for k, b in zip(job.spec.kernel_shape, job.spec.before, strict=True)]
    window = tuple(
        slice(start, start + n) if k > 1 else slice(None)
        for start, n, k in zip(starts, job.spec.out, job.spec.kernel_shape, strict=True)
    )
    kernel = np.ascontiguousarray(np.asarray(job.kernel)[flipped][window])
    _core.multiply_outer(job.x.astype(job.spec.dtype, copy=False), kernel, job.out)
