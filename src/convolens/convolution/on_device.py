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

from convolens.convolution.spec import Shape, Window, check_fill, compute_dtypes, result_dtype, result_shape
from convolens.shapes import boundary_along, boundary_map

# Weights from which transforms are faster than the definition on a GPU.
_LARGE_KERNEL = 1024


def windows(x: Tensor, kernel: Tensor, window: Window, *, local: bool = False) -> Tensor:
    """`out[i] = Σ_k kernel[k] · X[step · i + k]` on the tensors' own device; with `local` without transforms."""
    result, compute = _dtypes(x, kernel)
    check_fill(window.fill, compute)
    working = getattr(torch, compute.name)
    x, kernel = _extended(x.to(working), window), kernel.to(working)
    nothing, step = (0,) * x.ndim, window.step or (1,) * x.ndim
    sizes = result_shape(tuple(x.shape), tuple(kernel.shape), nothing, nothing, step)
    if min(sizes, default=0) <= 0:
        return x.new_zeros(sizes, dtype=result)
    if kernel.numel() >= _LARGE_KERNEL and not local:
        transformed = _by_transform(x, kernel)[tuple(slice(None, None, s) for s in step)]
        if bool(transformed.isfinite().all()):  # a NaN or infinity would have spread
            return transformed.to(result)
    with torch.backends.cudnn.flags(allow_tf32=False):  # ten bits of mantissa are no float32
        return _by_definition(x, kernel, step).to(result)


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
        boundary = boundary_along(window.boundary, axis)
        if boundary == "constant":
            longer = [*x.shape[:axis], before + x.shape[axis] + after, *x.shape[axis + 1 :]]
            extended = x.new_full(longer, window.fill)
            extended.narrow(axis, before, x.shape[axis]).copy_(x)
            x = extended
        else:
            sources = boundary_map(x.shape[axis], before, after, boundary)
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


def _by_definition(x: Tensor, kernel: Tensor, step: Shape) -> Tensor:
    """Torch's convolution over up to three axes at a time; others are batch, or summed over one by one."""
    x = x[tuple(slice(None, None, 1 if k > 1 else s) for k, s in zip(kernel.shape, step, strict=True))]
    axes = [axis for axis, k in enumerate(kernel.shape) if k > 1]
    if len(axes) > 3:
        first = axes[0]
        size = x.shape[first] - kernel.shape[first] + 1
        parts = (
            _by_definition(x.narrow(first, k, size), kernel.narrow(first, k, 1), step)
            for k in range(kernel.shape[first])
        )
        return torch.stack(list(parts)).sum(0)
    axes = axes or [x.ndim - 1]
    batch = [axis for axis in range(x.ndim) if axis not in axes]
    order = batch + axes
    moved = x.permute(order)
    lines = moved.reshape(prod(moved.shape[: len(batch)]), 1, *moved.shape[len(batch) :])
    convolution = (functional.conv1d, functional.conv2d, functional.conv3d)[len(axes) - 1]
    strides = [step[axis] if kernel.shape[axis] > 1 else 1 for axis in axes]
    weights = kernel.permute(order).reshape(1, 1, *(kernel.shape[axis] for axis in axes))
    result = convolution(lines, weights, stride=strides)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return result.reshape(*moved.shape[: len(batch)], *result.shape[2:]).permute(back)
