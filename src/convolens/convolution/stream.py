"""A stream's convolution in progress: its latest samples under the first weights, and what later weights add.

Arrays here have the stream's axis last, and are of the dtype that is computed in. See `streaming.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution import integers
from convolens.convolution.aside import Aside
from convolens.convolution.border import Border
from convolens.convolution.delay_line import DelayLine
from convolens.convolution.head import Head
from convolens.convolution.partitions import Partitions, block_size
from convolens.convolution.segments import Segments
from convolens.convolution.spec import Shape, Window, result_shape
from convolens.errors import DtypeError, OverflowRefused, ShapeError
from convolens.memory import need_memory
from convolens.shapes import boundary_along

_HEAD = 512  # weights over all axes of a head before segments: about as many as take the time of a call of the planner
_WHOLE = 2048  # weights up to which a line is all head
_SPARSE = 8  # weights for each that is not zero, from which all of them are the head: an echo


@dataclass
class Stream:
    """One stream: what is fixed of it, and its past."""

    axis: int  # of the caller's blocks
    like: tuple[Shape, np.dtype[Any]]  # a block's shape along the other axes, and its dtype
    dtype: np.dtype[Any]  # of results
    extended: Aside  # how a block is extended before all else
    sum_of_weights: float
    border: Border
    line: DelayLine
    head: Head
    later: Partitions | Segments | None
    passed_over: int  # first outputs, whose windows begin before the extended signal
    done: int = 0  # samples of the extended signal

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
        moved = np.moveaxis(block, axis, -1)
        nothing = extended.extended(moved[..., :0].astype(weights.dtype))
        head, later = _parts(weights, aside, nothing.shape[:-1])
        longest = max(head.reach, later.reach if later else 0)
        line = DelayLine(longest, nothing.shape[:-1], weights.dtype)
        return cls(
            axis=axis,
            like=(moved.shape[:-1], block.dtype),
            dtype=dtype,
            extended=extended,
            sum_of_weights=float(np.abs(weights).sum()),
            border=Border.of(before, after, boundary, window.fill, nothing),
            line=line,
            head=head,
            later=later,
            passed_over=passed_over,
        )

    def push(self, block: NDArray[Any]) -> NDArray[Any]:
        """The outputs that the caller's block completes. Errors as in `Convolver.push`."""
        moved = np.moveaxis(block, self.axis, -1) if block.ndim > max(self.axis, 1) else block
        if (shape := moved.shape[:-1]) != self.like[0] or block.ndim != len(self.like[0]) + 1:
            raise ShapeError(f"block: need {self.like[0]} beside axis {self.axis}, as the first had, got {shape}")
        if block.dtype != self.like[1]:
            raise DtypeError(f"block: need the first one's dtype {self.like[1]}, got {block.dtype}")
        self._check_range(block)
        samples = self.extended.extended(moved.astype(self.head.weights.dtype, copy=False))
        return self._result(self._advanced(self.border.passed(samples)))

    def flush(self) -> NDArray[Any]:
        """The remaining outputs."""
        return self._result(self._advanced(self.border.end()))

    def copy(self) -> Stream:
        """The same stream, which goes on by itself."""
        return replace(
            self, border=self.border.copy(), line=self.line.copy(), later=self.later.copy() if self.later else None
        )

    def _check_range(self, block: NDArray[Any]) -> None:
        if self.head.weights.dtype.kind != "i" or not block.size:
            return
        largest = max(abs(int(block.max())), abs(int(block.min())), abs(int(self.border.fill)))
        if not integers.fits(largest * self.sum_of_weights * (1 + 1e-9)):
            raise OverflowRefused(
                f"integer result: need sums that fit in 64 bits, got samples of {largest} under weights that sum to "
                f"{self.sum_of_weights:.3g}; convert to float64"
            )

    def _advanced(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The outputs at these samples of the extended signal, with those that are passed over."""
        if self.later is None:
            return self._at_once(samples)
        step = self.later.start
        parts: list[NDArray[Any]] = []
        at = 0
        size = samples.shape[-1]
        while at < size or not parts:
            count = min(size - at, step - self.done % step)
            parts.append(self._at_once(samples[..., at : at + count]))
            at += count
            if count and self.done % step == 0:
                self.later.complete(self.line)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _at_once(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Samples within one block."""
        count = samples.shape[-1]
        self.line.append(samples)
        out = self.head.convolved(self.line, count)
        if self.later is not None:
            out += self.later.take(count)
        self.done += count
        return out

    def _result(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """What the caller gets: without the first outputs, in the result's dtype."""
        cut = min(self.passed_over, outputs.shape[-1])
        self.passed_over -= cut
        if cut:
            outputs = outputs[..., cut:]
        if outputs.dtype != self.dtype:
            with np.errstate(over="ignore"):  # a float16 result that is too large is infinite, as in NumPy
                outputs = outputs.astype(self.dtype)
        return np.moveaxis(outputs, -1, self.axis) if outputs.ndim > 1 else outputs


def _parts(weights: NDArray[Any], aside: Aside, rest: Shape) -> tuple[Head, Partitions | Segments | None]:
    """The head of a canonical kernel, whose last weights meet the latest samples, and the weights before it."""
    length = weights.shape[-1]
    across = weights.size // length
    if length <= (_WHOLE if across == 1 else max(1, 2 * _HEAD // across)) or _is_sparse(weights):
        return Head.of(weights, aside.within(0)), None
    by_spectra = across == 1 and weights.dtype.kind != "i"
    start = block_size(length) if by_spectra else max(1, _HEAD // across)
    held = 8 * (length + start) * max(prod(rest), 1) * weights.itemsize
    need_memory(held, "kernel", "use a shorter one")
    head = Head.of(np.ascontiguousarray(weights[..., length - start :]), aside.within(0))
    if by_spectra:
        return head, Partitions.of(weights.ravel(), start, rest)
    sizes = (*weights.shape[:-1], 1)
    outputs = result_shape((*rest, 1), sizes, (*aside.before, 0), (*aside.after, 0))[:-1]
    return head, Segments.of(weights, start, aside, outputs)


def _is_sparse(weights: NDArray[Any]) -> bool:
    return bool(weights.size > _SPARSE * np.count_nonzero(weights))
