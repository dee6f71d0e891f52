"""Reduction: few outputs under a huge kernel, each a dot product of the kernel with a part of the signal.

O(outputs × weights) time, as the definition, but the roles are exchanged: vectors run along the kernel, where the
direct method's run along the outputs. What the gradient in a small kernel is: 17 weights, each the sum of a picture's
products.

The kernel is taken in bands of rows that stay in cache with the signal's. Outputs along the first axis are one product
of a matrix and a vector for every row, by NumPy's BLAS: the matrix is a view of the signal's next rows. Outputs along
other axes are parts of the same rows, begun later. Zeros around the signal are not stored: products with them are left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convolens.convolution import costs
from convolens.convolution.extend import Span, extended_block
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.spec import Spec
from convolens.planning import Cost

NAME = "reduction"
KEEPS_NONFINITE_LOCAL = True
TAKES_STEPS = False

# Entries of a band of the kernel: its four or eight bytes each stay in the second cache, and so do the signal's.
_BAND = 1 << 16

# Entries of one product: from 9216 on BLAS would share it among threads, whose number then changed the sums.
_PIECE = 1 << 13


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if spec.size > spec.kernel_size:
        return "more outputs than weights"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """A multiplication and an addition for each output and weight, each rounded once."""
    spec = _with_rows(spec)
    rows = _rows(spec) + spec.out[0] - 1
    memory = float(rows * prod(spec.extended[1:]) * spec.dtype.itemsize)
    return Estimate(costs.reduction_seconds(spec, *amounts(spec)), memory, (spec.kernel_size + 1) * spec.epsilon)


def amounts(spec: Spec) -> tuple[int, int, int, int]:
    """Bands; calls of NumPy; products of a row with a matrix in all of them; samples of the signal that are copied."""
    spec = _with_rows(spec)
    axis = _line_axis(spec)
    bands = ceil(spec.kernel_shape[0] / _rows(spec))
    pieces = ceil(prod(spec.kernel_shape[axis:]) / _piece_size(spec)) * prod(spec.out[1:])
    in_place = spec.zeros and spec.source == spec.dtype and spec.contiguous
    copied = 0 if in_place else prod(spec.extended)
    return bands, bands * pieces, prod(spec.kernel_shape[:axis]) * pieces, copied


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    if len(job.spec.shape) == 1:
        spec = _with_rows(job.spec)
        job = replace(job, spec=spec, x=job.x[None], kernel=np.asarray(job.kernel)[None], out=job.out[None])
    total = np.zeros(job.spec.out, job.spec.dtype)
    with np.errstate(all="ignore"):
        for rows in _bands(job.spec):
            _add_band(job, rows, total)
    job.out[...] = total


def _with_rows(spec: Spec) -> Spec:
    """The problem itself, or a line's as one row."""
    if len(spec.shape) > 1:
        return spec
    shape, kernel_shape = (1, *spec.shape), (1, *spec.kernel_shape)
    return replace(spec, shape=shape, kernel_shape=kernel_shape, before=(0, *spec.before), after=(0, *spec.after))


def _line_axis(spec: Spec) -> int:
    """The axis, not the first, at or after which samples lie side by side under the whole kernel: they are one line."""
    axis = len(spec.shape) - 1
    while axis > 1 and spec.kernel_shape[axis] == spec.shape[axis] == spec.extended[axis]:
        axis -= 1
    return axis


def _rows(spec: Spec) -> int:
    return min(max(_BAND // max(prod(spec.kernel_shape[1:]), 1), 1), max(spec.kernel_shape[0], 1))


def _piece_size(spec: Spec) -> int:
    """Entries of a line in one product."""
    return max(_PIECE // max(spec.out[0], 1), 1)


def _bands(spec: Spec) -> Iterator[Span]:
    for start in range(0, spec.kernel_shape[0], _rows(spec)):
        yield start, min(start + _rows(spec), spec.kernel_shape[0])


def _add_band(job: Job, rows: Span, total: NDArray[Any]) -> None:
    """What a band of the kernel's rows adds to the outputs."""
    spec, axis = job.spec, _line_axis(job.spec)
    spans = {0: (rows[0], rows[1] + spec.out[0] - 1)}
    if not spec.zeros:
        spans |= {d: (0, n) for d, n in enumerate(spec.extended) if d}
    signal = _with_axes_joined(extended_block(job, spans, spec.dtype), axis)
    kernel = _with_axes_joined(np.asarray(job.kernel)[slice(*rows)], axis)
    windows = sliding_window_view(signal, spec.out[0], axis=0)
    before = spec.before if spec.zeros else (0,) * len(spec.before)
    step = prod(spec.kernel_shape[axis + 1 :])
    for at in np.ndindex(spec.out[1 : axis + 1]):
        lags = [i - b for i, b in zip(at, before[1:], strict=False)]
        lags[-1] *= step
        meets = [_overlap(*sizes) for sizes in zip(kernel.shape[1:], signal.shape[1:], lags, strict=True)]
        under, over = zip(*meets, strict=True)
        total[(slice(None), *at, *(0,) * (total.ndim - len(at) - 1))] += _products(
            kernel[:, *under], windows[:, *over], _piece_size(spec)
        )


def _with_axes_joined(block: NDArray[Any], axis: int) -> NDArray[Any]:
    """The axes from `axis` on as one."""
    return np.ascontiguousarray(block).reshape(*block.shape[:axis], -1)


def _overlap(kernel: int, signal: int, lag: int) -> tuple[slice, slice]:
    """Where a kernel's and a signal's entries meet that are not beyond the signal, the kernel's first at `lag`."""
    start, stop = max(0, -lag), max(min(kernel, signal - lag), 0)
    start = min(start, stop)
    return slice(start, stop), slice(start + lag, stop + lag)


def _products(kernel: NDArray[Any], windows: NDArray[Any], piece_size: int) -> NDArray[Any]:
    """The sum of the kernel times each window along the windows' last axis; a piece of the lines at a time."""
    total = np.zeros(windows.shape[-1], kernel.dtype)
    for start in range(0, kernel.shape[-1], piece_size):
        piece = slice(start, start + piece_size)
        lines = kernel[..., None, piece] @ windows[..., piece, :]
        total += lines.sum(axis=tuple(range(lines.ndim - 1)))
    return total
