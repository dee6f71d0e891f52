"""A stream's convolution in progress: what the caller's blocks are to the sums, and those to the caller.

Arrays here have the stream's axis last, and are of the dtype that is computed in. See `streaming.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution import integers
from convolens.convolution.aside import Aside
from convolens.convolution.border import Border
from convolens.convolution.line import Line
from convolens.convolution.pieces import Pieces
from convolens.convolution.spec import Shape, Window
from convolens.errors import DtypeError, OverflowRefused, ShapeError
from convolens.shapes import boundary_along

_SPARSE = 8  # weights for each that is not zero, from which no spectra are taken: an echo


@dataclass
class Stream:
    """One stream: what is fixed of it, and its past."""

    axis: int  # of the caller's blocks
    order: Shape  # of their axes, so that the stream's is the last: `moveaxis` would find it anew, in 3 µs
    back: Shape  # and of results, so that it is where it was
    like: tuple[Shape, np.dtype[Any]]  # a block's shape along the other axes, and its dtype
    dtype: np.dtype[Any]  # of results
    extended: Aside  # how a block is extended before all else
    computed: np.dtype[Any]
    sum_of_weights: float
    border: Border
    sums: Line | Pieces
    passed_over: int  # first outputs, whose windows begin before the extended signal

    @classmethod
    def of(cls, kernel: NDArray[Any], window: Window, block: NDArray[Any], axis: int, dtype: np.dtype[Any]) -> Stream:
        """The stream that begins with a block; the kernel is canonical."""
        weights = np.ascontiguousarray(np.moveaxis(kernel, axis, -1))
        aside = Aside.of(window, axis)
        extended, aside = (aside, aside.none()) if aside.filled else (aside.none(), aside)
        before, after, boundary = window.before[axis], window.after[axis], boundary_along(window.boundary, axis)
        passed_over = weights.shape[-1] - 1
        if boundary == "constant" and window.fill == 0:  # as the past is before it begins
            before, passed_over = 0, passed_over - before
        order = (*(at for at in range(block.ndim) if at != axis), axis)
        moved = block.transpose(order)
        nothing = extended.extended(moved[..., :0].astype(weights.dtype))
        return cls(
            axis=axis,
            order=order,
            back=tuple(map(order.index, range(block.ndim))),
            like=(moved.shape[:-1], block.dtype),
            dtype=dtype,
            computed=weights.dtype,
            extended=extended,
            sum_of_weights=float(np.abs(weights).sum()),
            border=Border.of(before, after, boundary, window.fill, nothing),
            sums=_sums(weights, aside, nothing.shape[:-1]),
            passed_over=passed_over,
        )

    def push(self, block: NDArray[Any]) -> NDArray[Any]:
        """The outputs that the caller's block completes. Errors as in `Convolver.push`."""
        moved = block.transpose(self.order) if block.ndim == len(self.order) else block
        if (shape := moved.shape[:-1]) != self.like[0] or block.ndim != len(self.order):
            raise ShapeError(f"block: need {self.like[0]} beside axis {self.axis}, as the first had, got {shape}")
        if block.dtype != self.like[1]:
            raise DtypeError(f"block: need the first one's dtype {self.like[1]}, got {block.dtype}")
        self._check_range(block)
        samples = self.extended.extended(moved.astype(self.computed, copy=False))
        return self._result(self.sums.convolved(self.border.passed(samples)))

    def flush(self) -> NDArray[Any]:
        """The remaining outputs."""
        return self._result(self.sums.convolved(self.border.end()))

    def copy(self) -> Stream:
        """The same stream, which goes on by itself."""
        return replace(self, border=self.border.copy(), sums=self.sums.copy())

    def _check_range(self, block: NDArray[Any]) -> None:
        if self.computed.kind != "i" or not block.size:
            return
        largest = max(abs(int(block.max())), abs(int(block.min())), abs(int(self.border.fill)))
        if not integers.fits(largest * self.sum_of_weights * (1 + 1e-9)):
            raise OverflowRefused(
                f"integer result: need sums that fit in 64 bits, got samples of {largest} under weights that sum to "
                f"{self.sum_of_weights:.3g}; convert to float64"
            )

    def _result(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """What the caller gets: without the first outputs, in the result's dtype."""
        cut = min(self.passed_over, outputs.shape[-1])
        self.passed_over -= cut
        if cut:
            outputs = outputs[..., cut:]
        if outputs.dtype != self.dtype:
            with np.errstate(over="ignore"):  # a float16 result that is too large is infinite, as in NumPy
                outputs = outputs.astype(self.dtype)
        return outputs.transpose(self.back)


def _sums(weights: NDArray[Any], aside: Aside, rest: Shape) -> Line | Pieces:
    """What sums a canonical kernel, whose last weights meet the latest samples."""
    if weights.size == weights.shape[-1] and weights.dtype.kind != "i" and not _is_sparse(weights):
        return Line.of(weights.ravel(), rest)
    return Pieces.of(weights, aside, rest, split=not _is_sparse(weights))


def _is_sparse(weights: NDArray[Any]) -> bool:
    return bool(weights.size > _SPARSE * np.count_nonzero(weights))
