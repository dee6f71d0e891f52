"""The public functions: arguments in, arrays out. What is computed is in `spec.py`, how in `planner.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_flag, as_real, is_tensor
from convolens.convolution import broadcasting, gradients, quick
from convolens.convolution.arrange import Asked, Axes, arrange, as_kernel
from convolens.convolution.named import NamedKernel
from convolens.convolution.planner import LOCAL, METHODS, measured
from convolens.convolution.product import Product
from convolens.convolution.weighted import weighted
from convolens.convolution.windows import copied, execute, job_of, pace, planned
from convolens.errors import ArgumentError, MethodError, ShapeError, need_one_of
from convolens.planning import at_pace
from convolens.shapes import Boundary, Mode


def convolve(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: Any = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: Any = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[Any] | None = None,
) -> Any:
    """Convolution of x with a kernel, by whichever exact algorithm is cheapest.

    Each output is the sum of the kernel's weights times the samples around it, the kernel flipped:
    `full[i] = Σ_k kernel[k] · x[i - k]` on every axis.

    Args:
        x: array of numbers of any shape and strides, also a memory map; or a torch tensor, on any device.
        kernel: as many axes as x, or as `axes` names. With `axes` it may also have x's axes, with one kernel for each
            place along those that are not convolved, or 1 for all, and so may x. A list or number takes x's dtype where
            that can hold it.
        mode: `full`: every place where they meet, size N + K - 1. `same`: x's size, from `(K - 1) // 2` of `full`.
            `valid`: where the kernel is wholly inside x, size N - K + 1; or x inside it, where that is the longer.
        axes: axes of x that the kernel's axes lie along, in turn; the others are left alone. All, by default.
        boundary: how x is extended beyond its ends, one of `numpy.pad`'s names, or one for each of the kernel's axes.
        fill_value: what it is extended by for `constant`.
        origin: for `same`, how far from the kernel's middle the weight is that lies over each sample, on each axis:
            weight `(K - 1) // 2 + origin` of a convolution, `K // 2 + origin` of a correlation.
        step: every so many-th output along each axis of the kernel; the others are not computed.
        weights: how much each sample of x counts, of x's shape or 1 on some axes; those of 0 do not, NaN or not. The
            result is `Σ kernel` times the mean that they make: `Σ kernel · weights · x / Σ kernel · weights`, NaN where
            nothing counts. Beyond the border they continue as x does, a constant counts 1, one of NaN not at all.
        method: `auto`, or the name of the algorithm that must be used, as in `Plan.explain()`.
        tolerance: error that is allowed beside rounding, in units of max|x| · Σ|kernel|, against the endless Gaussian
            that `cl.kernel("gaussian", 20)` stands for. Other kernels, and tensors, are convolved exactly all the same.
        out: where the result is written, of its shape and dtype; may overlap x. NumPy only.

    Returns:
        Of x's kind. Integers with integers: int64, exact; with `weights` float64. Otherwise `numpy.result_type(x,
        kernel)`. A NaN or infinity in x reaches only those outputs whose window holds it. For tensors, with autograd:
        `convolve_gradients`.

    Raises:
        ShapeError: dimensions do not match, the kernel is empty, or with `valid` longer than x on some axes alone.
        DtypeError: not numbers, more precise than float64, or `out` of another dtype.
        BoundaryError: `boundary` is another library's word, or given with `valid`.
        OverflowRefused: an integer result needs more than 64 bits.
        MethodError: the method asked for cannot do this.
        ArgumentError: a tolerance that is not at least 0 and below 1; an origin outside the kernel, or without `same`;
            a step below 1; weights that are negative, or a kernel that sums to 0 with them.
        DeviceError: tensors on different devices.

    >>> convolve([1, 2, 3], [1, 1])
    array([1, 3, 5, 3])
    >>> convolve([1.0, np.nan, 3.0], [0.25, 0.5, 0.25], "same", weights=[1, 0, 1], boundary="edge")
    array([1., 2., 3.])
    """
    asked = Asked(mode, axes, boundary, fill_value, origin, step, True)
    return _apply(x, kernel, asked, method, tolerance, weights, out)


def correlate(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: Any = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: Any = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[Any] | None = None,
) -> Any:
    """`convolve` with the kernel as it is, not flipped (nor conjugated). Arguments, result and errors as there.

    >>> correlate([1, 2, 3], [1, 10], "valid")
    array([21, 32])
    """
    asked = Asked(mode, axes, boundary, fill_value, origin, step, False)
    return _apply(x, kernel, asked, method, tolerance, weights, out)


def plan(
    x: Any,
    kernel: Any,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: Any = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    method: str = "auto",
    tolerance: Real = 0,
    measure: bool = False,
) -> Any:
    """How `convolve` would do it: `.method`, `.cost`, and `.explain()`, a table of all algorithms.

    The arguments are those of `convolve`; a tensor's plan is that of an array on the CPU, that of several kernels is of
    the first. With `measure` every algorithm that can do it is timed on these arrays, and the choice is by that. A
    network's layer in the kernel's place (`convolens.layers.Conv2d`), with no other argument, is explained on x in the
    same words, by its own methods.

    Returns:
        The plan; `convolve(..., method=plan.method)` follows it.

    Raises:
        MethodError: and all others, as `convolve` would.

    >>> plan(np.zeros(8), np.ones(3)).method
    'direct'
    """
    if hasattr(kernel, "plan"):
        given = (mode, axes, boundary, fill_value, origin, step, method, tolerance, measure)
        usual = ("full", None, "constant", 0, 0, 1, "auto", 0, False)
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
    x, kernel, asked = _single(x, as_kernel(kernel, x.dtype), Asked(mode, axes, boundary, fill_value, origin, step))
    arranged = arrange(x.shape, kernel.shape, *asked)
    canonical = arranged.canonical(kernel, flip=asked.flip)
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
    if not isinstance(method, str) or method == LOCAL:
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
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: Any = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
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
    asked = Asked(mode, axes, boundary, fill_value, origin, step, True)
    if is_tensor(x) or is_tensor(kernel) or is_tensor(upstream):
        from convolens.convolution import tensors

        x, kernel = tensors.as_tensors(x, kernel)
        return _gradients(x, kernel, tensors.as_tensors(x, upstream)[1], asked)
    x, upstream = as_array(x, "x"), as_array(upstream, "upstream")
    return _gradients(x, np.asarray(as_kernel(kernel, x.dtype)), upstream, asked)


def _gradients(x: Any, kernel: Any, upstream: Any, asked: Asked) -> tuple[Any, Any]:
    """The gradients of one problem, or of several."""
    if other := broadcasting.exchanged(x, kernel, asked):
        in_kernel, in_signal = _gradients(other[0], other[1], upstream, other[2])
        if broadcasting.has_rank_of_x(x.ndim, kernel.ndim, asked.axes):
            return in_signal, in_kernel
        return in_signal, broadcasting.unplaced(in_kernel, broadcasting.chosen_axes(x.ndim, kernel.ndim, asked.axes))
    if split := broadcasting.split_of(tuple(x.shape), tuple(kernel.shape), asked):
        return _split_gradients(split, x, kernel, upstream, asked)
    single, asked = broadcasting.reduced(x, kernel, asked)
    if is_tensor(x):
        from convolens.convolution import tensors

        in_signal, in_kernel = tensors.convolve_gradients(x, single, upstream, asked)
    else:
        in_signal, in_kernel = _array_gradients(x, single, upstream, asked)
    if single is kernel:
        return in_signal, in_kernel
    return in_signal, broadcasting.placed(in_kernel, broadcasting.chosen_axes(x.ndim, single.ndim, asked.axes), x.ndim)


def _split_gradients(split: broadcasting.Split, x: Any, kernel: Any, upstream: Any, asked: Asked) -> tuple[Any, Any]:
    """The gradients of several problems: a signal that they share gets those of all."""
    if upstream.ndim != x.ndim or upstream.shape[split.axis] != split.kernels:
        raise ShapeError(
            f"upstream: need {x.ndim} axes, {split.kernels} long on axis {split.axis}, got {tuple(upstream.shape)}"
        )
    both = [
        _gradients(
            split.part(x, number, whole=split.shared), split.part(kernel, number), split.part(upstream, number), asked
        )
        for number in range(split.kernels)
    ]
    in_signal = sum(one for one, _ in both) if split.shared else broadcasting.joined(split, lambda n: both[n][0])
    return in_signal, broadcasting.joined(split, lambda number: both[number][1])


def _array_gradients(x: NDArray[Any], kernel: NDArray[Any], upstream: NDArray[Any], asked: Asked) -> tuple[Any, Any]:
    arranged = arrange(x.shape, kernel.shape, *asked)
    arranged.check_upstream(x.shape, upstream.shape)
    canonical = arranged.canonical(kernel, flip=True)
    in_signal, in_kernel = gradients.both(gradients.NUMPY, x, canonical, upstream, arranged.window)
    return in_signal, np.flip(in_kernel.reshape(arranged.ordered)).transpose(np.argsort(arranged.order))


def _apply(x: Any, kernel: Any, asked: Asked, method: str, tolerance: Real, weights: Any, out: Any) -> Any:
    if out is None and weights is None and isinstance(method, str) and method == "auto" and _is_zero(tolerance):
        recipe = quick.find(x, kernel, asked)
        if recipe is not None:
            return recipe.run(x, kernel)
    allowed = _allowed(tolerance)
    _need_name(method)
    if is_tensor(x) or is_tensor(kernel):
        from convolens.convolution import tensors

        if out is not None:
            raise ArgumentError(
                "out: need none for tensors, as autograd keeps what it is given; assign the result instead"
            )
        x, kernel = (x, kernel) if isinstance(kernel, Product) else tensors.as_tensors(x, kernel)
    else:
        x = as_array(x, "x")
        kernel = as_kernel(kernel, x.dtype)
    if weights is None:
        return _convolved(x, kernel, asked, method, allowed, out)
    result = weighted(x, kernel, weights, asked, method, _convolved)
    return result if out is None else copied(result, out)


def _convolved(
    x: Any, kernel: Any, asked: Asked, method: str, allowed: float = 0.0, out: NDArray[Any] | None = None
) -> Any:
    """One convolution, or several side by side."""
    if other := broadcasting.exchanged(x, kernel, asked):
        return _convolved(*other, method, allowed, out)
    if split := broadcasting.split_of(tuple(x.shape), tuple(kernel.shape), asked):
        result = broadcasting.joined(
            split,
            lambda number: _convolved(
                split.part(x, number, whole=split.shared), split.part(kernel, number), asked, method, allowed
            ),
        )
        return result if out is None else copied(result, out)
    kernel, asked = broadcasting.reduced(x, kernel, asked)
    return _one_convolved(x, kernel, asked, method, allowed, out)


def _one_convolved(x: Any, kernel: Any, asked: Asked, method: str, allowed: float, out: NDArray[Any] | None) -> Any:
    if is_tensor(x):
        from convolens.convolution import tensors

        return tensors.apply(x, kernel, asked, method)
    arranged = arrange(x.shape, kernel.shape, *asked)
    canonical = arranged.canonical(kernel, flip=asked.flip)
    inspect = isinstance(kernel, NamedKernel)
    plan = planned(x, canonical, arranged.window, method, inspect=inspect, tolerance=allowed)
    if out is None and method == "auto" and allowed == 0:
        quick.keep(plan, arranged, x, kernel, asked)
    return execute(plan, x, canonical, arranged.window, out, local=method == LOCAL)


def _single(x: Any, kernel: Any, asked: Asked) -> tuple[Any, Any, Asked]:
    """A problem of one kernel: the first, where there are several."""
    if other := broadcasting.exchanged(x, kernel, asked):
        return _single(*other)
    if split := broadcasting.split_of(x.shape, kernel.shape, asked):
        return _single(split.part(x, 0, whole=split.shared), split.part(kernel, 0), asked)
    return x, *broadcasting.reduced(x, kernel, asked)
