"""Overlap-save: transforms of overlapping blocks, for a long signal with a short kernel, in any number of dimensions.

A block of B samples gives B - K + 1 outputs that nothing wrapped around into; the next block starts that much
further. O(N log B) time; memory for a few blocks only, however long the signal. (Overlap-add, its twin, adds the
blocks' tails instead; disjoint outputs can be written straight to where they belong.)

Stockham, "High-speed convolution and correlation", AFIPS 1966. A block with NaN or infinities is done by a local
method, so that they spoil their own windows only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convolens.convolution import costs, spectral
from convolens.convolution.extend import Span, extended_block
from convolens.convolution.job import Cost, Job, Solve
from convolens.convolution.spec import Shape, Spec
from convolens.settings import threads

NAME = "overlap_save"
LOCAL = False

# Block sizes looked at: from twice the kernel's, doubled this often.
_OCTAVES = 7

# Samples in a block beyond which it leaves the caches for no gain, unless the kernel needs it.
_LARGEST = 1 << 18

# Samples transformed in one call: what the threads' second-level caches hold, spectra included.
_CHUNK = 1 << 17


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if reason := spectral.refuses(spec):
        return reason
    blocks = block_sizes(spec)
    if all(block >= spec.extended[axis] for axis, block in zip(spec.axes, blocks, strict=True)):
        return "the signal is not long enough to cut into blocks"
    if spec.exact and not spectral.rounds_exactly(spec, prod(blocks)):
        return "rounding would not give exact integers"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Cost:
    """Two transforms of each block and one of the kernel."""
    blocks = block_sizes(spec)
    width = spectral.transform_dtype(spec).itemsize
    seconds = _seconds(spec, blocks)
    return Cost(seconds, 4.0 * max(_CHUNK, prod(blocks)) * width, spectral.error_bound(spec, prod(blocks)))


@lru_cache(maxsize=4096)
def block_sizes(spec: Spec) -> Shape:
    """The cheapest sizes to transform: longer ones waste less on overlap, but cost more a sample."""
    real = spectral.transform_dtype(spec).kind != "c"
    choices = []
    for axis in spec.axes:
        least, most = 2 * spec.kernel[axis] - 1, spec.extended[axis]
        sizes = [least * 2**i for i in range(_OCTAVES) if least * 2**i < most] + [most]
        choices.append(sorted({spectral.good_size(n, real and axis == spec.axes[-1]) for n in sizes}))
    least = prod(sizes[0] for sizes in choices)
    small = [blocks for blocks in product(*choices) if prod(blocks) <= max(_LARGEST, least)]
    return min(small, key=lambda blocks: _seconds(spec, blocks))


def _seconds(spec: Spec, blocks: Shape) -> float:
    return costs.blocks_seconds(spectral.transform_dtype(spec), blocks, *counts(spec, blocks))


def counts(spec: Spec, blocks: Shape) -> tuple[int, int]:
    """How many regions and how many blocks the signal is cut into."""
    along = [ceil(spec.out[d] / (b - spec.kernel[d] + 1)) for d, b in zip(spec.axes, blocks, strict=True)]
    many = prod(along) * spec.size // max(prod(spec.out[d] for d in spec.axes), 1)
    return ceil(many / max(_CHUNK // prod(blocks), 1)), many


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    run_blocks(job, solve, block_sizes(job.spec))


def run_blocks(job: Job, solve: Solve, sizes: Shape) -> None:
    """The same with blocks of given sizes."""
    spec = job.spec
    dtype = spectral.transform_dtype(spec)
    blocks = dict(zip(spec.axes, sizes, strict=True))
    weights = job.weights[tuple(slice(None, None, -1) for _ in spec.kernel)].astype(dtype, copy=False)
    kernel = spectral.spectrum(weights, sizes, spec.axes, threads())

    def one(region: list[Span]) -> None:
        out = job.out[tuple(slice(start, stop) for start, stop in region)]
        result = _region(job, region, blocks, kernel, dtype)
        if spectral.all_finite(result):
            out[...] = np.rint(result) if spec.exact else result
        else:
            _locally(job, region, out, solve)

    for _ in spectral.pool(threads()).map(one, _regions(spec, blocks)):
        pass


def _regions(spec: Spec, blocks: dict[int, int]) -> Iterator[list[Span]]:
    """Boxes of outputs, each small enough that its blocks and spectra stay in cache."""
    room = max(_CHUNK // prod(blocks.values()), 1)
    steps = []
    for axis in reversed(range(len(spec.shape))):
        step = blocks[axis] - spec.kernel[axis] + 1 if axis in blocks else 1
        many = min(max(room, 1), ceil(spec.out[axis] / step))
        room //= many
        steps.append(step * many)
    starts = [range(0, n, step) for n, step in zip(spec.out, reversed(steps), strict=True)]
    for corner in product(*starts):
        yield [(start, min(start + step, n)) for start, step, n in zip(corner, reversed(steps), spec.out, strict=True)]


def _region(
    job: Job, region: list[Span], blocks: dict[int, int], kernel: NDArray[Any], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """The outputs of one region, by a batch of blocks."""
    spec, ndim = job.spec, job.x.ndim
    steps = {axis: block - spec.kernel[axis] + 1 for axis, block in blocks.items()}
    counts = {axis: ceil((region[axis][1] - region[axis][0]) / step) for axis, step in steps.items()}
    spans = {
        d: (start, start + counts[d] * steps[d] + spec.kernel[d] - 1 if d in blocks else stop)
        for d, (start, stop) in enumerate(region)
    }
    source = extended_block(job, spans, dtype)
    # (positions…, block…): the blocks' own axes come last, of length 1 on axes that are not convolved.
    views = sliding_window_view(source, tuple(blocks.get(axis, 1) for axis in range(ndim)))
    views = views[tuple(slice(None, None, steps.get(axis, 1)) for axis in range(ndim))]
    axes = tuple(ndim + axis for axis in spec.axes)
    spectra = spectral.spectrum(views, tuple(blocks.values()), axes, workers=1)
    with np.errstate(all="ignore"):  # what is spoiled is noticed by its sum
        spectra *= kernel
    result = spectral.signal(spectra, tuple(blocks.values()), axes, workers=1, real=dtype.kind != "c")
    unspoiled: tuple[Any, ...] = (..., *(slice(k - 1, None) for k in spec.kernel))
    result = result[unspoiled]
    interleaved = result.transpose([axis + part * ndim for axis in range(ndim) for part in range(2)])
    merged: NDArray[Any] = interleaved.reshape(
        [n * k for n, k in zip(result.shape[:ndim], result.shape[ndim:], strict=True)]
    )
    trimmed: NDArray[Any] = merged[tuple(slice(0, stop - start) for start, stop in region)]
    return trimmed


def _locally(job: Job, region: list[Span], out: NDArray[Any], solve: Solve) -> None:
    """One region by a method that spreads nothing: its piece of the extended signal is a problem of its own."""
    spec = job.spec
    spans = {d: (start, stop + spec.kernel[d] - 1) for d, (start, stop) in enumerate(region)}
    x = extended_block(job, spans, spec.dtype)
    nothing = (0,) * x.ndim
    part = replace(
        spec, shape=x.shape, before=nothing, after=nothing, boundary="constant", zeros=True, source=spec.dtype
    )
    solve(Job(part, x, job.weights, 0, out), local=True)
