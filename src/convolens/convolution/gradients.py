"""The adjoints of a convolution, written out; torch's autograd runs these same lines for tensors.

With y[i] = Σ_k w[k] · X[i + k], X being x extended by `before` and `after`, and u the gradient of a real loss in y:

    in w:  ∂[k] = Σ_i u[i] · X̄[i + k]        the same form, with u in the kernel's place
    in X:  ∂[p] = Σ_k w̄[k] · u[p - k]        the same form again: u extended by zeros, w flipped
    in x:  what ∂ in X holds beyond the ends of x belongs to the samples it was continued from; `fold` adds it there

Where a step passes over places, u is 0 there.

So for `valid` the gradient in x is the full correlation of u with the kernel's flip, for `full` the valid one, and for
`same` the crop's. Constant borders come from no sample: there the fold is a mere crop, which is not even computed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Array
from convolens.convolution.spec import Shape, Window, result_shape
from convolens.convolution.windows import windows
from convolens.shapes import boundary_along, boundary_map

A = TypeVar("A", bound=Array)


@runtime_checkable
class Backend(Protocol[A]):
    """What the adjoints need of a kind of array; NumPy's is here, torch's in `tensors.py`."""

    def windows(self, x: A, kernel: A, window: Window) -> A:
        """The canonical form: weighted windows of the extended signal."""

    def flip(self, a: A) -> A:
        """All axes reversed."""

    def conj(self, a: A) -> A:
        """Complex conjugate."""

    def fold(self, a: A, axis: int, sources: NDArray[np.int64], size: int) -> A:
        """Adds each entry along an axis to the one of `size` that `sources` names."""

    def spread(self, a: A, shape: Shape, step: Shape) -> A:
        """`a` at every `step`-th place of zeros of this shape."""

    def like(self, a: A, b: A) -> A:
        """`a` as a gradient of `b`: of its dtype, real where that is."""


def both(backend: Backend[A], x: A, kernel: A, upstream: A, window: Window) -> tuple[A, A]:
    """The gradients in x and in the kernel."""
    in_kernel = gradient_in_kernel(backend, x, kernel, upstream, window)
    return gradient_in_signal(backend, x, kernel, upstream, window), in_kernel


def gradient_in_signal(backend: Backend[A], x: A, kernel: A, upstream: A, window: Window) -> A:
    """The gradient in x; its shape and dtype are all that is used of x."""
    flipped = backend.flip(backend.conj(kernel))
    upstream = _at_every_place(backend, x, kernel, upstream, window)
    cropped = [boundary_along(window.boundary, axis) == "constant" for axis in range(len(x.shape))]
    before, after = (
        tuple(k - 1 - side if crop else k - 1 for k, side, crop in zip(kernel.shape, sides, cropped, strict=True))
        for sides in (window.before, window.after)
    )
    gradient = backend.windows(upstream, flipped, Window(before, after))
    for axis, size in enumerate(x.shape):
        sides = window.before[axis], window.after[axis]
        if any(sides) and not cropped[axis]:
            sources = boundary_map(size, *sides, boundary_along(window.boundary, axis))
            gradient = backend.fold(gradient, axis, sources, size)
    return backend.like(gradient, x)


def gradient_in_kernel(backend: Backend[A], x: A, kernel: A, upstream: A, window: Window) -> A:
    """The gradient in the kernel: the samples under each of its weights, weighted by the upstream gradient."""
    upstream = _at_every_place(backend, x, kernel, upstream, window)
    fill = window.fill.conjugate() if isinstance(window.fill, complex) else window.fill
    return backend.like(backend.windows(backend.conj(x), upstream, replace(window, fill=fill, step=())), kernel)


def _at_every_place(backend: Backend[A], x: A, kernel: A, upstream: A, window: Window) -> A:
    """The upstream gradient with zeros at the places that a step passes over."""
    if not window.step:
        return upstream
    places = result_shape(tuple(x.shape), tuple(kernel.shape), window.before, window.after)
    return backend.spread(upstream, places, window.step)


class _NumPyBackend:
    """`Backend` for NumPy arrays."""

    def windows(self, x: NDArray[Any], kernel: NDArray[Any], window: Window) -> NDArray[Any]:
        """Zeros where there is no weight to sum over: no output, no gradient."""
        if kernel.size == 0:
            return np.zeros(result_shape(x.shape, kernel.shape, window.before, window.after), np.result_type(x, kernel))
        return windows(x, kernel, window)

    def flip(self, a: NDArray[Any]) -> NDArray[Any]:
        return np.flip(a)

    def conj(self, a: NDArray[Any]) -> NDArray[Any]:
        return np.conj(a) if a.dtype.kind == "c" else a

    def fold(self, a: NDArray[Any], axis: int, sources: NDArray[np.int64], size: int) -> NDArray[Any]:
        lines = np.moveaxis(a, axis, 0)
        folded = np.zeros((size, *lines.shape[1:]), a.dtype)
        np.add.at(folded, sources, lines)
        return np.moveaxis(folded, 0, axis)

    def spread(self, a: NDArray[Any], shape: Shape, step: Shape) -> NDArray[Any]:
        places = np.zeros(shape, a.dtype)
        places[tuple(slice(None, None, s) for s in step)] = a
        return places

    def like(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        return a.real if a.dtype.kind == "c" and b.dtype.kind != "c" else a


NUMPY = _NumPyBackend()
