"""Fourier: one transform of the whole signal, a product, one transform back.

O(N log N) time whatever the kernel's size, and about four arrays of the extended signal's size. Best where the kernel
is nearly as long as the signal. Zeros need not be stored around the signal: the transform is only made long enough
that what wraps around falls on outputs nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from convolens.convolution import costs, spectral
from convolens.convolution.extend import extended_block
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.spec import Shape, Spec
from convolens.planning import Cost
from convolens.settings import threads

NAME = "fft"
KEEPS_NONFINITE_LOCAL = False
TAKES_STEPS = False

_BYTES_A_PLACE = 8  # of an extended axis: where its sample comes from


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if reason := spectral.refuses(spec):
        return reason
    if spec.exact and not spectral.rounds_exactly(spec, prod(transform_sizes(spec))):
        return "rounding would not give exact integers"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """Two transforms of the signal, one of the kernel, copies between."""
    sizes = transform_sizes(spec)
    points = prod(sizes)
    batch = prod(spec.shape) // prod(spec.shape[axis] for axis in spec.axes)
    dtype = spectral.transform_dtype(spec)
    seconds = costs.fft_seconds(spec, dtype, sizes)
    memory = (3.0 * batch + 1) * points * dtype.itemsize + _copied_bytes(spec)
    return Estimate(seconds, memory, spectral.error_bound(spec, points))


def _copied_bytes(spec: Spec) -> float:
    """What the signal takes that is transformed, where it is not the caller's own: extended, or in another dtype."""
    dtype = spectral.transform_dtype(spec)
    if spec.zeros:
        return 0.0 if spec.source == dtype else float(prod(spec.shape) * dtype.itemsize)
    return float(prod(spec.extended) * dtype.itemsize + _BYTES_A_PLACE * max(spec.extended, default=0))


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    spec, sizes = job.spec, transform_sizes(job.spec)
    dtype = spectral.transform_dtype(spec)
    whole = {axis: (0, spec.extended[axis]) for axis in spec.axes}
    x = job.x.astype(dtype, copy=False) if spec.zeros else extended_block(job, whole, dtype)
    kernel = np.asarray(job.kernel)[tuple(slice(None, None, -1) for _ in spec.kernel_shape)]
    spectra = spectral.spectrum(x, sizes, spec.axes, threads())
    kernel_spectrum = spectral.spectrum(kernel.astype(dtype, copy=False), sizes, spec.axes, threads())
    with np.errstate(all="ignore"):  # what is contaminated is noticed by its sum
        spectra *= kernel_spectrum
    result = spectral.inverse_transform(spectra, sizes, spec.axes, threads(), real=dtype.kind != "c")
    if not spectral.all_finite(result):
        return solve(job, local=True)
    result = result[_outputs(spec)]
    job.out[...] = np.rint(result) if spec.exact else result
    return None


def transform_sizes(spec: Spec) -> Shape:
    """Sizes of the transform: no output may be touched by what wraps around."""
    minimum = [
        max(n + max(before, after), k) if spec.zeros else n + before + after
        for n, k, before, after in zip(spec.shape, spec.kernel_shape, spec.before, spec.after, strict=True)
        if k > 1
    ]
    real = spectral.transform_dtype(spec).kind != "c"
    return tuple(spectral.fast_size(n, real and i == len(minimum) - 1) for i, n in enumerate(minimum))


def _outputs(spec: Spec) -> tuple[slice, ...]:
    """Where the outputs lie in the transform back."""
    first = [k - 1 - (b if spec.zeros else 0) for k, b in zip(spec.kernel_shape, spec.before, strict=True)]
    return tuple(slice(start, start + n) for start, n in zip(first, spec.out, strict=True))
