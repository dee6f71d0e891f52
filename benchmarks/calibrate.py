"""Measures the coefficients of the planner's cost model: `python -m benchmarks.calibrate`, for each instruction set.

Every algorithm runs a range of problems on one thread; its coefficients are the non-negative ones that come nearest
to the times it took, relative to each. Processor time is measured, so that a busy machine disturbs little.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import cache
from operator import mul
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.optimize import nnls

import convolens as cl
from benchmarks.harness import machine
from convolens import _core, planning
from convolens.convolution import costs, spectral
from convolens.convolution.algorithms import direct, fft, multirate, outer, overlap_save, reduction, separable, sparse
from convolens.convolution.arrange import arrange
from convolens.convolution.gaussian import radius_within
from convolens.convolution.job import Job
from convolens.convolution.planner import best_cost, solve
from convolens.convolution.product import gaussian_product
from convolens.convolution.spec import Window
from convolens.convolution.windows import planned

REAL = ("float32", "float64")
DTYPES = (*REAL, "complex64", "complex128", "int64")
TABLE = Path(planning.__file__).with_name("costs.json")

Measured = tuple[tuple[float, ...], float]


def run(chosen: Collection[str] = ()) -> None:
    """Measures all, or only the kinds of work named, whose times are brought to the table's machine by one factor."""
    found = cl.threads()
    cl.threads(1)
    seconds: dict[str, dict[str, list[float]]] = {}
    for name, measure in MEASURES.items():
        if chosen and name not in chosen:
            continue
        dtypes = REAL if name == "multirate" else DTYPES
        to_table = pace() if chosen else 1.0
        seconds[name] = {
            dtype: [float(f"{rate * to_table:.4g}") for rate in fitted(name, dtype, list(measure(np.dtype(dtype))))]
            for dtype in dtypes
        }
        write(seconds, whole=not chosen)  # what follows may need it
    cl.threads(found)


def write(seconds: dict[str, Any], *, whole: bool) -> None:
    """The table as committed; what was not measured stays as it is."""
    table = json.loads(TABLE.read_text())
    mine = table.setdefault(_core.instruction_set(), {"seconds": {}})
    if whole:
        mine |= {"machine": machine(), "scaled": {}}
    else:
        mine["scaled"] = mine.get("scaled", {}) | dict.fromkeys(seconds, machine())
    mine["seconds"] |= seconds
    TABLE.write_text(json.dumps(table, indent=1) + "\n")
    planning.coefficients.cache_clear()


def known() -> dict[str, dict[str, list[float]]]:
    """What the table says for this instruction set."""
    return planning.coefficients(_core.instruction_set())


def fitted(name: str, dtype: str, measured: list[Measured]) -> list[float]:
    """The coefficients nearest to the measured times, each time weighing the same."""
    amounts, times = (np.array(column) for column in zip(*measured, strict=True))
    rows = amounts / times[:, None]
    scale = np.linalg.norm(rows, axis=0)
    scale[scale == 0] = 1
    rates = nnls(rows / scale, np.ones(len(times)))[0] / scale
    errors = np.exp(np.abs(np.log(np.maximum(amounts @ rates, 1e-9) / times)))
    print(
        f"{name:<8} {dtype:<11} {len(times):3} problems, off by ×{np.median(errors):.2f}, at most ×{errors.max():.2f}"
    )
    return list(map(float, rates))


@cache
def pace() -> float:
    """How much faster the table's machine is than this one, by the direct method on a picture; 1 without a table."""
    if "direct" not in known():
        return 1.0
    job = a_job(np.dtype("float32"), (1000, 1000), (7, 7))
    rates = known()["direct"]["float32"]
    return float(sum(map(mul, rates, costs.direct_amounts(job.spec)))) / seconds_of(lambda: direct.run(job, solve))


def a_job(
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    nonzeros: int | None = None,
    mode: str = "full",
) -> Job:
    """A convolution of random values; of a kernel with so many weights that are not zero, if given."""
    random = np.random.default_rng(0)
    x, kernel = ((10 * random.normal(size=size)).astype(dtype) for size in (shape, kernel_shape))
    if nonzeros is not None:
        kernel[...] = 0
        kernel.flat[random.choice(kernel.size, nonzeros, replace=False)] = 1
    window = arrange(shape, kernel_shape, mode, None, "constant", 0).window
    spec = planned(x, kernel, window, seek_rank=True).problem
    return Job(spec, x, kernel, 0, np.empty(spec.out, dtype))


def seconds_of(call: Callable[[], Any], clock: Callable[[], float] = process_time) -> float:
    """Processor time of a call: the least of several samples, each long enough for the clock."""
    call()
    start = clock()
    call()
    repeats = max(1, int(2e-3 / max(clock() - start, 1e-7)))
    samples = []
    for _ in range(5):
        start = clock()
        for _ in range(repeats):
            call()
        samples.append((clock() - start) / repeats)
    return min(samples)


LINES = [(100, 3), (1000, 16), (1000, 200), (10_000, 5), (10_000, 64), (100_000, 7), (100_000, 30), (1_000_000, 3)]
PLANES = [(16, 3), (64, 3), (64, 9), (256, 5), (256, 15), (256, 40), (1000, 3), (1000, 7), (1000, 15), (2000, 5)]
VOLUMES = [(16, 3), (40, 5), (100, 3), (100, 5)]
NARROW = [((600, 11), (16, 3)), ((300, 10), (37, 2)), ((13, 16, 20), (4, 8, 6)), ((1250, 10), (4, 4))]
NARROW += [((20, 900), (2, 70)), ((95, 31, 22), (2, 10, 6)), ((20, 12), (14, 12)), ((150, 30), (6, 6))]


def shapes() -> Iterable[tuple[tuple[int, ...], tuple[int, ...]]]:
    for ndim, sizes in ((1, LINES), (2, PLANES), (3, VOLUMES)):
        for size, kernel in sizes:
            yield (size,) * ndim, (kernel,) * ndim
    yield from NARROW
    yield (500, 800), (1, 9)
    yield (500, 800), (9, 1)


def measure_direct(dtype: np.dtype[Any]) -> Iterable[Measured]:
    for shape, kernel in shapes():
        job = a_job(dtype, shape, kernel)
        yield costs.direct_amounts(job.spec), seconds_of(lambda job=job: direct.run(job, solve))


# Few outputs under a huge kernel: the gradients in small kernels, and sizes between those and the others.
REDUCTIONS = [((216, 300, 3), (200, 300, 3)), ((200, 316, 3), (200, 300, 3)), ((500, 500), (498, 498))]
REDUCTIONS += [((300, 400), (296, 396)), ((50, 60, 9), (50, 58, 3)), ((100_030,), (100_000,)), ((1003,), (1000,))]
REDUCTIONS += [((5000,), (4000,)), ((20_000, 8), (19_990, 8)), ((30, 40), (26, 33)), ((400, 40), (380, 25))]
REDUCTIONS += [((90, 90), (40, 40)), ((40, 50, 3), (36, 46, 3)), ((1000, 1000), (1000, 1000)), ((8, 9), (8, 8))]


# Signals and kernels that are nearly as large, as in the gradient in a kernel.
ALIKE = [((161, 133), (155, 105)), ((960, 220), (952, 187)), ((728, 97), (710, 75)), ((1366, 55), (1336, 9))]
ALIKE += [((14, 47, 24), (8, 37, 22)), ((20, 76, 41), (17, 65, 40)), ((63, 72, 13), (59, 71, 11))]
ALIKE += [((74, 46, 23), (70, 45, 21)), ((300_000,), (299_900,)), ((5000,), (4900,))]


def measure_overhang(dtype: np.dtype[Any]) -> Iterable[Measured]:
    """What the direct method takes besides, where that is most of its time: where outputs are few."""
    for shape, kernel in REDUCTIONS:
        job = a_job(dtype, shape, kernel, mode="valid")
        regular = sum(map(mul, known()["direct"][dtype.name], costs.direct_amounts(job.spec)))
        taken = seconds_of(lambda job=job: direct.run(job, solve)) * pace()
        if taken > 2 * regular:
            yield tuple(map(float, costs.direct_tiling(job.spec)[1:])), (taken - regular) / pace()


def measure_reduction(dtype: np.dtype[Any]) -> Iterable[Measured]:
    jobs = [a_job(dtype, shape, kernel, mode="valid") for shape, kernel in REDUCTIONS]
    for job in (*jobs, *map(edged, jobs)):
        amounts = costs.reduction_amounts(job.spec, *reduction.amounts(job.spec))
        yield amounts, seconds_of(lambda job=job: reduction.run(job, solve))


def edged(job: Job) -> Job:
    """The same problem with the first sample of each axis extended from the second, which must be copied."""
    ones = tuple(int(n > 1) for n in job.spec.shape)
    x = job.x[tuple(slice(one, None) for one in ones)]
    return replace(job, x=x, spec=replace(job.spec, shape=x.shape, before=ones, boundary="edge", zeros=False))


def measure_sparse(dtype: np.dtype[Any]) -> Iterable[Measured]:
    for shape, kernel in shapes():
        for taps in {1, 3, 12} if np.prod(kernel) > 24 else {1}:
            job = a_job(dtype, shape, kernel, taps)
            yield costs.sparse_amounts(job.spec), seconds_of(lambda job=job: sparse.run(job, solve))
    cases = [
        ((1_000_000,), (50_000,), 3),
        ((1_000_000,), (50_000,), 30),
        ((4800,), (4800,), 10),
        ((4800,), (4800,), 150),
    ]
    cases += [
        ((67, 27), (67, 2), 20),
        ((60, 60), (60, 60), 60),
        ((20, 20, 20), (9, 9, 9), 30),
        ((70, 26, 18), (5, 8, 13), 50),
    ]
    for shape, kernel, taps in cases:
        job = a_job(dtype, shape, kernel, taps)
        yield costs.sparse_amounts(job.spec), seconds_of(lambda job=job: sparse.run(job, solve))


def measure_outer(dtype: np.dtype[Any]) -> Iterable[Measured]:
    for rows, columns in ((10, 10), (100, 100), (1000, 30), (1000, 1000), (30, 3000)):
        job = a_job(dtype, (rows, 1), (1, columns))
        yield (1.0, job.spec.size), seconds_of(lambda job=job: outer.run(job, solve))


def measure_fft(dtype: np.dtype[Any]) -> Iterable[Measured]:
    pairs = [((n,), (n // 3,)) for n in (100, 1000, 10_000, 100_000, 1_000_000)]
    pairs += [((n, n), (n // 3, n // 3)) for n in (20, 60, 200, 600, 1500)]
    pairs += [((n, n, n), (n // 3, n // 3, n // 3)) for n in (10, 40, 100)]
    jobs = [a_job(dtype, shape, kernel) for shape, kernel in pairs]
    for job in [*jobs, *(a_job(dtype, shape, kernel, mode="valid") for shape, kernel in ALIKE)]:
        width = spectral.transform_dtype(job.spec)
        amounts = costs.fft_amounts(job.spec, width, fft.transform_sizes(job.spec))
        yield amounts, seconds_of(lambda job=job: fft.run(job, solve))


def measure_short_fft(dtype: np.dtype[Any]) -> Iterable[Measured]:
    """What transforms take besides where an axis is a few samples long, as a picture's colours are."""
    for shape, kernel in (((200, 316, 3), (200, 300, 3)), ((60, 70, 3), (60, 60, 3)), ((4, 3, 5000), (4, 3, 4000))):
        job = a_job(dtype, shape, kernel, mode="valid")
        width, sizes = spectral.transform_dtype(job.spec), fft.transform_sizes(job.spec)
        amounts = costs.fft_amounts(job.spec, width, sizes)
        regular = sum(map(mul, known()["fft"][dtype.name], amounts)) / pace()
        taken = seconds_of(lambda job=job: fft.run(job, solve))
        yield costs.short_fft_amounts(sizes, amounts[1]), max(taken - regular, taken / 10)


def measure_blocks(dtype: np.dtype[Any]) -> Iterable[Measured]:
    cases: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = []
    lines = ((16, 16), (32, 32), (64, 64), (96, 96), (128, 128), (256, 256), (384, 384), (512, 512))
    cases += [((300_000,), (r * c // 4,), (r, c)) for r, c in lines]
    cases += [((700, 700), (n // 4, n // 4), (n, n)) for n in (32, 64, 128, 256, 512)]
    cases += [((2000, 2000), (9, 9), (240, 400)), ((100, 100, 100), (9, 3, 5), (75, 80, 96))]
    cases += [((100, 100, 100), (n // 4, n // 4, n // 4), (n, n, n)) for n in (16, 32, 64, 96)]
    cases += [
        ((40,), (5,), (16, 16)),
        ((500,), (30,), (16, 16)),
        ((3000,), (100,), (32, 32)),
        ((100_000,), (2,), (64, 64)),
    ]
    cases += [((20, 20), (3, 3), (16, 32)), ((90, 90), (9, 9), (48, 48)), ((12, 12, 12), (3, 3, 3), (16, 16, 16))]
    cases += [((600, 11), (16, 3), (96, 16)), ((600, 35), (8, 2), (80, 16)), ((95, 31, 22), (2, 10, 6), (15, 48, 16))]
    cases += [((11_000,), (73,), (32, 32)), ((4500,), (33,), (32, 48)), ((100, 300), (12, 17), (144, 96))]
    cases += [((20, 20), (20, 20), (48, 48)), ((13, 16, 20), (4, 8, 6), (8, 16, 16)), ((300, 10), (37, 2), (192, 16))]
    cases += [((5000, 2), (70, 1), (32, 32)), ((500, 300), (50, 1), (16, 32)), ((60, 50, 40), (1, 9, 1), (16, 16))]
    jobs = [(a_job(dtype, shape, kernel), sizes) for shape, kernel, sizes in cases]
    alike = [a_job(dtype, shape, kernel, mode="valid") for shape, kernel in ALIKE]
    jobs += [(job, overlap_save.block_sizes(job.spec)) for job in alike if not overlap_save.refuses(job.spec)]
    for job, sizes in jobs:
        many = overlap_save.tasks(job.spec, sizes)
        amounts = costs.blocks_amounts(job.spec, sizes, many + 0.5)
        yield amounts, seconds_of(lambda job=job, sizes=sizes: overlap_save.run_blocks(job, solve, sizes))


def measure_sweep(dtype: np.dtype[Any]) -> Iterable[Measured]:
    for size, side in ((20, 5), (50, 5), (200, 9), (200, 40), (600, 15), (1500, 9), (1500, 31), (3000, 5)):
        job = separable_job(dtype, (size, size), (side, side))
        yield costs.sweep_amounts(job.spec), seconds_of(lambda job=job: separable.run(job, solve))
    short = [((2000, 20), (5, 3)), ((800, 44), (11, 11)), ((44, 72, 35), (3, 1, 4)), ((30, 40, 50), (5, 1, 9))]
    for shape, kernel in short:
        job = separable_job(dtype, shape, kernel)
        yield costs.sweep_amounts(job.spec), seconds_of(lambda job=job: separable.run(job, solve))


def measure_bands(dtype: np.dtype[Any]) -> Iterable[Measured]:
    """What a separable convolution in bands takes besides its passes."""
    for size, side in ((20, 3), (60, 5), (60, 15), (120, 5), (160, 9)):
        job = separable_job(dtype, (size,) * 3, (side,) * 3)
        besides = costs.bands_seconds(job.spec, separable.count(job.spec)) if "bands" in known() else 0.0
        passes = separable.cost(job.spec, best_cost).seconds - besides
        taken = seconds_of(lambda job=job: separable.run(job, solve))
        yield (1.0, float(separable.count(job.spec))), max(taken - passes, 2e-5)


def measure_multirate(dtype: np.dtype[Any]) -> Iterable[Measured]:
    """Gaussians of pictures, of their rows or columns alone, and of lines; of real numbers only."""
    cases: list[tuple[tuple[int, ...], tuple[float, ...]]] = [
        ((n, n), (s, s)) for n in (60, 300, 1000) for s in (6, 20)
    ]
    cases += [((1500, 2000), (s, s)) for s in (5, 9, 40)] + [((400, 500, 3), (s, s, 0)) for s in (5, 15, 60)]
    cases += [((700, 700), (20, 0)), ((700, 700), (0, 20)), ((700, 700), (2, 15)), ((2, 100_000), (0, 300))]
    cases += [((40, 100, 100), (6, 6, 6)), ((200_000,), (50,)), ((20_000, 2), (12, 0))]
    for shape, sigmas in cases:
        radii = tuple(radius_within(s, 5e-5) if s else 0 for s in sigmas)
        x = np.random.default_rng(0).normal(size=shape).astype(dtype)
        kernel, window = gaussian_product(sigmas, radii, dtype), Window(radii, radii, "symmetric")
        spec = replace(planned(x, kernel, window).problem, tolerance=1e-4)  # planned with it, it would be priced
        job = Job(spec, x, kernel, 0, np.empty(spec.out, dtype))
        amounts = tuple(map(sum, zip(*(each.amounts for each in multirate.passes(spec)), strict=True)))
        yield amounts, seconds_of(lambda job=job: multirate.run(job, solve))


def separable_job(dtype: np.dtype[Any], shape: tuple[int, ...], kernel: tuple[int, ...]) -> Job:
    job = a_job(dtype, shape, kernel)
    job.kernel[...] = 1
    window = arrange(shape, kernel, "full", None, "constant", 0).window
    return replace(job, spec=planned(job.x, job.kernel, window, seek_rank=True).problem)


MEASURES = {
    "direct": measure_direct,
    "overhang": measure_overhang,
    "reduction": measure_reduction,
    "sparse": measure_sparse,
    "outer": measure_outer,
    "fft": measure_fft,
    "short_fft": measure_short_fft,
    "blocks": measure_blocks,
    "sweep": measure_sweep,
    "bands": measure_bands,
    "multirate": measure_multirate,
}

if __name__ == "__main__":
    run(sys.argv[1:])
