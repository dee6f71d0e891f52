"""What a kernel's values allow: few of them, or a short sum of separable kernels.

A kernel of K × L weights and rank R is R pairs of passes along one axis each, R·(K + L) multiplications an output
instead of K·L. The rank is found by the singular value decomposition of the kernel, unfolded to a matrix with one axis
as its rows; the other factor may then be split further, by its own structure. Integers split exactly or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.product import Product

# What is left out of a low-rank sum, relative to Σ|kernel|, in rounding units of the kernel's dtype: an outer product
# rounded to its dtype is half a unit off; a decomposition adds a few. Part of the promised error.
LEFT_OUT = 8.0

# Longer sums are never cheaper than the other methods for the kernels where they exist.
_MAX_TERMS = 8

# Kernels up to this size are remembered by their bytes.
_MAX_CACHED_BYTES = 1 << 20

Term = tuple[NDArray[Any], NDArray[Any] | Product]


@dataclass(frozen=True)
class Structure:
    """What was found out about a kernel; hashable, as a plan depends on it.

    Attributes:
        nonzeros: how many weights are not zero.
        split: the axis that is split off in a sum of separable kernels, None where there is no short sum.
        terms: how many there are.
        rest: structure of what remains of the first term.
        amplification: Σ|terms| / Σ|kernel|, by which their rounding errors outgrow the kernel's own; a power of two.
        lines: whether it came as a product of lines, whose array is not formed yet.
        sigmas: where it is known to be a Gaussian, its width along each axis, 0 on those with one weight; else None.
        truncation: how far it errs from the infinite Gaussian because it ends, for a signal within ±1.
    """

    nonzeros: int
    split: int | None = None
    terms: int = 0
    rest: Structure | None = None
    amplification: float = 1.0
    lines: bool = False
    sigmas: tuple[float, ...] | None = None
    truncation: float = 0.0


def describe(kernel: NDArray[Any] | Product, *, seek_rank: bool) -> Structure:
    """The structure of a kernel; its rank only where it is sought, as that takes a decomposition, or known."""
    if isinstance(kernel, Product):
        return _of_product(kernel)
    if not seek_rank or sum(k > 1 for k in kernel.shape) < 2:
        return Structure(int(np.count_nonzero(kernel)))
    return _decomposition(kernel)[0]


def _of_product(kernel: Product) -> Structure:
    found = Structure(kernel.size, lines=True, sigmas=kernel.sigmas, truncation=kernel.truncation)
    if sum(k > 1 for k in kernel.shape) < 2:
        return found
    axis, _, rest = kernel.split
    return replace(found, split=axis, terms=1, rest=describe(rest, seek_rank=True))


@lru_cache(maxsize=1024)
def decomposition_seconds(shape: tuple[int, ...]) -> float:
    """About how long the search for the rank takes: a decomposition for each axis, at a modest rate."""
    long = [k for k in shape if k > 1]
    return sum(30e-6 + 2e-9 * prod(long) * min(k, prod(long) // k) for k in long)


def terms_of(kernel: NDArray[Any] | Product) -> tuple[int | None, list[Term]]:
    """The axis to split off and the terms `(along the axis, along the others)` whose products sum to the kernel.

    Of all axes the one that needs fewest terms; `(None, [])` where none is worth it.
    """
    if isinstance(kernel, Product):
        axis, line, rest = kernel.split
        return axis, [(line, rest)]
    structure, terms = _decomposition(kernel)
    return structure.split, terms


def _decomposition(kernel: NDArray[Any]) -> tuple[Structure, list[Term]]:
    if kernel.nbytes > _MAX_CACHED_BYTES:
        return _decomposed(kernel)
    return _cached(kernel.shape, kernel.dtype, kernel.tobytes())


@lru_cache(maxsize=64)
def _cached(shape: tuple[int, ...], dtype: np.dtype[Any], content: bytes) -> tuple[Structure, list[Term]]:
    return _decomposed(np.frombuffer(content, dtype).reshape(shape))


def _decomposed(kernel: NDArray[Any]) -> tuple[Structure, list[Term]]:
    nonzeros = int(np.count_nonzero(kernel))
    splits = ((axis, _split(kernel, axis)) for axis, size in enumerate(kernel.shape) if size > 1)
    able = [(axis, terms) for axis, terms in splits if terms]
    if not able:
        return Structure(nonzeros), []
    axis, terms = min(able, key=lambda one: len(one[1]))
    total = sum(float(np.abs(line).sum()) * float(np.abs(rest).sum()) for line, rest in terms)
    amplification = max(total / (float(np.abs(kernel).sum()) or 1.0), 1.0)
    rest = describe(terms[0][1], seek_rank=True)
    return Structure(nonzeros, axis, len(terms), rest, amplification=2.0 ** ceil(log2(amplification))), terms


def _split(kernel: NDArray[Any], axis: int) -> list[Term]:
    """The terms along one axis, none if they would need more multiplications than the kernel itself."""
    rows = kernel.shape[axis]
    matrix = np.moveaxis(kernel, axis, 0).reshape(rows, -1)
    pairs = _integer_pair(matrix) if kernel.dtype.kind == "i" else _pairs(matrix)
    if not 0 < len(pairs) * (rows + matrix.shape[1]) < kernel.size:
        return []
    line = tuple(rows if d == axis else 1 for d in range(kernel.ndim))
    rest = tuple(1 if d == axis else k for d, k in enumerate(kernel.shape))
    return [(column.reshape(line), row.reshape(rest)) for column, row in pairs]


def _pairs(matrix: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Columns and rows whose outer products sum to the matrix, up to what may be left out."""
    if not np.isfinite(matrix).all():
        return []
    wide = matrix.astype(np.result_type(matrix.dtype, np.float64))
    u, s, v = np.linalg.svd(wide, full_matrices=False)
    allowed = LEFT_OUT * float(np.finfo(matrix.dtype).eps) * np.abs(wide).sum()
    for terms in range(1, min(len(s), _MAX_TERMS) + 1):
        root = np.sqrt(s[:terms])
        columns, rows = (u[:, :terms] * root).astype(matrix.dtype), (v[:terms].T * root).astype(matrix.dtype)
        if np.abs(columns.astype(wide.dtype) @ rows.T.astype(wide.dtype) - wide).sum() <= allowed:
            return [(columns[:, i].copy(), rows[:, i].copy()) for i in range(terms)]
    return []


def _integer_pair(matrix: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """A column and a row of integers whose outer product is the matrix, if there are any."""
    lines = np.flatnonzero(matrix.any(axis=1))
    if not len(lines):
        return []
    row = matrix[lines[0]]
    row = row // np.gcd.reduce(row)
    at = np.flatnonzero(row)[0]
    column = matrix[:, at] // row[at]
    return [(column, row)] if np.array_equal(np.multiply.outer(column, row), matrix) else []
