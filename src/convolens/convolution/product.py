"""A kernel that is known to be a product of lines, one along each axis, and perhaps of which Gaussian.

Its array is formed only where an algorithm reads it: a Gaussian of sigma 1000 on two axes has 64 million weights, but
16 thousand along its axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convolens.convolution.gaussian import gaussian, rounded, truncation_error
from convolens.forks import cached_property


@dataclass(frozen=True, eq=False)
class Product:
    """An outer product of lines.

    Attributes:
        lines: one for each axis, all of one dtype.
        sigmas: where it is a Gaussian, its width along each axis, 0 along those with one weight; else None.
    """

    lines: tuple[NDArray[Any], ...]
    sigmas: tuple[float, ...] | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The kernel's shape."""
        return tuple(len(line) for line in self.lines)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.lines)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The lines' dtype."""
        return self.lines[0].dtype

    @property
    def size(self) -> int:
        """Number of weights."""
        return prod(self.shape)

    @property
    def truncation(self) -> float:
        """How far a Gaussian errs because it ends, for a signal within ±1; for other kernels 0."""
        sides = zip(self.sigmas or (), self.shape, strict=False)
        return sum(truncation_error(sigma, length // 2) for sigma, length in sides if sigma > 0)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All weights."""
        return np.asarray(reduce(np.multiply.outer, self.lines), dtype)

    def astype(self, dtype: np.dtype[Any], *, copy: bool = True) -> Product:
        """The kernel in another dtype; a Gaussian's lines keep their sum of 1."""
        if self.dtype == dtype and not copy:
            return self
        if self.sigmas is not None and dtype.kind == "f":
            return Product(tuple(rounded(line[None], dtype)[0] for line in self.lines), self.sigmas)
        return Product(tuple(line.astype(dtype) for line in self.lines), self.sigmas)

    def flip(self, axes: Any = None) -> Product:
        """The kernel with every line reversed."""
        return Product(tuple(line[::-1] for line in self.lines), self.sigmas)

    def conj(self) -> Product:
        """Complex conjugate."""
        return Product(tuple(np.conj(line) for line in self.lines), self.sigmas)

    @lru_cache(maxsize=256)  # noqa: B019 - lines are short
    def arranged(self, order: tuple[int, ...], sizes: tuple[int, ...], *, flip: bool) -> Product:
        """Its axes in this order, and among them others with one weight, so that its shape is `sizes`; or reversed."""
        sigmas = self.sigmas or (0.0,) * len(self.lines)
        lines = (self.flip() if flip else self).lines
        ordered = [(lines[axis], sigmas[axis]) for axis in order]
        long = iter([(line, sigma) for line, sigma in ordered if len(line) > 1])
        scale = prod(line[0] for line, _ in ordered if len(line) == 1)
        placed = [next(long) if size > 1 else (np.ones(1, self.dtype), 0.0) for size in sizes]
        first, *others = (line for line, _ in placed)
        return Product((first * scale, *others), tuple(sigma for _, sigma in placed) if self.sigmas else None)

    @cached_property
    def split(self) -> tuple[int, NDArray[Any], NDArray[Any] | Product]:
        """The first axis with several weights, the line along it, and what remains along the others."""
        axis = next(axis for axis, size in enumerate(self.shape) if size > 1)
        ones = np.ones(1, self.dtype)
        alone = tuple(line if at == axis else ones for at, line in enumerate(self.lines))
        rest = Product(tuple(ones if at == axis else line for at, line in enumerate(self.lines)))
        few = sum(size > 1 for size in rest.shape) < 2
        return axis, np.asarray(Product(alone)), np.asarray(rest) if few else rest


def gaussian_product(sigmas: tuple[float, ...], radii: tuple[int, ...], dtype: DTypeLike = np.float64) -> Product:
    """The Gaussian of these widths, cut at these radii; a width of 0 leaves its axis alone.

    >>> np.asarray(gaussian_product((1.0, 0.0), (1, 0))).round(4)
    array([[0.2741],
           [0.4519],
           [0.2741]])
    """
    lines = (gaussian(sigma, radius) if sigma > 0 else np.ones(1) for sigma, radius in zip(sigmas, radii, strict=True))
    return Product(tuple(lines), sigmas).astype(np.dtype(dtype))
