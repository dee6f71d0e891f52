"""Tensors on other devices than the CPU: torch's convolutions, or its Fourier transforms for large kernels.

The same canonical form as everywhere. Tensors of the CPU can be forced here too (`method="torch"`), so that what runs
on a GPU is tested without one.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from convolens.convolution.spec import Window, check_fill, compute_dtypes, result_dtype
from convolens.shapes import boundary_map

# Weights from which transforms are faster than the definition on a GPU.
_LARGE_KERNEL = 1024


def windows(x: Tensor, kernel: Tensor, window: Window) -> Tensor:
    """`out[i] = Σ_k kernel[k] · X[i + k]` on the tensors' own device."""
    result, compute = _dtypes(x, kernel)
    check_fill(window.fill, compute)
    working = getattr(torch, compute.name)
    x, kernel = _extended(x.to(working), window), kernel.to(working)
    sizes = [n - k + 1 for n, k in zip(x.shape, kernel.shape, strict=True)]
    if min(sizes, default=0) <= 0:
        return x.new_zeros([max(n, 0) for n in sizes], dtype=result)
    if kernel.numel() >= _LARGE_KERNEL:
        transformed = _by_transform(x, kernel)
        if bool(transformed.isfinite().all()):  # a NaN or infinity would have spread
            return transformed.to(result)
    with torch.backends.cudnn.flags(allow_tf32=False):  # ten bits of mantissa are no float32
        return _by_definition(x, kernel).to(result)


def _dtypes(x: Tensor, kernel: Tensor) -> tuple[torch.dtype, np.dtype[Any]]:
    """The result's dtype, by NumPy's rule as on the CPU, and the one computed in."""
    if torch.bfloat16 in (x.dtype, kernel.dtype):
        result = torch.promote_types(x.dtype, kernel.dtype)
        return result, np.dtype(
            np.complex64 if result.is_complex else np.float32 if result == torch.bfloat16 else str(result)[6:]
        )
    signal_dtype, kernel_dtype = (torch.empty(0, dtype=a.dtype).numpy().dtype for a in (x, kernel))
    return getattr(torch, result_dtype(signal_dtype, kernel_dtype).name), compute_dtypes(signal_dtype, kernel_dtype)[1]


def _extended(x: Tensor, window: Window) -> Tensor:
    """The signal extended on every axis."""
    for axis, (before, after) in enumerate(zip(window.before, window.after, strict=True)):
        if not before and not after:
            continue
        if window.boundary == "constant":
            longer = [*x.shape[:axis], before + x.shape[axis] + after, *x.shape[axis + 1 :]]
            extended = x.new_full(longer, window.fill)
            extended.narrow(axis, before, x.shape[axis]).copy_(x)
            x = extended
        else:
            sources = boundary_map(x.shape[axis], before, after, window.boundary)
            x = x.index_select(axis, torch.tensor(sources, device=x.device))
    return x


def _by_transform(x: Tensor, kernel: Tensor) -> Tensor:
    """Circular correlation as long as the extended signal; what wrapped around is past the outputs."""
    axes = [axis for axis, k in enumerate(kernel.shape) if k > 1] or [0]
    sizes = [x.shape[axis] for axis in axes]
    forward, inverse = (torch.fft.fftn, torch.fft.ifftn) if x.is_complex() else (torch.fft.rfftn, torch.fft.irfftn)
    flipped = kernel.flip(tuple(range(kernel.ndim)))
    result = inverse(forward(x, sizes, axes) * forward(flipped, sizes, axes), sizes, axes)
    valid: Tensor = result[tuple(slice(k - 1, None) for k in kernel.shape)]
    return valid


def _by_definition(x: Tensor, kernel: Tensor) -> Tensor:
    """Torch's convolution over up to three axes at a time; others are batch, or summed over one by one."""
    axes = [axis for axis, k in enumerate(kernel.shape) if k > 1]
    if len(axes) > 3:
        first = axes[0]
        size = x.shape[first] - kernel.shape[first] + 1
        parts = (
            _by_definition(x.narrow(first, k, size), kernel.narrow(first, k, 1)) for k in range(kernel.shape[first])
        )
        return torch.stack(list(parts)).sum(0)
    axes = axes or [x.ndim - 1]
    batch = [axis for axis in range(x.ndim) if axis not in axes]
    order = batch + axes
    moved = x.permute(order)
    lines = moved.reshape(prod(moved.shape[: len(batch)]), 1, *moved.shape[len(batch) :])
    convolution = (functional.conv1d, functional.conv2d, functional.conv3d)[len(axes) - 1]
    result = convolution(lines, kernel.permute(order).reshape(1, 1, *(kernel.shape[axis] for axis in axes)))
    back = sorted(range(x.ndim), key=order.__getitem__)
    return result.reshape(*moved.shape[: len(batch)], *result.shape[2:]).permute(back)
