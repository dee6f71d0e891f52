"""Correlation as its definition says it, in float64 or Python integers, and random problems to try it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from hypothesis import strategies as st

from convolens import _core
from convolens.shapes import BOUNDARIES, boundary_map

# x's dtype -> the dtype of kernel and output.
RESULT = {
    **dict.fromkeys(("u1", "i1", "u2", "i2", "u4", "i4", "i8", "?"), "i8"),
    "f4": "f4",
    "f8": "f8",
    "c8": "c8",
    "c16": "c16",
}


@dataclass(frozen=True)
class Problem:
    x: np.ndarray
    kernel: np.ndarray
    maps: list[np.ndarray]
    fill: np.generic
    out_shape: tuple[int, ...]
    out_order: tuple[int, ...]  # how the output's axes lie in memory

    @staticmethod
    def random(shape, kernel_shape, dtype, *, seed, boundary="constant", before=None, after=None, result=None):
        """Small integers in every dtype's range, so that results differ wherever an index is wrong."""
        rng = np.random.default_rng(seed)
        result = np.dtype(result or RESULT[dtype])
        x = _numbers(rng, shape, np.dtype(dtype))
        kernel = _numbers(rng, kernel_shape, result)
        fill = _numbers(rng, (), result)[()] if boundary == "constant" else result.type(0)
        if np.dtype(dtype).kind in "ub":
            fill = abs(fill)
        before = before or [(k - 1) // 2 for k in kernel_shape]
        after = after or [k - 1 - b for k, b in zip(kernel_shape, before, strict=True)]
        maps = [boundary_map(n, b, a, boundary) for n, b, a in zip(shape, before, after, strict=True)]
        out_shape = tuple(len(m) - k + 1 for m, k in zip(maps, kernel_shape, strict=True))
        return Problem(x, kernel, maps, fill, out_shape, tuple(range(len(shape))))

    def empty_out(self) -> np.ndarray:
        out = np.empty([self.out_shape[a] for a in self.out_order], self.kernel.dtype)
        return out.transpose(np.argsort(self.out_order))

    def bound(self) -> float:
        """At least every partial sum of magnitudes."""
        largest = max(float(np.abs(self.x.astype(complex)).max(initial=0)), abs(complex(self.fill)))
        return float(np.abs(self.kernel.astype(complex)).sum()) * largest

    def marking(self, at: tuple[int, ...]) -> Problem:
        """Counts how often each output's window holds the sample `at`."""
        x = np.zeros(self.x.shape)
        x[at] = 1
        return replace(self, x=x, kernel=np.ones(self.kernel.shape), fill=np.float64(0))


def _numbers(rng, shape, dtype):
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        return rng.integers(max(info.min, -1000), min(info.max, 1000), shape, endpoint=True).astype(dtype)
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return np.asarray(values).astype(dtype)


def padded(problem: Problem) -> np.ndarray:
    """x continued as the maps say, in the widest dtype of its kind."""
    wide = {"b": "i8", "u": "i8", "i": "i8", "f": "f8", "c": "c16"}[problem.kernel.dtype.kind]
    x = problem.x.astype(wide)
    fill = np.asarray(problem.fill).astype(wide)
    for axis, at in enumerate(problem.maps):
        inside = (
            np.take(x, np.maximum(at, 0), axis)
            if x.shape[axis]
            else np.zeros([len(at) if a == axis else n for a, n in enumerate(x.shape)], wide)
        )
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        x = np.where((at < 0).reshape(shape), fill, inside)
    return x


def correlate_by_definition(problem: Problem) -> np.ndarray:
    """One shifted, weighted copy of the padded signal for every entry of the kernel."""
    x = padded(problem)
    kernel = problem.kernel.astype(x.dtype)
    out = np.zeros(problem.out_shape, x.dtype)
    for k in product(*map(range, kernel.shape)):
        out += kernel[k] * x[tuple(slice(i, i + n) for i, n in zip(k, problem.out_shape, strict=True))]
    return out


def tolerance(problem: Problem) -> float:
    """Zero for integers, else the bound of a sum in one order: terms × epsilon × Σ|kernel| · max|x|."""
    if problem.kernel.dtype.kind == "i":
        return 0.0
    return (problem.kernel.size + 2) * float(np.finfo(problem.kernel.dtype).eps) * problem.bound() * 2 + 1e-300


@contextmanager
def restoring_threads() -> Iterator[None]:
    """Puts the number of threads back."""
    threads = _core.threads()
    try:
        yield
    finally:
        _core.set_threads(threads)


@st.composite
def problems(draw: st.DrawFn, dtypes=tuple(RESULT)) -> Problem:
    """Random shapes, kernels, boundaries, dtypes and memory layouts."""
    ndim = draw(st.integers(1, 4))
    longest = {1: 150, 2: 40, 3: 12, 4: 6}[ndim]
    shape = tuple(draw(st.integers(0, longest)) for _ in range(ndim))
    kernel_shape = tuple(draw(st.sampled_from([1, 1, 2, 3, 4, 5, 7, longest])) for _ in range(ndim))
    boundary = draw(st.sampled_from(BOUNDARIES if min(shape) else ("constant",)))
    before = [draw(st.integers(0, k - 1)) for k in kernel_shape]
    after = [draw(st.integers(max(0, k - b - n), k)) for k, b, n in zip(kernel_shape, before, shape, strict=True)]
    problem = Problem.random(
        shape, kernel_shape, draw(st.sampled_from(dtypes)), seed=draw(st.integers(0, 2**32)),
        boundary=boundary, before=before, after=after,
    )  # fmt: skip
    return replace(problem, x=_laid_out(draw, problem.x), out_order=tuple(draw(st.permutations(range(ndim)))))


def _laid_out(draw: st.DrawFn, x: np.ndarray) -> np.ndarray:
    """The same values with another memory layout: transposed, stepped, reversed."""
    order = draw(st.permutations(range(x.ndim)))
    steps = [draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in order]
    big = np.zeros([n * abs(s) for n, s in zip(x.transpose(order).shape, steps, strict=True)], x.dtype)
    view = big[tuple(slice(None, None, s) for s in steps)]
    view = view.transpose(np.argsort(order))
    view[...] = x
    return view
