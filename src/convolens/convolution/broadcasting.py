"""Calls that are several problems, or one with its arguments exchanged, brought to single ones.

A kernel with as many axes as x, of which only some are convolved, has one kernel for each place along the others, or
one for all where it is one long there. With `valid`, what is longer is the signal, as in NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convolens.arrays import empty, is_tensor
from convolens.convolution.arrange import Asked, kernel_axes
from convolens.convolution.product import Product
from convolens.convolution.spec import Shape
from convolens.errors import ShapeError
from convolens.memory import need_memory
from convolens.shapes import check_mode

Axes = tuple[int, ...]
Arguments = tuple[Any, Any, Asked]


class Split(NamedTuple):
    """An axis that is not convolved, along which there are so many kernels; x is shared if it is one long there."""

    axis: int
    kernels: int
    shared: bool

    def part(self, a: Any, number: int, *, whole: bool = False) -> Any:
        """The part of an array for one of the kernels."""
        return a if whole else a[(slice(None),) * self.axis + (slice(number, number + 1),)]


def has_rank_of_x(ndim: int, kernel_ndim: int, axes: Any) -> bool:
    """Whether the kernel has x's axes, though some of them are not convolved."""
    return axes is not None and kernel_ndim == ndim > (len(axes) if isinstance(axes, tuple | list) else 1)


def chosen_axes(ndim: int, kernel_ndim: int, axes: Any) -> Axes:
    """The axes that are convolved, in the order in which they were named. Errors as in `kernel_axes`."""
    named = len(axes) if isinstance(axes, tuple | list) else 1
    return kernel_axes(ndim, named if has_rank_of_x(ndim, kernel_ndim, axes) else kernel_ndim, axes)


def split_of(shape: Shape, kernel: Shape, asked: Asked) -> Split | None:
    """The first axis along which there are several kernels, if there is one.

    Raises:
        ShapeError: along an axis that is not convolved there are neither one nor as many as x has places.
    """
    if not has_rank_of_x(len(shape), len(kernel), asked.axes):
        return None
    chosen = chosen_axes(len(shape), len(kernel), asked.axes)
    others = [axis for axis in range(len(shape)) if axis not in chosen and kernel[axis] != 1]
    if any(kernel[axis] == 0 or shape[axis] not in (1, kernel[axis]) for axis in others):
        raise ShapeError(
            f"kernel: need 1 or x's size on axes that are not convolved, got {kernel} over x's {shape} with "
            f"axes={chosen}"
        )
    return Split(others[0], kernel[others[0]], shape[others[0]] == 1) if others else None


def exchanged(x: Any, kernel: Any, asked: Asked) -> Arguments | None:
    """With `valid` and a kernel that is longer on every axis, the kernel as the signal; else None."""
    check_mode(asked.mode)  # before it is compared: an array has no truth value
    if asked.mode != "valid" or isinstance(kernel, Product):
        return None
    chosen = chosen_axes(x.ndim, kernel.ndim, asked.axes)
    full = kernel.ndim == x.ndim and has_rank_of_x(x.ndim, kernel.ndim, asked.axes)
    sizes = [kernel.shape[axis] for axis in chosen] if full else list(kernel.shape)
    pairs = [(k, x.shape[axis]) for k, axis in zip(sizes, chosen, strict=True)]
    if not all(k >= n > 0 for k, n in pairs) or all(k == n for k, n in pairs):
        return None
    signal = kernel if full else placed(kernel, chosen, x.ndim)
    if not asked.flip:
        signal = signal.flip(chosen) if is_tensor(signal) else np.flip(signal, chosen)
    order = sorted(range(len(chosen)), key=chosen.__getitem__)  # both have x's axes now, in their order
    step = tuple(asked.step[i] for i in order) if isinstance(asked.step, tuple | list) else asked.step
    return signal, x, asked._replace(axes=tuple(sorted(chosen)), step=step, flip=True)


def reduced(x: Any, kernel: Any, asked: Asked) -> tuple[Any, Asked]:
    """A kernel of x's rank that is the same everywhere, with the axes that are convolved alone."""
    if not has_rank_of_x(x.ndim, kernel.ndim, asked.axes):
        return kernel, asked
    chosen = chosen_axes(x.ndim, kernel.ndim, asked.axes)
    return unplaced(kernel, chosen), asked._replace(axes=chosen)


def placed(kernel: Any, chosen: Axes, ndim: int) -> Any:
    """A kernel along chosen axes as one of x's rank."""
    sizes = dict(zip(chosen, kernel.shape, strict=True))
    order = sorted(range(len(chosen)), key=chosen.__getitem__)
    return permuted(kernel, order).reshape([sizes.get(axis, 1) for axis in range(ndim)])


def unplaced(kernel: Any, chosen: Axes) -> Any:
    """The inverse of `placed`."""
    order = (*chosen, *(axis for axis in range(kernel.ndim) if axis not in chosen))
    return permuted(kernel, order).reshape([kernel.shape[axis] for axis in chosen])


def permuted(a: Any, order: Any) -> Any:
    """An array's axes in another order."""
    return a.permute(tuple(order)) if is_tensor(a) else np.asarray(a).transpose(tuple(order))


def joined(split: Split, part: Callable[[int], Any]) -> Any:
    """The results for each of the kernels side by side; of arrays each is let go as it comes."""
    first = part(0)
    if is_tensor(first):
        return sys.modules["torch"].cat([first, *map(part, range(1, split.kernels))], dim=split.axis)
    shape = (*first.shape[: split.axis], split.kernels, *first.shape[split.axis + 1 :])
    need_memory(prod(shape) * first.itemsize, f"convolution by {split.kernels} kernels", "convolve it in parts")
    whole = empty(shape, first.dtype)
    split.part(whole, 0)[...] = first
    for number in range(1, split.kernels):
        split.part(whole, number)[...] = part(number)
    return whole
