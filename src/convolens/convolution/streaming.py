"""Convolution of a stream: blocks in, outputs out as soon as they are known, the same bits however the stream is cut.

Each output is the sum of what the first weights make of the latest samples, by the definition, as soon as a block
comes, and of what later weights make of blocks that were complete before: a line's by spectra that are kept, in the
core (`line.py`), those of any other kernel by the planner (`pieces.py`). A block touches no output before it is
complete, so that nothing waits: there is no latency beside the caller's own block. Blocks lie where they lie in the
stream, whatever was pushed: that is why the bits do not depend on the cut.

Gardner, "Efficient convolution without input-output delay", Journal of the AES 43(3), 1995.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import as_array, is_tensor, need_size
from convolens.convolution.arrange import Axes, arrange, as_kernel
from convolens.convolution.product import Product
from convolens.convolution.spec import check_fill, compute_dtypes, result_dtype
from convolens.convolution.stream import Stream
from convolens.errors import ArgumentError, BoundaryError, DtypeError
from convolens.shapes import Boundary, Mode, check_boundary, check_mode


def convolver(
    kernel: Any,
    mode: Mode = "full",
    *,
    axis: int = 0,
    axes: Axes = None,
    boundary: Boundary = "constant",
    fill_value: Any = 0,
) -> Convolver:
    """`convolve` of a signal that comes in blocks.

    `push` takes a block and gives the outputs that it completes; `flush` gives the rest, after which a new stream may
    begin. All together they are `convolve(signal, kernel, mode, ...)` within its error bound, and the same to the bit
    for any cut of the signal. Outputs come at once: of `full` as many as samples, so that there is no latency but the
    block; of `same` half a kernel later, of `valid` a kernel.

    Args:
        kernel: one line of weights along `axis`, or as many axes as the blocks, or as `axes` names.
        mode: as in `convolve`, on every axis.
        axis: along which blocks follow one another.
        axes: axes of the blocks that the kernel's axes lie along, as in `convolve`; `axis` for a line of weights, by
            default, else all.
        boundary: as in `convolve`, but for `wrap`, for which the end must be known at the beginning.
        fill_value: as in `convolve`.

    Raises:
        ArgumentError: no such mode, or a boundary that cannot be; errors as in `convolve` come with the first block.

    >>> stream = convolver([0.5, 0.25])
    >>> stream.push(np.array([1.0, 0.0])), stream.push(np.array([2.0])), stream.flush()
    (array([0.5 , 0.25]), array([1.]), array([0.5]))
    """
    if is_tensor(kernel):
        raise DtypeError("kernel: need a NumPy array or a list, got a tensor; .numpy() gives one")
    if check_boundary(boundary) == "wrap":
        raise BoundaryError("boundary: need one that a stream can begin with, got 'wrap', which begins with the end")
    weights = kernel if isinstance(kernel, Product) else np.array(as_array(kernel, "kernel"))
    plain = not isinstance(kernel, np.ndarray | np.generic | Product)
    along = axis if axes is None and weights.ndim == 1 else axes
    return Convolver(weights, plain, check_mode(mode), axis, along, boundary, fill_value)


@dataclass
class Convolver:
    """A stream that is being convolved; `copy` of it goes on by itself. Made by `convolver`, which says the rest."""

    _kernel: Any
    _plain: bool  # whether it came without a dtype, and takes the signal's
    _mode: Mode
    _axis: int
    _axes: Axes
    _boundary: Boundary
    _fill_value: Any
    _stream: Stream | None = None

    def push(self, block: Any) -> NDArray[Any]:
        """The outputs that a block completes, none or more of them.

        Args:
            block: the next samples along the stream's axis; of one dtype, and of one size on the other axes, as the
                first.

        Raises:
            ShapeError: another size than the first block's, and as in `convolve`.
            DtypeError: another dtype than the first block's, no numbers, or a tensor.
            ArgumentError: another thread is pushing.
            OverflowRefused: integers whose sums might need more than 64 bits.
        """
        if is_tensor(block):
            raise DtypeError("block: need a NumPy array, got a tensor; .numpy() gives one")
        samples = as_array(block, "block")
        need_size(samples.shape, "block")
        if self._stream is None:
            self._stream = self._begun(samples)
        return self._stream.push(samples)

    def flush(self) -> NDArray[Any]:
        """The outputs that remain; the next block begins a new stream.

        Raises:
            ArgumentError: nothing was pushed, so that not even the dtype is known.
        """
        if self._stream is None:
            raise ArgumentError("flush: need at least one block before, got none")
        rest = self._stream.flush()
        self._stream = None
        return rest

    def __copy__(self) -> Convolver:
        return self.copy()

    def copy(self) -> Convolver:
        """A stream with the same past, which goes on by itself."""
        return replace(self, _stream=self._stream and self._stream.copy())

    def _begun(self, block: NDArray[Any]) -> Stream:
        kernel = as_kernel(self._kernel.tolist() if self._plain else self._kernel, block.dtype)
        axis = _checked_axis(self._axis, block.ndim)
        # As if the signal were as long as the kernel, so that no mode is refused before it has come.
        longest = max(kernel.shape, default=1)
        shape = (*block.shape[:axis], longest, *block.shape[axis + 1 :])
        asked = self._mode, self._axes, self._boundary, self._fill_value
        arranged = arrange(shape, kernel.shape, *asked)
        _, dtype = compute_dtypes(block.dtype, kernel.dtype)
        check_fill(arranged.window.fill, dtype)
        canonical = np.asarray(arranged.canonical(kernel, flip=True)).astype(dtype)
        return Stream.of(canonical, arranged.window, block, axis, result_dtype(block.dtype, kernel.dtype))


def _checked_axis(axis: Any, ndim: int) -> int:
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not -ndim <= axis < ndim:
        raise ArgumentError(f"axis: need one of the block's, from {-ndim} to {ndim - 1}, got {axis!r:.200}")
    return int(axis) % ndim
