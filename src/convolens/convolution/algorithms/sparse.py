"""Sparse taps: a few shifted, scaled copies of the signal, added up.

O(taps × outputs) time at memory speed, no scratch. Nothing beats it while most of the kernel is zero: an echo has
three taps in two seconds of silence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convolens import _core
from convolens.convolution import costs
from convolens.convolution.extend import core_maps, slabs
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.spec import Spec
from convolens.planning import Cost

NAME = "sparse"
LOCAL = True


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if 2 * spec.structure.taps > spec.weights:
        return "more than half of the weights are not zero"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """A multiplication and an addition for each output and tap."""
    return Estimate(costs.sparse_seconds(spec), 0.0, (spec.structure.taps + 1) * spec.epsilon)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    weights = np.asarray(job.weights)
    offsets = np.argwhere(weights)
    if not len(offsets):
        job.out[...] = 0
        return
    weights = weights[tuple(offsets.T)]
    for part in slabs(job):
        _core.correlate_sparse(part.x, offsets, weights, part.out, core_maps(part.spec), part.fill, part.spec.peak)
