"""The door of every layer: NumPy or torch in, a checked four-axis torch tensor inside, the caller's kind out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.arrays import as_array, is_tensor, need_dense, need_size
from convolens.errors import DeviceError, LayerDtypeError, LayerShapeError


def as_tensor(x: object, subject: str) -> Tensor:
    """`x` as a floating-point tensor; a NumPy array shares its memory.

    Raises:
        DtypeError: not real floating-point numbers.
    """
    tensor = x if is_tensor(x) else torch.from_numpy(ordinary(as_array(x, subject), subject))
    if not tensor.is_floating_point():
        raise LayerDtypeError(f"{subject}: need floating-point numbers, got {tensor.dtype}")
    need_size(tuple(tensor.shape), subject)
    need_dense(tensor, subject)
    return tensor


def ordinary(array: NDArray[Any], subject: str) -> NDArray[Any]:
    """The array itself where torch can share it, else a copy (negative strides, foreign byte order, read-only)."""
    if array.dtype.kind not in "fiubc" or array.dtype.itemsize > 16 or array.dtype == np.longdouble:
        raise LayerDtypeError(f"{subject}: need float16, float32 or float64, got {array.dtype}")
    own = np.dtype(array.dtype.newbyteorder("=").str)  # C has two names for its 64-bit integers, and torch knows one
    shareable = array.flags.writeable and array.dtype.char == own.char and all(stride >= 0 for stride in array.strides)
    return array if shareable and array.dtype.isnative else np.array(array, array.dtype.newbyteorder("=")).view(own)


def batched(x: Tensor, subject: str) -> Tensor:
    """`(N, C, H, W)` from itself or from one picture `(C, H, W)`.

    Raises:
        ShapeError: any other number of axes.
    """
    if x.dim() == 4:
        return x
    if x.dim() == 3:
        return x.unsqueeze(0)
    raise LayerShapeError(
        f"{subject}: need (batch, channels, height, width) or (channels, height, width), got shape {tuple(x.shape)}"
    )


def is_traced() -> bool:
    """Whether a compiler, an exporter or `torch.jit.trace` records what is done: they know torch's own operators."""
    return torch.compiler.is_compiling() or torch._C._is_tracing()


def mixes_precisions(x: object) -> bool:
    """Whether torch's autocast is on where `x` is: it knows torch's own operators and casts what they are given."""
    return isinstance(x, Tensor) and not x.is_meta and torch.is_autocast_enabled(x.device.type)


def check_alike(x: Tensor, other: Tensor, subject: str) -> None:
    """Raises where two tensors cannot be computed with together: another dtype or device."""
    if other.dtype != x.dtype:
        raise LayerDtypeError(f"{subject}: need x's dtype {x.dtype}, got {other.dtype}")
    if other.device != x.device:
        raise DeviceError(f"{subject}: need x's device {x.device}, got {other.device}")


def kind_of(x: object) -> Callable[[Tensor], Any]:
    """The function that gives a result the caller's kind: tensors stay, anything else came from NumPy and returns."""
    return (lambda tensor: tensor) if is_tensor(x) else (lambda tensor: tensor.numpy())
