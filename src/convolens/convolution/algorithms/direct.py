"""Direct: the definition, each output the weighted sum of its window.

O(outputs × weights) time by the core's vectors and threads, no memory but a strip of the signal a thread. Nothing beats
it for small kernels; NaN and infinities stay where they are; integers are exact.
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

NAME = "direct"
KEEPS_NONFINITE_LOCAL = True
TAKES_STEPS = False


def refuses(spec: Spec) -> str | None:
    """It can do everything."""
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """A multiplication and an addition for each output and weight, each rounded once."""
    return Estimate(costs.direct_seconds(spec), 0.0, (spec.kernel_size + 1) * spec.epsilon)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    kernel = np.ascontiguousarray(job.kernel)
    for part in chunks(job):
        _core.correlate_direct(part.x, kernel, part.out, core_maps(part.spec), part.fill, part.spec.magnitude_bound)
