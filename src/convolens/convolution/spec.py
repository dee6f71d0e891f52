"""The problem, validated: everything a plan may depend on, and nothing of the data.

Every convolution becomes one canonical form, in which modes, flips and chosen axes are gone:

    out[i] = Σ_k weights[k] · X[i + k]        X: the signal extended by `before` and `after` samples on each axis

`weights` has as many axes as the signal, of length 1 on those that are not convolved. The form is closed under
differentiation: both gradients of it are again of it (see `gradients.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError, BoundaryError, DtypeError, OverflowRefused, ShapeError
from convolens.shapes import Boundary, Mode, boundary_map, check_boundary, check_mode

Shape = tuple[int, ...]

# Integer signals that the core reads as they are when the weights are float32: half the memory, no converted copy.
_READ_AS_THEY_ARE = (np.dtype(np.uint8), np.dtype(np.uint16))


@dataclass(frozen=True)
class Spec:
    """One problem in canonical form; hashable, so that it is the key of the plan made for it.

    Attributes:
        shape: of the signal.
        kernel: shape of the weights, an entry for each axis of the signal, 1 where it is not convolved.
        before, after: samples the signal is extended by on each axis.
        boundary: how it is extended.
        source: dtype the signal is read in.
        dtype: dtype of the weights and of the result, in which is computed; int64 means exact.
        zeros: whether the extension is zeros.
        contiguous: whether the signal lies in memory in its axes' order.
        taps: non-zero weights.
        rank: terms of a sum of separable kernels equal to the weights, None where no short one was found or sought.
        peak: for integers a bound of |result|, max|signal| · Σ|weights|, rounded up to a power of two; else inf.
        finite: whether the weights are free of NaN and infinities.
    """

    shape: Shape
    kernel: Shape
    before: Shape
    after: Shape
    boundary: Boundary
    source: np.dtype[Any]
    dtype: np.dtype[Any]
    zeros: bool = True
    contiguous: bool = True
    taps: int = 0
    rank: int | None = None
    peak: float = np.inf
    finite: bool = True

    @cached_property
    def out(self) -> Shape:
        """Shape of the result."""
        return tuple(
            max(n + b + a - k + 1, 0)
            for n, k, b, a in zip(self.shape, self.kernel, self.before, self.after, strict=True)
        )

    @cached_property
    def extended(self) -> Shape:
        """Shape of the extended signal."""
        return tuple(n + b + a for n, b, a in zip(self.shape, self.before, self.after, strict=True))

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """Axes with more than one weight."""
        return tuple(axis for axis, k in enumerate(self.kernel) if k > 1)

    @cached_property
    def size(self) -> int:
        """Number of outputs."""
        return prod(self.out)

    @cached_property
    def weights(self) -> int:
        """Number of weights."""
        return prod(self.kernel)

    @property
    def exact(self) -> bool:
        """Whether integers are asked for, exactly."""
        return self.dtype.kind == "i"

    @property
    def epsilon(self) -> float:
        """Rounding unit of the arithmetic; 0 for integers."""
        return 0.0 if self.exact else float(np.finfo(self.dtype).eps)

    def maps(self) -> list[NDArray[np.int64]]:
        """For each axis, where each extended position comes from; -1 is the fill value."""
        return [
            boundary_map(n, b, a, self.boundary) for n, b, a in zip(self.shape, self.before, self.after, strict=True)
        ]


def extension(mode: str, kernel: Shape) -> tuple[Shape, Shape]:
    """Samples before and after that a mode extends each axis by.

    `same` begins at `(K - 1) // 2` of `full`, which itself begins K - 1 samples before the signal.

    >>> extension("same", (4, 3))
    ((2, 1), (1, 1))
    """
    known: Mode = check_mode(mode)
    if known == "full":
        return (reach := tuple(k - 1 for k in kernel)), reach
    if known == "same":
        return tuple(k // 2 for k in kernel), tuple((k - 1) // 2 for k in kernel)
    return (nothing := (0,) * len(kernel)), nothing


def kernel_axes(ndim: int, kernel_ndim: int, axes: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Which axis of the signal each axis of the kernel lies along, counted from 0.

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
    chosen = (axes,) if isinstance(axes, int) else tuple(axes)
    if any(not -ndim <= axis < ndim for axis in chosen):
        raise ArgumentError(f"axes: need axes of x, from {-ndim} to {ndim - 1}, got {chosen}")
    counted = tuple(axis % ndim for axis in chosen)
    if len(set(counted)) != len(counted):
        raise ArgumentError(f"axes: need each axis once, got {chosen}")
    if kernel_ndim != len(counted):
        raise ShapeError(f"kernel: need {len(counted)} dimensions, one for each of axes={chosen}, got {kernel_ndim}")
    return counted


def compute_dtypes(signal: np.dtype[Any], kernel: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtype the signal is read in, and the one computed in: int64, or float or complex of 32 or 64 bits each.

    Raises:
        DtypeError: more precise than float64.
    """
    if signal.kind in "bui" and kernel.kind in "bui":
        native = signal.kind != "b" and signal != np.uint64
        return (signal.newbyteorder("=") if native else np.dtype(np.int64)), np.dtype(np.int64)
    wide = np.result_type(signal, kernel)
    if wide.itemsize > (16 if wide.kind == "c" else 8):
        raise DtypeError(f"dtype: need at most float64 or complex128, got {wide}; convert with astype")
    wide = np.result_type(wide, np.float32).newbyteorder("=")
    return (signal if signal in _READ_AS_THEY_ARE and wide == np.float32 else wide), wide


def specify(
    x: NDArray[Any], kernel: NDArray[Any], mode: str, axes: tuple[int, ...], boundary: str, fill_value: Any
) -> Spec:
    """The canonical problem, as far as it does not depend on the kernel's values.

    `axes` are from `kernel_axes`.

    Raises:
        ShapeError: the kernel is empty, or `valid` and longer than the signal.
        BoundaryError: not numpy's word, or `valid` with any but the default.
    """
    sizes = [1] * x.ndim
    for axis, size in zip(axes, kernel.shape, strict=True):
        sizes[axis] = size
    known = check_boundary(boundary)
    before, after = extension(mode, tuple(sizes))
    if kernel.size == 0:
        raise ShapeError(f"kernel: need at least one weight on each axis, got shape {kernel.shape}")
    if mode == "valid":
        _check_valid(x.shape, tuple(sizes), known, fill_value)
    source, dtype = compute_dtypes(x.dtype, kernel.dtype)
    zeros = known == "constant" and fill_value == 0
    return Spec(
        x.shape, tuple(sizes), before, after, known, source, dtype,
        zeros=zeros, contiguous=x.flags.c_contiguous, taps=kernel.size,
    )  # fmt: skip


def _check_valid(shape: Shape, kernel: Shape, boundary: str, fill_value: Any) -> None:
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


def check_fill(fill_value: Any, source: np.dtype[Any], dtype: np.dtype[Any]) -> None:
    """Refuses a fill value that the arithmetic cannot hold.

    Raises:
        DtypeError: not a number, complex for real arithmetic, or a fraction for integers.
        OverflowRefused: an integer outside int64.
    """
    kind = np.asarray(fill_value).dtype.kind
    if np.ndim(fill_value) or kind not in "buifcO" or (kind == "O" and not isinstance(fill_value, int)):
        raise DtypeError(f"fill_value: need a number, got {fill_value!r}")
    if kind == "c" and dtype.kind != "c":
        raise DtypeError(f"fill_value: need a real number for {dtype} arithmetic, got {fill_value!r}")
    if dtype.kind == "i":
        if fill_value != fill_value or abs(fill_value) == np.inf or int(fill_value) != fill_value:
            raise DtypeError(f"fill_value: need a whole number for integers, got {fill_value!r}; convert x to floats")
        if not -(2**63) <= int(fill_value) < 2**63:
            raise OverflowRefused(f"fill_value: need an integer of 64 bits, got {fill_value!r}")
