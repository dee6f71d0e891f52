"""Overlap-save: transforms of overlapping blocks, for a long signal with a short kernel, in any number of dimensions.

A block of B samples gives B - K + 1 outputs that nothing wrapped around into; the next block starts that much
further. O(N log B) time; memory for a few blocks only, however long the signal. (Overlap-add, its twin, adds the
blocks' tails instead; disjoint outputs can be written straight to where they belong.)

Stockham, "High-speed convolution and correlation", AFIPS 1966. The transforms are the core's own: it never reorders a
spectrum, and takes real blocks two at a time, as the parts of a complex one. Blocks with NaN or infinities are done by
a local method, so that they contaminate their own windows only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import ceil, prod

import numpy as np

from convolens import _core
from convolens.convolution import costs, spectral
from convolens.convolution.extend import Span, chunks, core_maps, extended_block
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.spec import Shape, Spec
from convolens.planning import Cost
from convolens.settings import threads

NAME = "overlap_save"
KEEPS_NONFINITE_LOCAL = False
TAKES_STEPS = False

# Lengths that the core transforms fast: products of 2, 3 and 5.
_SMOOTH = sorted(
    2**a * 3**b * 5**c for a in range(12) for b in range(3) for c in range(3) if 2**a * 3**b * 5**c <= 2048
)

# Sides of the last two axes: whole vectors on every instruction set.
_SIDES = [n for n in _SMOOTH if n % 16 == 0]

# Lengths of a line, and the rows and columns that it is folded into: as near to a square as can be.
_LINES = {rows * columns: (rows, columns) for columns in _SIDES for rows in _SIDES if rows <= columns <= 2 * rows}

# Sizes of a block that are looked at along an axis grow by at least this factor; more so where many axes have some, as
# all combinations are priced, about this many.
_APART = 1.2
_COMBINATIONS = 200

# Samples in a block beyond which it leaves the caches for no gain, unless the kernel needs it.
_LARGEST = 1 << 19

# With more blocks contaminated than this the whole is done by a local method: one job instead of many small ones.
_MANY_CONTAMINATED = 64


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if reason := spectral.refuses(spec):
        return reason
    longest = max(_LINES) if len(spec.axes) == 1 else _SIDES[-1]
    if max(spec.kernel_shape) > longest // 2:
        return f"the kernel is longer than half the longest block, {longest}"
    if spec.exact and not spectral.rounds_exactly(spec, prod(block_sizes(spec))):
        return "rounding would not give exact integers"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """Two transforms of each block and one of the kernel."""
    sizes = block_sizes(spec)
    points = prod(sizes)
    memory = 2.0 * points * (threads() + 2) * spectral.transform_dtype(spec).itemsize
    return Estimate(costs.blocks_seconds(spec, sizes, tasks(spec, sizes)), memory, spectral.error_bound(spec, points))


@lru_cache(maxsize=4096)
def block_sizes(spec: Spec) -> Shape:
    """The cheapest sizes to transform: longer ones waste less on overlap, but leave the caches.

    One for each axis; for a line the rows and columns that it is folded into.
    """
    if len(spec.axes) == 1:
        (axis,) = spec.axes
        choices: list[Shape] = [
            _LINES[n] for n in _candidate_sizes(sorted(_LINES), spec.kernel_shape[axis], spec.extended[axis])
        ]
    else:
        last = spec.axes[-2:]
        sides = [
            _candidate_sizes(_SIDES if axis in last else _SMOOTH, spec.kernel_shape[axis], spec.extended[axis])
            for axis in spec.axes
        ]
        choices = list(product(*(_subset(some, round(_COMBINATIONS ** (1 / len(sides)))) for some in sides)))
    largest = max(_LARGEST, min(map(prod, choices)))
    small = [sizes for sizes in choices if prod(sizes) <= largest]
    return min(small, key=lambda sizes: costs.blocks_seconds(spec, sizes, tasks(spec, sizes)))


def _candidate_sizes(sizes: list[int], minimum: int, maximum: int) -> list[int]:
    """Sizes from `minimum` until `maximum` fits in, growing by steps worth trying."""
    found: list[int] = []
    for size in sizes:
        if size > minimum and (not found or size >= found[-1] * _APART or found[-1] < maximum <= size):
            found.append(size)
            if size >= maximum:
                break
    return found


def _subset(sizes: list[int], count: int) -> list[int]:
    """At most `count` of the sizes, at even distances, the last one kept."""
    step = -(-len(sizes) // max(count, 1))
    return sizes[::-1][::step][::-1]


def tasks(spec: Spec, sizes: Shape) -> int:
    """Transforms there and back: one for every complex block, one for two real ones."""
    blocks = prod(ceil(n / step) for n, step in zip(spec.out, _steps(spec, sizes), strict=True))
    return blocks if spec.dtype.kind == "c" else ceil(blocks / 2)


def _steps(spec: Spec, sizes: Shape) -> Shape:
    """Outputs that a block gives along each axis of the signal."""
    if len(spec.axes) == 1:
        sizes = (prod(sizes),)
    along = dict(zip(spec.axes, sizes, strict=True))
    return tuple(along[axis] - k + 1 if axis in along else 1 for axis, k in enumerate(spec.kernel_shape))


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    run_blocks(job, solve, block_sizes(job.spec))


def run_blocks(job: Job, solve: Solve, sizes: Shape) -> None:
    """The same with blocks of given sizes."""
    spectrum = _core.Spectrum(np.ascontiguousarray(job.kernel), list(sizes))
    steps = _steps(job.spec, sizes)
    pairs = 1 if job.spec.dtype.kind == "c" else 2
    for part in chunks(job, unit=pairs * max(steps)):
        contaminated = spectrum.correlate(part.x, part.out, core_maps(part.spec), part.fill)
        if len(contaminated) > _MANY_CONTAMINATED:
            solve(part, local=True)
            continue
        for task in contaminated:
            for region in _regions(part.spec, steps, range(task * pairs, (task + 1) * pairs)):
                _convolve_region(part, region, solve)


def _regions(spec: Spec, steps: Shape, numbers: range) -> Iterator[list[Span]]:
    """Boxes of the outputs of some blocks, in the order in which the core counts them: convolved axes fastest."""
    order = sorted(range(len(steps)), key=lambda axis: axis in spec.axes)
    counts = [ceil(spec.out[axis] / steps[axis]) for axis in order]
    for number in numbers:
        if number < prod(counts):
            at = dict(zip(order, np.unravel_index(number, counts), strict=True))
            starts = [int(at[axis]) * step for axis, step in enumerate(steps)]
            yield [(start, min(start + step, n)) for start, step, n in zip(starts, steps, spec.out, strict=True)]


def _convolve_region(job: Job, region: list[Span], solve: Solve) -> None:
    """Convolves one region by a method that spreads nothing: its piece of the extended signal is a separate problem."""
    spec = job.spec
    spans = {d: (start, stop + spec.kernel_shape[d] - 1) for d, (start, stop) in enumerate(region)}
    x = extended_block(job, spans, spec.dtype)
    nothing = (0,) * x.ndim
    part = replace(
        spec, shape=x.shape, before=nothing, after=nothing, boundary="constant", zeros=True, source=spec.dtype,
        contiguous=x.flags.c_contiguous,
    )  # fmt: skip
    out = job.out[tuple(slice(start, stop) for start, stop in region)]
    solve(Job(part, x, job.kernel, 0, out), local=True)
