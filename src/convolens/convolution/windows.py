"""The canonical form on NumPy arrays: dtypes settled, structure found, plan looked up, run.

Both public functions, both gradients and torch's CPU tensors come through here.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import empty
from convolens.convolution import integers
from convolens.convolution.job import Job
from convolens.convolution.planner import plan_for
from convolens.convolution.spec import Spec, Window, check_fill, compute_dtypes, result_dtype
from convolens.convolution.structure import Structure, decomposition_seconds, describe
from convolens.errors import ArgumentError, DtypeError, ShapeError

# Products (outputs × weights) up to which the kernel's values cannot matter: looking at them takes longer.
TINY = 1 << 18


def windows(
    x: NDArray[Any], weights: NDArray[Any], window: Window, method: str = "auto", out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """`out[i] = Σ_k weights[k] · X[i + k]`, X being x extended; `weights` has as many axes as x."""
    spec = specify(x, weights, window, method)
    result = _result(spec, result_dtype(x.dtype, weights.dtype), out)
    if spec.size == 0:
        plan_for(spec, method)  # refuses a method that there is not
        return result
    plan = plan_for(spec, method)
    overlapping = out is not None and any(np.may_share_memory(out, other) for other in (x, weights))
    written = result.dtype == spec.dtype and _orderly(result) and not overlapping
    target = result if written else empty(spec.out, spec.dtype)
    if spec.exact and not integers.fits(spec.peak):
        integers.run_unlimited(Job(spec, x, weights, window.fill, target))
    else:
        plan.run(job_of(spec, x, weights, window, target))
    if target is not result:
        with np.errstate(over="ignore"):  # a float16 result that is too large is infinite, as in NumPy
            result[...] = target
    return result


def job_of(spec: Spec, x: NDArray[Any], weights: NDArray[Any], window: Window, out: NDArray[Any]) -> Job:
    """The problem with its arrays in the dtypes it is read and computed in."""
    fill = int(window.fill) if spec.exact else window.fill
    return Job(spec, _readable(x, spec.source), weights.astype(spec.dtype, copy=False), fill, out)


def specify(x: NDArray[Any], weights: NDArray[Any], window: Window, method: str = "auto") -> Spec:
    """The problem these arrays pose, with as much known of the kernel's values as is worth knowing.

    Raises:
        DtypeError: more precise than float64, or a fill value the result cannot hold.
    """
    source, dtype = compute_dtypes(x.dtype, weights.dtype)
    check_fill(window.fill, dtype)
    spec = Spec(
        x.shape, weights.shape, window.before, window.after, window.boundary, source, dtype,
        structure=Structure(weights.size),
        zeros=window.boundary == "constant" and window.fill == 0,
        contiguous=x.flags.c_contiguous,
    )  # fmt: skip
    if spec.exact:
        spec = replace(spec, peak=integers.peak(x, weights, int(window.fill)))
    if depends_on_shapes_only(spec, method):
        return spec
    return replace(spec, structure=_structure(spec, weights, method))


def depends_on_shapes_only(spec: Spec, method: str) -> bool:
    """Whether the plan is the same whatever the kernel's values: the problem is too small for them to matter."""
    return method == "auto" and spec.size * spec.weights <= TINY


def _structure(spec: Spec, weights: NDArray[Any], method: str) -> Structure:
    """The kernel's structure; its rank is sought where that takes less time than may be saved."""
    weights = weights.astype(spec.dtype, copy=False)
    few = describe(weights, seek_rank=False)
    if len(spec.axes) < 2 or prod(weights.shape) == 0:
        return few
    if method == "separable" or _worth_decomposing(replace(spec, structure=few)):
        return describe(weights, seek_rank=True)
    return few


def _worth_decomposing(spec: Spec) -> bool:
    return decomposition_seconds(spec.kernel) < plan_for(spec).cost.seconds / 2


def _readable(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The signal in a dtype, itself where the core can read it: its samples at multiples of their size."""
    return x.astype(dtype, copy=not _orderly(x))


def _orderly(a: NDArray[Any]) -> bool:
    """Whether the samples lie at multiples of their size, as the core steps from one to the next."""
    return a.flags.aligned and not any(stride % a.itemsize for stride in a.strides)


def _result(spec: Spec, dtype: np.dtype[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    if out is None:
        return empty(spec.out, dtype)
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"out: need a NumPy array, got {type(out).__name__}")
    if out.shape != spec.out:
        raise ShapeError(f"out: need the result's shape {spec.out}, got {out.shape}")
    if out.dtype != dtype:
        raise DtypeError(f"out: need the result's dtype {dtype}, got {out.dtype}")
    if not out.flags.writeable:
        raise ArgumentError("out: need an array that can be written, got a read-only one")
    return out
