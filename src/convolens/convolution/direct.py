"""Direct: the definition, each output the weighted sum of its window."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from convolens.convolution import costs
from convolens.convolution.extend import extended_block
from convolens.convolution.job import Cost, Job, Solve
from convolens.convolution.spec import Spec

NAME = "direct"
LOCAL = True


def refuses(spec: Spec) -> str | None:
    """It can do everything."""
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Cost:
    """A multiplication and an addition for each output and weight."""
    return Cost(costs.direct_seconds(spec), 0.0, spec.weights * spec.epsilon)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    spec = job.spec
    x = extended_block(job, [(0, n) for n in spec.extended], spec.dtype)
    job.out[...] = 0
    with np.errstate(all="ignore"):
        for at in product(*map(range, spec.kernel)):
            job.out[...] += job.weights[at] * x[tuple(slice(i, i + n) for i, n in zip(at, spec.out, strict=True))]
