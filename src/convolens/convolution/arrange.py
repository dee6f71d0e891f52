"""Arguments to the canonical form: a mode and chosen axes become a window, a kernel one with all of x's axes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from typing import Any

import numpy as np

from convolens.arrays import as_array, need_size
from convolens.convolution.named import NamedKernel
from convolens.convolution.product import Product
from convolens.convolution.spec import Shape, Window, result_shape
from convolens.errors import ArgumentError, BoundaryError, DtypeError, ShapeError
from convolens.forks import cached_property
from convolens.shapes import Mode, check_boundary, check_mode

MAX_AXES = 8  # what the core's loops nest

Axes = int | tuple[int, ...] | None


@dataclass(frozen=True)
class Arrangement:
    """How a kernel is brought to canonical form.

    Attributes:
        order: the kernel's axes in the order of the signal's.
        ordered: the kernel's shape in that order.
        sizes: that shape with an entry for every axis of the signal, 1 where it is not convolved.
        window: how the signal is extended.
    """

    order: Shape
    ordered: Shape
    sizes: Shape
    window: Window

    def canonical(self, kernel: Any, *, flip: bool) -> Any:
        """The kernel in canonical form, a view; of one known to be a product of lines, such a product again."""
        known = kernel.product if isinstance(kernel, NamedKernel) else kernel
        if isinstance(known, Product):
            return known.arranged(self.order, self.sizes, flip=flip)
        ordered = kernel if self.in_order else kernel.transpose(self.order)
        return (ordered[self.reversal] if flip else ordered).reshape(self.sizes)

    @cached_property
    def in_order(self) -> bool:
        """Whether the kernel's axes are in the order of the signal's."""
        return self.order == tuple(range(len(self.order)))

    @cached_property
    def reversal(self) -> tuple[slice, ...]:
        """What flips an array of the kernel's axes."""
        return (slice(None, None, -1),) * len(self.order)

    def check_upstream(self, shape: Shape, upstream: Shape) -> None:
        """Refuses a gradient that has not the shape of the result for a signal of `shape`."""
        need = result_shape(shape, self.sizes, self.window.before, self.window.after)
        if need != upstream:
            raise ShapeError(f"upstream: need the result's shape {need}, got {upstream}")


def arrange(shape: Shape, kernel: Shape, mode: str, axes: Axes, boundary: str, fill_value: Any) -> Arrangement:
    """The arrangement for a signal and a kernel of these shapes.

    Raises:
        ShapeError: they do not match, there are more than eight axes, the kernel is empty, or `valid` and longer than
            the signal.
        ArgumentError: no such mode or axis.
        BoundaryError: not one of `numpy.pad`'s, or any but the default with `valid`.
    """
    if axes is None:
        with suppress(TypeError):  # an argument that cannot be hashed: the error is raised below
            return _cached(shape, kernel, mode, boundary, fill_value)
    return _arrange(shape, kernel, mode, axes, boundary, fill_value)


def _arrange(shape: Shape, kernel: Shape, mode: str, axes: Axes, boundary: str, fill_value: Any) -> Arrangement:
    if len(shape) > MAX_AXES:
        raise ShapeError(f"x: need at most {MAX_AXES} dimensions, got {len(shape)}; join some by reshape")
    need_size(shape, "x")
    need_size(kernel, "kernel")
    chosen = kernel_axes(len(shape), len(kernel), axes)
    order = tuple(sorted(range(len(chosen)), key=chosen.__getitem__))
    sizes = [1] * len(shape)
    for axis, size in zip(chosen, kernel, strict=True):
        sizes[axis] = size
    known, fill = check_boundary(boundary), _as_python_number(fill_value)
    check_window(shape, tuple(sizes), check_mode(mode), known, fill)
    window = Window(*extension(mode, tuple(sizes)), known, fill)
    return Arrangement(order, tuple(kernel[i] for i in order), tuple(sizes), window)


@lru_cache(maxsize=1024, typed=True)
def _cached(shape: Shape, kernel: Shape, mode: str, boundary: str, fill_value: Any) -> Arrangement:
    return _arrange(shape, kernel, mode, None, boundary, fill_value)


def _as_python_number(fill_value: Any) -> Any:
    """NumPy's scalars as Python's."""
    if isinstance(fill_value, list | tuple) or np.ndim(fill_value):
        raise DtypeError(f"fill_value: need a number, got {fill_value!r:.200}")
    plain = fill_value.item() if isinstance(fill_value, np.generic | np.ndarray) else fill_value
    return int(plain) if isinstance(plain, bool) else plain


def as_kernel(kernel: Any, like: np.dtype[Any]) -> Any:
    """The kernel as an array; one without a dtype takes x's, as far as that holds its kind of number.

    One of which something is known stays as it is.
    """
    if isinstance(kernel, NamedKernel | Product):
        return kernel
    array = as_array(kernel, "kernel")
    if isinstance(kernel, np.ndarray | np.generic) or (array.dtype.kind in "bui" and like.kind in "bui"):
        return array
    weak = {"f": 0.0, "c": 0j}.get(array.dtype.kind, 0)
    return array.astype(np.result_type(like, weak))


def extension(mode: str, kernel: Shape) -> tuple[Shape, Shape]:
    """Samples before and after that a mode extends each axis by.

    `same` begins at `(K - 1) // 2` of `full`, which itself begins K - 1 samples before the signal.

    >>> extension("same", (4, 3))
    ((2, 1), (1, 1))
    """
    known: Mode = check_mode(mode)
    if known == "full":
        return (margin := tuple(k - 1 for k in kernel)), margin
    if known == "same":
        return tuple(k // 2 for k in kernel), tuple((k - 1) // 2 for k in kernel)
    return (nothing := (0,) * len(kernel)), nothing


def kernel_axes(ndim: int, kernel_ndim: int, axes: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Which axis of the signal each axis of the kernel is for, counted from 0.

    Raises:
        ShapeError: the kernel has not one axis for each.
        ArgumentError: an axis is out of range, or given twice.
    """
    if axes is None:
        if kernel_ndim != ndim or ndim == 0:
            raise ShapeError(
                f"kernel: need {max(ndim, 1)} dimensions, as many as x, got {kernel_ndim}; or choose x's axes by axes="
            )
        return tuple(range(ndim))
    try:
        chosen = tuple(index(axis) for axis in (axes if isinstance(axes, tuple | list) else (axes,)))
    except TypeError:
        raise ArgumentError(f"axes: need whole numbers, got {axes!r}") from None
    if any(not -ndim <= axis < ndim for axis in chosen):
        raise ArgumentError(f"axes: need axes of x, from {-ndim} to {ndim - 1}, got {chosen}")
    counted = tuple(axis % ndim for axis in chosen)
    if len(set(counted)) != len(counted):
        raise ArgumentError(f"axes: need each axis once, got {chosen}")
    if kernel_ndim != len(counted):
        raise ShapeError(f"kernel: need {len(counted)} dimensions, one for each of axes={chosen}, got {kernel_ndim}")
    return counted


def check_window(shape: Shape, kernel: Shape, mode: str, boundary: str, fill_value: Any) -> None:
    """Refuses what no signal of this shape can be convolved with.

    Raises:
        ShapeError: the kernel is empty, or `valid` and longer than the signal.
        BoundaryError: `valid` with any boundary but the default.
    """
    if 0 in kernel:
        raise ShapeError(f"kernel: need at least one weight on each axis, got shape {kernel}")
    if mode != "valid":
        return
    if boundary != "constant" or fill_value != 0:
        raise BoundaryError(
            f"boundary: need the default with mode 'valid', which looks at no border, got {boundary!r} with "
            f"fill_value {fill_value!r}"
        )
    if any(k > n for n, k in zip(shape, kernel, strict=True)):
        raise ShapeError(
            f"kernel: need at most x's size with mode 'valid', got {kernel} over x's {shape}; "
            "mode 'full' or 'same' takes a longer one"
        )
