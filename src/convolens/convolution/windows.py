"""The canonical form on NumPy arrays: dtypes settled, structure found, plan looked up, run.

Both public functions, both gradients and torch's CPU tensors come through here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import memory
from convolens.arrays import empty
from convolens.convolution import integers
from convolens.convolution.job import Job
from convolens.convolution.planner import LOCAL, min_seconds, plan_for, result_bytes, rounds, run
from convolens.convolution.product import Product
from convolens.convolution.spec import Shape, Spec, Window, check_fill, compute_dtypes, result_dtype
from convolens.convolution.structure import Structure, decomposition_seconds, describe
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.planning import Plan
from convolens.shapes import Boundaries

# Products (outputs × weights) up to which the kernel's values cannot matter: looking at them takes longer.
TINY = 1 << 18


def windows(
    x: NDArray[Any],
    kernel: NDArray[Any] | Product,
    window: Window,
    method: str = "auto",
    *,
    tolerance: float = 0.0,
    rounded: np.dtype[Any] | None = None,
) -> NDArray[Any]:
    """`out[i] = Σ_k kernel[k] · X[i + k]`, X being x extended; `kernel` has as many axes as x.

    What it may err by beside rounding is `tolerance`; the result is rounded and clipped to integers of dtype `rounded`.
    """
    plan = planned(x, kernel, window, method, tolerance=tolerance, rounded=rounded)
    return execute(plan, x, kernel, window, local=method == LOCAL)


def planned(
    x: NDArray[Any],
    kernel: NDArray[Any] | Product,
    window: Window,
    method: str = "auto",
    *,
    seek_rank: bool = False,
    inspect: bool = False,
    tolerance: float = 0.0,
    rounded: np.dtype[Any] | None = None,
) -> Plan:
    """The plan for these arrays, made with as much known of the kernel's values as is worth knowing.

    Its rank is sought where that takes less time than may be saved, or on demand. Where the problem is so small
    that the values hardly matter, they are inspected on demand only.

    Raises:
        DtypeError: more precise than float64, or a fill value the result cannot hold.
        MethodError: there is no such method, or it cannot do this problem.
    """
    spec = _specified(x, kernel, window, tolerance, rounded)
    if isinstance(kernel, Product):
        return plan_for(_of_product(spec, kernel), method)
    if method == "auto" and not (seek_rank or inspect) and depends_on_shapes_only(spec):
        return plan_for(spec)
    kernel = kernel.astype(spec.dtype, copy=False)
    spec = _with_structure(spec, describe(kernel, seek_rank=False))
    decomposable = len(spec.axes) > 1 and kernel.size > 0
    if not decomposable or not (seek_rank or method == "separable" or _worth_decomposing(spec)):
        return plan_for(spec, method)
    return plan_for(_with_structure(spec, describe(kernel, seek_rank=True)), method)


def execute(
    plan: Plan, x: NDArray[Any], kernel: NDArray[Any] | Product, window: Window, out: NDArray[Any] | None = None,
    *, local: bool = False,
) -> NDArray[Any]:  # fmt: skip
    """Executes a plan with the arrays for which it was made; with `local` all of its parts by local methods.

    Raises:
        MemoryRefused: it needs more than the budget.
    """
    spec: Spec = plan.problem
    _need_memory(plan, out is None)
    result = _result(spec, spec.rounded or result_dtype(x.dtype, kernel.dtype), out)
    if spec.size == 0:
        return result
    fits = rounds(plan) if spec.rounded else result.dtype == spec.dtype
    target = result if fits and _writable(out, x, kernel) else empty(spec.out, spec.dtype)
    if spec.exact and not integers.fits(spec.magnitude_bound):
        integers.run_arbitrary_precision(Job(spec, x, kernel, window.fill, target))
    else:
        run(plan, job_of(spec, x, kernel, window, target), local=local)
    if target is not result and spec.rounded:
        np.rint(target, out=target)
        np.clip(target, 0, np.iinfo(spec.rounded).max, out=result, casting="unsafe")
    elif target is not result:
        with np.errstate(over="ignore"):  # a float16 result that is too large is infinite, as in NumPy
            result[...] = target
    return result


def _need_memory(plan: Plan, allocates: bool) -> None:
    """States what the plan is about to take: the result, its copy in another dtype, and what the method needs."""
    spec: Spec = plan.problem
    if spec.exact and not integers.fits(spec.magnitude_bound):
        size = float(integers.BYTES_A_NUMBER * (spec.size + prod(spec.extended)))
    else:
        size = plan.cost.memory + (0 if rounds(plan) or not spec.rounded else spec.size * spec.dtype.itemsize)
    size += allocates * result_bytes(spec)
    if not memory.fits(size):  # most are so small that no sentence need be made
        subject = f"convolution of {spec.shape} by {spec.kernel_shape} ({plan.method})"
        memory.need_memory(size, subject, "convolve it in parts")


def job_of(spec: Spec, x: NDArray[Any], kernel: NDArray[Any] | Product, window: Window, out: NDArray[Any]) -> Job:
    """The problem with its arrays in the dtypes it is read and computed in."""
    fill = int(window.fill) if spec.exact else window.fill
    return Job(spec, _readable(x, spec.source), kernel.astype(spec.dtype, copy=False), fill, out)


@cache
def pace() -> float:
    """How many times longer this machine takes than the table's: a small picture filtered directly, by the clock.

    It scales the times that `cl.plan` tells, and no choice.
    """
    x, kernel = np.zeros((128, 128), np.float32), np.zeros((7, 7), np.float32)
    window = Window((0, 0), (0, 0))
    plan = planned(x, kernel, window, "direct")
    job = job_of(plan.problem, x, kernel, window, np.empty(plan.problem.out, np.float32))
    return min_seconds(lambda: run(plan, job), 5) / plan.cost.seconds


def depends_on_shapes_only(spec: Spec) -> bool:
    """Whether the plan is the same whatever the kernel's values: the problem is too small for them to matter."""
    return spec.size * spec.kernel_size <= TINY


def _specified(
    x: NDArray[Any],
    kernel: NDArray[Any] | Product,
    window: Window,
    tolerance: float,
    rounded: np.dtype[Any] | None,
) -> Spec:
    """The problem these arrays pose, with nothing known of the kernel's values."""
    _, dtype = compute_dtypes(x.dtype, kernel.dtype)
    check_fill(window.fill, dtype)
    spec = _spec(
        x.shape, x.dtype, kernel.shape, kernel.dtype, window.before, window.after, window.boundary, window.step,
        zeros=window.boundary == "constant" and window.fill == 0,
        contiguous=x.flags.c_contiguous, tolerance=tolerance, rounded=rounded,
    )  # fmt: skip
    if spec.exact and not isinstance(kernel, Product):
        return _with_bound(spec, integers.magnitude_bound(x, kernel, int(window.fill)))
    return spec


@lru_cache(maxsize=1024)
def _spec(
    shape: Shape,
    dtype: np.dtype[Any],
    kernel_shape: Shape,
    kernel_dtype: np.dtype[Any],
    before: Shape,
    after: Shape,
    boundary: Boundaries,
    step: Shape,
    **rest: Any,
) -> Spec:
    source, computed = compute_dtypes(dtype, kernel_dtype)
    structure = Structure(prod(kernel_shape))
    return Spec(shape, kernel_shape, before, after, boundary, source, computed, structure=structure, step=step, **rest)


@lru_cache(maxsize=256)
def _of_product(spec: Spec, kernel: Product) -> Spec:
    """The problem with the kernel's structure, which is known: made once for a kernel that is used again."""
    return replace(spec, structure=describe(kernel, seek_rank=True))


@lru_cache(maxsize=1024)
def _with_structure(spec: Spec, structure: Structure) -> Spec:
    return replace(spec, structure=structure)


@lru_cache(maxsize=1024)
def _with_bound(spec: Spec, bound: float) -> Spec:
    return replace(spec, magnitude_bound=bound)


def _worth_decomposing(spec: Spec) -> bool:
    return decomposition_seconds(spec.kernel_shape) < plan_for(spec).cost.seconds / 2


def _readable(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The signal in a dtype, itself where the core can read it: its samples at multiples of their size."""
    return x if x.dtype == dtype and x.flags.carray else x.astype(dtype, copy=not _is_element_strided(x))


def _writable(out: NDArray[Any] | None, *others: NDArray[Any] | Product) -> bool:
    """Whether algorithms can write into a result: memory of our own, or a caller's that they do not read from."""
    return out is None or (_is_element_strided(out) and not any(np.may_share_memory(out, other) for other in others))


def _is_element_strided(a: NDArray[Any]) -> bool:
    """Whether the samples lie at multiples of their size, as the core steps from one to the next."""
    return a.flags.aligned and not any(stride % a.itemsize for stride in a.strides)


def copied(result: NDArray[Any], out: Any) -> NDArray[Any]:
    """A result in the caller's array, which is checked as `execute` does."""
    _check_out(out, result.shape, result.dtype)
    out[...] = result
    return out  # type: ignore[no-any-return]


def _result(spec: Spec, dtype: np.dtype[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    if out is None:
        return empty(spec.out, dtype)
    _check_out(out, spec.out, dtype)
    return out


def _check_out(out: Any, shape: Shape, dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"out: need a NumPy array, got {type(out).__name__}")
    if out.shape != shape:
        raise ShapeError(f"out: need the result's shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise DtypeError(f"out: need the result's dtype {dtype}, got {out.dtype}")
    if not out.flags.writeable:
        raise ArgumentError("out: need an array that can be written, got a read-only one")
