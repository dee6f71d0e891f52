"""Normalized convolution: samples count by their weights, and what is missing does not count at all.

    out = Σ kernel · Σₖ kernel[k] w[i - k] x[i - k] / Σₖ kernel[k] w[i - k]

Two convolutions by the planner, in float64, and a division. With weights of 1 everywhere it is the convolution itself.
Knutsson & Westin, "Normalized and differential convolution", CVPR 1993.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from convolens.arrays import as_array, is_tensor
from convolens.convolution.arrange import Asked
from convolens.convolution.broadcasting import chosen_axes, has_rank_of_x
from convolens.convolution.planner import LOCAL
from convolens.errors import ArgumentError, DtypeError, ShapeError

# Of the most that could count: where less does, a method that errs relative to the most is not precise enough.
_LITTLE = 1e-3
_ROUNDINGS = 16  # rounding units besides one for each weight, below which what counts cannot be told from nothing

Convolve = Callable[..., Any]  # of signal, kernel, what is asked, and method


def weighted(x: Any, kernel: Any, weights: Any, asked: Asked, method: str, convolve: Convolve) -> Any:
    """The normalized convolution, NaN where nothing counts. `convolve` does plain ones.

    Raises:
        ShapeError: weights that do not fit x.
        DtypeError: they are not real.
        ArgumentError: negative or not finite ones, or a kernel whose weights sum to 0.
    """
    wide, counted = _wide(kernel), _checked(weights, x, kernel, asked)
    total = _total(wide, x.ndim, asked)
    of_signal, of_weights = _with_borders(asked)
    signal = _where(counted > 0, _wide(x), 0.0) * counted  # whatever is there, NaN too, does not count
    scale = _number(abs(wide).sum()) * max(_max(counted), float(of_weights.fill_value))
    below = convolve(counted, wide, of_weights, method)
    if method == "auto" and 0 not in below.shape and _number(abs(below).min()) < _LITTLE * scale:
        method = LOCAL
        below = convolve(counted, wide, of_weights, method)
    counts = abs(below) > (_size(wide) + _ROUNDINGS) * np.finfo(np.float64).eps * scale
    above = convolve(signal, wide, of_signal, method)
    ratio = _where(counts, total * above / _where(counts, below, 1.0), np.nan)
    return _in_dtype_of(x, kernel, ratio)


def _with_borders(asked: Asked) -> tuple[Asked, Asked]:
    """What is asked of the signal and of the weights: a constant beyond the border counts, but for NaN."""
    constant = asked.boundary == "constant" or (not isinstance(asked.boundary, str) and "constant" in asked.boundary)
    missing = asked.fill_value != asked.fill_value
    counts = constant and not missing and asked.mode != "valid"
    return asked._replace(fill_value=0 if missing else asked.fill_value), asked._replace(fill_value=int(counts))


def _in_dtype_of(x: Any, kernel: Any, result: Any) -> Any:
    """As a convolution's result, but that whole numbers give float64."""
    if is_tensor(result):
        kind = sys.modules["torch"].result_type(x, kernel)
        return result.to(kind) if kind.is_floating_point or kind.is_complex else result
    kind = np.result_type(x, kernel)
    return result.astype(kind.newbyteorder("=") if kind.kind in "fc" else result.dtype, copy=False)


def _max(weights: Any) -> float:
    return 0.0 if 0 in weights.shape else _number(weights.max())


def _wide(a: Any) -> Any:
    """In float64 or complex128."""
    if is_tensor(a):
        torch = sys.modules["torch"]
        return a.to(torch.complex128 if a.is_complex() else torch.float64)
    return np.asarray(a).astype(np.complex128 if a.dtype.kind == "c" else np.float64, copy=False)


def _checked(weights: Any, x: Any, kernel: Any, asked: Asked) -> Any:
    """The weights in float64 with as many axes as x, and as long as x on those that are convolved."""
    if is_tensor(x):
        weights = sys.modules["torch"].as_tensor(weights, device=x.device)
        real = not weights.is_complex()
    else:
        weights = as_array(weights, "weights")
        real = weights.dtype.kind != "c"
    if not real:
        raise DtypeError(f"weights: need real numbers, got {weights.dtype}")
    shape = (1,) * (x.ndim - weights.ndim) + tuple(weights.shape)
    if len(shape) != x.ndim or any(n not in (1, of_x) for n, of_x in zip(shape, x.shape, strict=True)):
        raise ShapeError(f"weights: need x's shape {tuple(x.shape)}, or 1 on some axes, got {tuple(weights.shape)}")
    counted = _wide(weights.reshape(shape))
    if 0 not in shape and not (_number(counted.min()) >= 0 and _number(counted.max()) < np.inf):
        raise ArgumentError("weights: need finite numbers of at least 0, got others; 0 leaves a sample out")
    chosen = chosen_axes(x.ndim, kernel.ndim, asked.axes)
    full = [x.shape[axis] if axis in chosen else n for axis, n in enumerate(shape)]
    return counted.expand(full) if is_tensor(counted) else np.broadcast_to(counted, full)


def _where(condition: Any, a: Any, b: float) -> Any:
    return sys.modules["torch"].where(condition, a, b) if is_tensor(a) else np.where(condition, a, b)


def _total(kernel: Any, ndim: int, asked: Asked) -> Any:
    """The sum of the kernel's weights, of each kernel where there are several."""
    if has_rank_of_x(ndim, kernel.ndim, asked.axes):
        chosen = chosen_axes(ndim, kernel.ndim, asked.axes)
        total = kernel.sum(chosen, keepdim=True) if is_tensor(kernel) else kernel.sum(chosen, keepdims=True)
    else:
        total = kernel.sum()
    largest = _number(abs(kernel).max()) if _size(kernel) else 0.0
    if _number(abs(total).min()) <= _size(kernel) * np.finfo(np.float64).eps * largest:
        raise ArgumentError("kernel: need weights that do not sum to 0, as they are divided by what counts of them")
    return total


def _number(a: Any) -> float:
    return float(a.detach() if is_tensor(a) else a)


def _size(a: Any) -> int:
    return int(a.numel() if is_tensor(a) else a.size)
