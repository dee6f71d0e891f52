"""Arguments to the canonical form: a mode and chosen axes become a window, a kernel one with all of x's axes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import add, index, sub
from typing import Any, NamedTuple

import numpy as np

from convolens.arrays import as_array, as_whole, need_size
from convolens.convolution.named import NamedKernel
from convolens.convolution.product import Product
from convolens.convolution.spec import Shape, Window, result_shape
from convolens.errors import ArgumentError, BoundaryError, DtypeError, ShapeError
from convolens.forks import cached_property
from convolens.shapes import Boundaries, Mode, check_boundaries, check_mode

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
        need = result_shape(shape, self.sizes, self.window.before, self.window.after, self.window.step)
        if need != upstream:
            raise ShapeError(f"upstream: need the result's shape {need}, got {upstream}")


class Asked(NamedTuple):
    """What a call asks for beside its arrays; see `convolve`. `flip`: whether the kernel is flipped."""

    mode: str
    axes: Axes
    boundary: Any
    fill_value: Any
    origin: Any = 0
    step: Any = 1
    flip: bool = True

    @property
    def usual(self) -> bool:
        """Whether one boundary, origin and step are for all axes, so that equal calls are of equal types too."""
        return isinstance(self.boundary, str) and type(self.origin) is type(self.step) is int


def arrange(
    shape: Shape, kernel: Shape, mode: str, axes: Axes, boundary: Any, fill_value: Any,
    origin: Any = 0, step: Any = 1, flip: bool = True,
) -> Arrangement:  # fmt: skip
    """The arrangement for a signal and a kernel of these shapes.

    Raises:
        ShapeError: they do not match, there are more than eight axes, the kernel is empty, or `valid` and longer than
            the signal.
        ArgumentError: no such mode or axis, an origin outside the kernel or with another mode than `same`, a step below
            1, or not one of these for each axis.
        BoundaryError: not one of `numpy.pad`'s, not one for each axis, or any but the default with `valid`.
    """
    asked = Asked(mode, axes, boundary, fill_value, origin, step, flip)
    if axes is None and asked.usual:
        with suppress(TypeError):  # an argument that cannot be hashed: the error is raised below
            return _cached(shape, kernel, *asked)
    return _arrange(shape, kernel, asked)


def _arrange(shape: Shape, kernel: Shape, asked: Asked) -> Arrangement:
    if len(shape) > MAX_AXES:
        raise ShapeError(f"x: need at most {MAX_AXES} dimensions, got {len(shape)}; join some by reshape")
    need_size(shape, "x")
    need_size(kernel, "kernel")
    chosen = kernel_axes(len(shape), len(kernel), asked.axes)
    order = tuple(sorted(range(len(chosen)), key=chosen.__getitem__))
    sizes = _placed(kernel, chosen, len(shape), 1)
    known, fill = _boundaries(asked.boundary, chosen, len(shape)), _as_python_number(asked.fill_value)
    check_window(shape, sizes, check_mode(asked.mode), known, fill)
    before, after = extension(asked.mode, sizes)
    shift = _shift(asked, chosen, sizes)
    step = _placed(_steps(asked.step, len(chosen)), chosen, len(shape), 1)
    window = Window(
        tuple(map(add, before, shift)), tuple(map(sub, after, shift)), known, fill, step if max(step) > 1 else ()
    )
    return Arrangement(order, tuple(kernel[i] for i in order), sizes, window)


@lru_cache(maxsize=1024, typed=True)
def _cached(shape: Shape, kernel: Shape, *asked: Any) -> Arrangement:
    return _arrange(shape, kernel, Asked(*asked))


def _placed(values: Iterable[Any], chosen: tuple[int, ...], ndim: int, other: Any) -> tuple[Any, ...]:
    """What belongs to the kernel's axes as an entry for each of the signal's."""
    found = dict(zip(chosen, values, strict=True))
    return tuple(found.get(axis, other) for axis in range(ndim))


def _boundaries(boundary: Any, chosen: tuple[int, ...], ndim: int) -> Boundaries:
    """The boundary, or one for each axis of the signal; of those that are not convolved it does not matter."""
    known = check_boundaries(boundary)
    given = len(boundary) if isinstance(boundary, tuple | list) else len(chosen)
    if given != len(chosen):
        raise BoundaryError(f"boundary: need one, or one for each of the kernel's {len(chosen)} axes, got {given}")
    return known if isinstance(known, str) else _placed(known, chosen, ndim, known[0])


def _steps(step: Any, count: int) -> tuple[int, ...]:
    return tuple(as_whole(one, "step", 1) for one in _for_each(step, "step", count))


def _shift(asked: Asked, chosen: tuple[int, ...], sizes: Shape) -> Shape:
    """By how many samples the window begins earlier on each axis of the signal, because of the origin.

    Raises:
        ArgumentError: it is outside the kernel, or the mode is none that has a middle.
    """
    origins = _for_each(asked.origin, "origin", len(chosen))
    shift = [0] * len(sizes)
    for axis, origin in zip(chosen, origins, strict=True):
        before, after = sizes[axis] // 2, (sizes[axis] - 1) // 2
        lowest, highest = (-after, before) if asked.flip else (-before, after)
        if isinstance(origin, bool) or not isinstance(origin, int | np.integer) or not lowest <= origin <= highest:
            raise ArgumentError(
                f"origin: need a whole number from {lowest} to {highest} for {sizes[axis]} weights, got {origin!r:.200}"
            )
        shift[axis] = -int(origin) if asked.flip else int(origin)
    if any(shift) and asked.mode != "same":
        raise ArgumentError(f"origin: need mode 'same', in which outputs lie over samples, got {asked.mode!r}")
    return tuple(shift)


def _for_each(value: Any, subject: str, count: int) -> tuple[Any, ...]:
    """One value for all of the kernel's axes, or one for each."""
    if not isinstance(value, tuple | list):
        return (value,) * count
    if len(value) != count:
        raise ArgumentError(f"{subject}: need one, or one for each of the kernel's {count} axes, got {len(value)}")
    return tuple(value)


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


def check_window(shape: Shape, kernel: Shape, mode: str, boundary: Boundaries, fill_value: Any) -> None:
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
            f"kernel: need at most x's size with mode 'valid', or at least that on every axis, got {kernel} over x's "
            f"{shape}; mode 'full' or 'same' takes a longer one"
        )
