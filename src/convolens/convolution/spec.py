"""The problem, validated: everything a plan may depend on, and nothing of the data.

Every convolution becomes one canonical form, in which modes, flips and chosen axes are gone:

    out[i] = Σ_k kernel[k] · X[step · i + k]  X: the signal extended by `before` and `after` samples on each axis

`kernel` has as many axes as the signal, of length 1 on those that are not convolved. The form is closed under
differentiation: both gradients of it are again of it (see `gradients.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from convolens.convolution.structure import Structure
from convolens.errors import DtypeError, OverflowRefused
from convolens.forks import cached_property
from convolens.shapes import Boundaries

Shape = tuple[int, ...]

# Signals that the core reads without conversion while it computes in floats: no converted copy of a picture.
_READ_DIRECTLY = frozenset(map(np.dtype, ("u1", "i1", "u2", "i2", "u4", "i4", "f4")))


@dataclass(frozen=True)
class Window:
    """The part of a problem that is no array: how the signal is extended.

    Attributes:
        before, after: samples it is extended by on each axis.
        boundary: how it is extended, one of `numpy.pad`'s names, or one for each axis.
        fill: the value of `constant`.
        step: only every so many-th place along each axis is wanted; () where all are.
    """

    before: Shape
    after: Shape
    boundary: Boundaries = "constant"
    fill: Any = 0
    step: Shape = ()


@dataclass(frozen=True)
class Spec:
    """One problem in canonical form; hashable, so that it is the key of the plan made for it.

    Attributes:
        shape: of the signal.
        kernel_shape: an entry for each axis of the signal, 1 where it is not convolved.
        before, after, boundary, step: how the signal is extended and which places are wanted, see `Window`.
        source: dtype the signal is read in.
        dtype: dtype of the kernel and of the result, in which is computed; int64 means exact.
        zeros: whether the extension is zeros.
        contiguous: whether the signal is C-contiguous.
        structure: what the kernel's values allow.
        magnitude_bound: for integers a bound of every |result|, rounded up to a power of two; else inf.
        tolerance: error that is allowed beside rounding, against what the kernel is known to stand for.
        rounded: dtype of integers that the result is rounded and clipped to; None where it stays as it is.
    """

    shape: Shape
    kernel_shape: Shape
    before: Shape
    after: Shape
    boundary: Boundaries
    source: np.dtype[Any]
    dtype: np.dtype[Any]
    structure: Structure
    zeros: bool = True
    contiguous: bool = True
    magnitude_bound: float = np.inf
    tolerance: float = 0.0
    rounded: np.dtype[Any] | None = None
    step: Shape = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # asked for at every look-up of a plan
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    @cached_property
    def out(self) -> Shape:
        """Shape of the result."""
        return result_shape(self.shape, self.kernel_shape, self.before, self.after, self.step)

    @cached_property
    def extended(self) -> Shape:
        """Shape of the extended signal."""
        return tuple(n + b + a for n, b, a in zip(self.shape, self.before, self.after, strict=True))

    @cached_property
    def filled(self) -> bool:
        """Whether some of the extension is a constant."""
        if isinstance(self.boundary, str):
            return self.boundary == "constant"
        sides = zip(self.boundary, self.before, self.after, strict=True)
        return any(boundary == "constant" and (before or after) for boundary, before, after in sides)

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """Axes with more than one weight."""
        return tuple(axis for axis, k in enumerate(self.kernel_shape) if k > 1)

    @cached_property
    def size(self) -> int:
        """Number of outputs."""
        return prod(self.out)

    @cached_property
    def kernel_size(self) -> int:
        """Number of the kernel's weights."""
        return prod(self.kernel_shape)

    @property
    def exact(self) -> bool:
        """Whether integers are asked for, exactly."""
        return self.dtype.kind == "i"

    @property
    def real_bytes(self) -> int:
        """Bytes of a number, or of a complex one's part."""
        return self.dtype.itemsize // (2 if self.dtype.kind == "c" else 1)

    @property
    def epsilon(self) -> float:
        """Rounding unit of the arithmetic; 0 for integers."""
        return 0.0 if self.exact else float(np.finfo(self.dtype).eps)


def result_shape(shape: Shape, kernel: Shape, before: Shape, after: Shape, step: Shape = ()) -> Shape:
    """One output for each place where the window lies inside the extended signal, as far as places are wanted.

    >>> result_shape((7,), (3,), (0,), (0,)), result_shape((7,), (3,), (0,), (0,), (2,))
    ((5,), (3,))
    """
    places = tuple(max(n + b + a - k + 1, 0) for n, k, b, a in zip(shape, kernel, before, after, strict=True))
    return tuple(-(-n // s) for n, s in zip(places, step, strict=True)) if step else places


@lru_cache(maxsize=256)
def compute_dtypes(signal: np.dtype[Any], kernel: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtype the signal is read in, and the one computed in: int64, or float or complex of 32 or 64 bits each.

    Raises:
        DtypeError: more precise than float64.
    """
    signal, wide = signal.newbyteorder("="), result_dtype(signal, kernel)
    if wide.kind == "i":
        return (wide if signal in (np.bool_, np.uint64) else signal), wide
    if wide.itemsize > (16 if wide.kind == "c" else 8):
        raise DtypeError(f"dtype: need at most float64 or complex128, got {wide}; convert with astype")
    wide = np.result_type(wide, np.float32).newbyteorder("=")
    return (signal if signal in _READ_DIRECTLY and wide.kind == "f" else wide), wide


@lru_cache(maxsize=256)
def result_dtype(signal: np.dtype[Any], kernel: np.dtype[Any]) -> np.dtype[Any]:
    """The result's dtype: int64 for integers, otherwise what NumPy's arithmetic gives."""
    if signal.kind in "bui" and kernel.kind in "bui":
        return np.dtype(np.int64)
    return np.result_type(signal, kernel).newbyteorder("=")


def check_fill(fill_value: Any, dtype: np.dtype[Any]) -> None:
    """Refuses a fill value that the arithmetic cannot hold.

    Raises:
        DtypeError: not a number, complex for real arithmetic, or a fraction for integers.
        OverflowRefused: an integer outside int64.
    """
    if type(fill_value) is int and fill_value == 0:
        return  # the usual case, for which the rest would take a tenth of a small convolution's time
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
    elif kind == "O" and abs(fill_value) > np.finfo(np.float64).max:
        raise OverflowRefused(f"fill_value: need at most {np.finfo(np.float64).max:.3g}, got a larger integer")
