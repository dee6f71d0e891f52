"""Integers never wrap: a result is proved to fit in 64 bits before it is computed there, or computed without limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.extend import extended_block
from convolens.convolution.job import Job
from convolens.errors import OverflowRefused

_LIMIT = 2**63
BYTES_A_NUMBER = 2 * (8 + 40)  # in arbitrary precision: a reference and Python's integer, of the sum and of a product


def magnitude_bound(x: NDArray[Any], kernel: NDArray[Any], fill: int) -> float:
    """A bound of every |result|, max|x| · Σ|weights|, rounded up to a power of two.

    The type's own bound is taken where it proves enough, so that small types need no look at the data.
    """
    total = float(np.abs(kernel.astype(np.float64)).sum())
    largest = 1.0 if x.dtype.kind == "b" else float(max(abs(np.iinfo(x.dtype).min), np.iinfo(x.dtype).max))
    if x.size and max(largest, abs(fill)) * total >= _LIMIT / 2:
        largest = float(max(abs(int(x.min())), abs(int(x.max()))))
    bound = max(largest, float(abs(fill))) * total * (1 + 1e-9)
    return float(2 ** int(np.ceil(np.log2(max(bound, 1.0)))))


def fits(bound: float) -> bool:
    """Whether results within the bound fit in 64 bits, at every step of the way."""
    return bound < _LIMIT


def run_arbitrary_precision(job: Job) -> None:
    """Convolves by the definition in Python's integers: about a hundred nanoseconds a product, but nothing can wrap.

    Raises:
        OverflowRefused: a result needs more than 64 bits.
    """
    spec = job.spec
    wide = np.dtype(object)
    x = extended_block(replace(job, x=job.x.astype(wide)), {d: (0, n) for d, n in enumerate(spec.extended)}, wide)
    kernel, total = np.asarray(job.kernel), np.zeros(spec.out, object)
    step = spec.step or (1,) * len(spec.out)
    for at in product(*map(range, spec.kernel_shape)):
        window = x[tuple(slice(i, i + (n - 1) * s + 1, s) for i, n, s in zip(at, spec.out, step, strict=True))]
        total += int(kernel[at]) * window
    wrong = [value for value in total.flat if not -_LIMIT <= value < _LIMIT]
    if wrong:
        raise OverflowRefused(
            f"integer result: need values of 64 bits, got {wrong[0]}; convert x or the kernel to float64"
        )
    job.out[...] = total
