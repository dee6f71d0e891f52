"""The public functions: arguments in, arrays out. What is computed is in `spec.py`, how in `planner.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_flag, as_real, is_tensor
from convolens.convolution import gradients, quick
from convolens.convolution.arrange import Axes, arrange, as_kernel
from convolens.convolution.named import NamedKernel
from convolens.convolution.planner import METHODS, measured
from convolens.convolution.windows import execute, job_of, pace, planned
from convolens.errors import ArgumentError, MethodError, need_one_of
from convolens.planning import at_pace
from convolens.shapes import Boundary, Mode


def convolve(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[Any] | None = None,
) -> Any:
    """Convolution of x with a kernel, by whichever exact algorithm is cheapest.

    Each output is the sum of the kernel's weights times the samples around it, the kernel flipped:
    `full[i] = Σ_k kernel[k] · x[i - k]` on every axis.

    Args:
        x: array of numbers of any shape and strides, also a memory map; or a torch tensor, on any device.
        kernel: as many axes as x, or as `axes` names. A list or number takes x's dtype where that can hold it.
        mode: `full`: every place where they meet, size N + K - 1. `same`: x's size, from `(K - 1) // 2` of `full`.
            `valid`: where the kernel is wholly inside x, size N - K + 1.
        axes: axes of x that the kernel's axes lie along, in turn; the others are left alone. All, by default.
        boundary: how x is extended beyond its ends, one of `numpy.pad`'s names.
        fill_value: what it is extended by for `constant`.
        method: `auto`, or the name of the algorithm that must be used, as in `Plan.explain()`.
        tolerance: error that is allowed beside rounding, in units of max|x| · Σ|kernel|, against the endless Gaussian
            that `cl.kernel("gaussian", 20)` stands for. Other kernels, and tensors, are convolved exactly all the same.
        out: where the result is written, of its shape and dtype; may overlap x. NumPy only.

    Returns:
        Of x's kind. Integers with integers: int64, exact. Otherwise `numpy.result_type(x, kernel)`. A NaN or infinity
        in x reaches only those outputs whose window holds it. For tensors, with autograd: `convolve_gradients`.

    Raises:
        ShapeError: dimensions do not match, the kernel is empty, or with `valid` longer than x.
        DtypeError: not numbers, more precise than float64, or `out` of another dtype.
        BoundaryError: `boundary` is another library's word, or given with `valid`.
        OverflowRefused: an integer result needs more than 64 bits.
        MethodError: the method asked for cannot do this.
        ArgumentError: a tolerance that is not at least 0 and below 1.
        DeviceError: tensors on different devices.

    >>> convolve([1, 2, 3], [1, 1])
    array([1, 3, 5, 3])
    """
    return _apply(x, kernel, mode, axes, boundary, fill_value, method, tolerance, out, True)


def correlate(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[Any] | None = None,
) -> Any:
    """`convolve` with the kernel as it is, not flipped (nor conjugated). Arguments, result and errors as there.

    >>> correlate([1, 2, 3], [1, 10], "valid")
    array([21, 32])
    """
    return _apply(x, kernel, mode, axes, boundary, fill_value, method, tolerance, out, False)


def plan(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
    method: str = "auto",
    tolerance: Real = 0,
    measure: bool = False,
) -> Any:
    """How `convolve` would do it: `.method`, `.cost`, and `.explain()`, a table of all algorithms.

    The arguments are those of `convolve`; a tensor's plan is that of an array on the CPU. With `measure` every
    algorithm that can do it is timed on these arrays, and the choice is by that. A network's layer in the kernel's
    place (`convolens.layers.Conv2d`), with no other argument, is explained on x in the same words, by its own methods.

    Returns:
        The plan; `convolve(..., method=plan.method)` follows it.

    Raises:
        MethodError: and all others, as `convolve` would.

    >>> plan(np.zeros(8), np.ones(3)).method
    'direct'
    """
    if hasattr(kernel, "plan"):
        given = (mode, axes, boundary, fill_value, method, tolerance, measure)
        usual = ("full", None, "constant", 0, "auto", 0, False)
        if any(not np.isscalar(one) and one is not None for one in given) or given != usual:
            raise ArgumentError(
                "kernel: need a layer alone, whose padding and stride are its own; give no other argument"
            )
        return kernel.plan(x)
    allowed = _allowed(tolerance)
    _need_name(method)
    as_flag(measure, "measure")
    if is_tensor(x) or is_tensor(kernel):
        from convolens.convolution import tensors

        x, kernel = tensors.as_numpy(x), tensors.as_numpy(kernel)
    x = as_array(x, "x")
    kernel = as_kernel(kernel, x.dtype)
    arranged = arrange(x.shape, kernel.shape, mode, axes, boundary, fill_value)
    canonical = arranged.canonical(kernel, flip=True)
    if measure:
        spec = planned(x, canonical, arranged.window, seek_rank=True, tolerance=allowed).problem
        return measured(job_of(spec, x, canonical, arranged.window, np.empty(spec.out, spec.dtype)))
    inspect = isinstance(kernel, NamedKernel)
    return at_pace(planned(x, canonical, arranged.window, method, inspect=inspect, tolerance=allowed), pace())


def _is_zero(tolerance: Real) -> bool:
    """Whether it is plainly 0: a look that costs nothing beside a tiny convolution, at any object."""
    return type(tolerance) in (int, float) and tolerance == 0


def _need_name(method: object) -> None:
    """Refuses what is no name, as an array has no truth value where it is compared with one."""
    if not isinstance(method, str):
        need_one_of("method", method, METHODS, MethodError)


def _allowed(tolerance: Real) -> float:
    return as_real(tolerance, "tolerance", "a number of at least 0 and below 1", lambda t: 0 <= t < 1)


def convolve_gradients(
    x: Any,
    kernel: Any,
    upstream: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
) -> tuple[Any, Any]:
    """Gradients of a loss in x and in the kernel, given its gradient in `convolve(x, kernel, mode, ...)`.

    The adjoints are written out in `gradients.py`. For complex arrays they follow torch's convention: conjugated, so
    that a step against the gradient lowers the loss.

    `upstream`, the gradient in the result, has its shape. The other arguments are those of `convolve`.

    Returns:
        `(grad_x, grad_kernel)`, of the shapes of x and kernel; real where these are.

    Raises:
        ShapeError: `upstream` has not the result's shape; and all errors of `convolve`.

    >>> convolve_gradients([1.0, 2.0], [3.0, 4.0], [1.0, 1.0, 1.0])
    (array([7., 7.]), array([3., 3.]))
    """
    if is_tensor(x) or is_tensor(kernel) or is_tensor(upstream):
        from convolens.convolution import tensors

        return tensors.convolve_gradients(x, kernel, upstream, mode, axes, boundary, fill_value)
    x, upstream = as_array(x, "x"), as_array(upstream, "upstream")
    kernel = np.asarray(as_kernel(kernel, x.dtype))
    arranged = arrange(x.shape, kernel.shape, mode, axes, boundary, fill_value)
    arranged.check_upstream(x.shape, upstream.shape)
    canonical = arranged.canonical(kernel, flip=True)
    in_signal, in_kernel = gradients.both(gradients.NUMPY, x, canonical, upstream, arranged.window)
    return in_signal, np.flip(in_kernel.reshape(arranged.ordered)).transpose(np.argsort(arranged.order))


def _apply(
    x: Any, kernel: Any, mode: str, axes: Axes, boundary: str, fill_value: Any, method: str, tolerance: Real, out: Any,
    flip: bool,
) -> Any:  # fmt: skip
    options = mode, axes, boundary, flip
    if out is None and isinstance(method, str) and method == "auto" and _is_zero(tolerance):
        recipe = quick.find(x, kernel, fill_value, options)
        if recipe is not None:
            return recipe.run(x, kernel)
    allowed = _allowed(tolerance)
    _need_name(method)
    if is_tensor(x) or is_tensor(kernel):
        from convolens.convolution import tensors

        return tensors.apply(x, kernel, mode, axes, boundary, fill_value, method, out, flip=flip)
    signal = as_array(x, "x")
    filters = as_kernel(kernel, signal.dtype)
    arranged = arrange(signal.shape, filters.shape, mode, axes, boundary, fill_value)
    canonical = arranged.canonical(filters, flip=flip)
    inspect = isinstance(filters, NamedKernel)
    plan = planned(signal, canonical, arranged.window, method, inspect=inspect, tolerance=allowed)
    if out is None and method == "auto":
        quick.keep(plan, arranged, x, kernel, fill_value, options)
    return execute(plan, signal, canonical, arranged.window, out)
