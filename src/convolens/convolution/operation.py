"""The public functions: arguments in, arrays out. What is computed is in `spec.py`, how in `planner.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import as_array
from convolens.convolution.job import Job
from convolens.convolution.planner import Plan, plan_for
from convolens.convolution.spec import check_fill, kernel_axes, specify
from convolens.shapes import Boundary, Mode

Axes = int | tuple[int, ...] | None


def convolve(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
    method: str = "auto",
    out: NDArray[Any] | None = None,
) -> Any:
    """Convolution of x with a kernel, by whichever exact algorithm is cheapest.

    Each output is the sum of the kernel's weights times what lies near it, the kernel flipped:
    `full[i] = Σ_k kernel[k] · x[i - k]` on every axis.

    Args:
        x: array of numbers, any shape, strides or memory map.
        kernel: as many axes as x, or as `axes` names. A list or number takes x's dtype where it can.
        mode: `full`: every place where they meet, size N + K - 1. `same`: x's size, from `(K - 1) // 2` of `full`.
            `valid`: where the kernel lies wholly inside, size N - K + 1.
        axes: axes of x that the kernel's axes lie along; the others are left alone. All, by default.
        boundary: how x goes on beyond its ends, one of `numpy.pad`'s names.
        fill_value: what it goes on with for `constant`.
        method: `auto`, or the name of an algorithm that must be used.
        out: where the result is written, of its shape and dtype; may be x itself.

    Returns:
        Integers with integers: int64, exact. Otherwise `numpy.result_type(x, kernel)`. A NaN or infinity in x reaches
        only those outputs whose window holds it.

    Raises:
        ShapeError: dimensions do not match, the kernel is empty, or with `valid` longer than x.
        DtypeError: not numbers, or `out` of another dtype.
        BoundaryError: `boundary` is another library's word, or given with `valid`.
        OverflowRefused: an integer result needs more than 64 bits.
        MethodError: the method asked for cannot do this.

    >>> convolve([1, 2, 3], [1, 1])
    array([1, 3, 5, 3])
    """
    return _apply(x, kernel, mode, axes, boundary, fill_value, method, out, flip=True)


def correlate(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
    method: str = "auto",
    out: NDArray[Any] | None = None,
) -> Any:
    """`convolve` with the kernel as it is, not flipped (and not conjugated). Arguments and errors as there.

    >>> correlate([1, 2, 3], [1, 10], "valid")
    array([21, 32])
    """
    return _apply(x, kernel, mode, axes, boundary, fill_value, method, out, flip=False)


def plan(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
    method: str = "auto",
) -> Plan:
    """How `convolve` would do it: `.method`, `.cost`, and `.explain()`, a table of all algorithms.

    >>> print(plan(np.zeros(8), np.ones(3)).method)
    direct
    """
    job = _prepare(x, kernel, mode, axes, boundary, fill_value, None, flip=True)[0]
    return plan_for(job.spec, method)


def _apply(
    x: Any, kernel: Any, mode: str, axes: Axes, boundary: str, fill_value: Any, method: str, out: Any, *, flip: bool
) -> NDArray[Any]:
    job, result = _prepare(x, kernel, mode, axes, boundary, fill_value, out, flip=flip)
    plan_for(job.spec, method).run(job)
    if result is not job.out:
        result[...] = job.out
    return result


def _prepare(
    x: Any, kernel: Any, mode: str, axes: Axes, boundary: str, fill_value: Any, out: Any, *, flip: bool
) -> tuple[Job, NDArray[Any]]:
    """The job, and the array its result belongs in: the job's own `out`, unless that needs another dtype or memory."""
    x = as_array(x, "x")
    kernel = _kernel(kernel, x.dtype)
    chosen = kernel_axes(x.ndim, kernel.ndim, axes)
    spec = specify(x, kernel, mode, chosen, boundary, fill_value)
    check_fill(fill_value, spec.source, spec.dtype)
    weights = kernel.transpose(np.argsort(chosen)).astype(spec.dtype, copy=False).reshape(spec.kernel)
    weights = weights[(slice(None, None, -1 if flip else 1),) * x.ndim]
    x = x.astype(spec.source, copy=False)
    spec = replace(spec, finite=spec.exact or bool(np.isfinite(weights).all()))
    result = np.empty(spec.out, spec.dtype) if out is None else out
    return Job(spec, x, weights, fill_value, result), result


def _kernel(kernel: Any, like: np.dtype[Any]) -> NDArray[Any]:
    """The kernel as an array; one without a dtype of its own takes x's, as far as that holds its kind of number."""
    array = as_array(kernel, "kernel")
    if isinstance(kernel, np.ndarray | np.generic):
        return array
    weak = {"b": 0, "u": 0, "i": 0, "f": 0.0, "c": 0j}[array.dtype.kind]
    return array.astype(np.result_type(like, weak)) if array.dtype.kind in "fc" or like.kind in "fc" else array
