"""Sparse kernels: a few shifted, scaled copies of the signal, added up.

O(nonzeros × outputs) time at memory speed, no scratch. Nothing beats it while most of the kernel is zero: an echo has
three nonzeros in two seconds of silence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convolens import _core
from convolens.convolution import costs
from convolens.convolution.extend import chunks, core_maps
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.spec import Spec
from convolens.planning import Cost

NAME = "sparse"
KEEPS_NONFINITE_LOCAL = True
TAKES_STEPS = False


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if 2 * spec.structure.nonzeros > spec.kernel_size:
        return "more than half of the weights are not zero"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """A multiplication and an addition for each output and nonzero."""
    return Estimate(costs.sparse_seconds(spec), 0.0, (spec.structure.nonzeros + 1) * spec.epsilon)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    kernel = np.asarray(job.kernel)
    offsets = np.argwhere(kernel)
    if not len(offsets):
        job.out[...] = 0
        return
    kernel = kernel[tuple(offsets.T)]
    for part in chunks(job):
        bound = part.spec.magnitude_bound
        _core.correlate_sparse(part.x, offsets, kernel, part.out, core_maps(part.spec), part.fill, bound)
