"""What every effect on pictures asks of its arguments, and the dtypes of its results."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from convolens.arrays import is_tensor, need_dense, need_size
from convolens.errors import DtypeError, ShapeError


def check_picture(image: Any, most: int = 0) -> None:
    """Refuses what is not a picture; with `most` also one of as many axes, or a line.

    Raises:
        ShapeError: not `(height, width)` or `(height, width, channels)`, or empty.
        DtypeError: complex.
    """
    axes = range(1, most + 1) if most else (2, 3)
    if image.ndim not in axes or 0 in image.shape:
        raise ShapeError(
            f"image: need (height, width) or (height, width, channels), not empty, got {tuple(image.shape)}"
        )
    need_size(tuple(image.shape), "image")
    if is_tensor(image):
        need_dense(image, "image")
    if image.is_complex() if is_tensor(image) else image.dtype.kind == "c":
        raise DtypeError(f"image: need real numbers, got {image.dtype}")


def for_each_axis(sigma: Any, axes: int) -> tuple[Any, ...]:
    """The widths for the leading axes as the caller's own objects, so that a tensor's gradient is kept.

    >>> for_each_axis(2.0, 2), for_each_axis([1, 2, 3], 2)
    ((2.0, 2.0), (1, 2, 3))
    """
    several = isinstance(sigma, tuple | list) or getattr(sigma, "ndim", 0) == 1
    return tuple(sigma) if several else (sigma,) * axes


def for_each(value: Any, subject: str, count: int) -> tuple[Any, ...]:
    """One value for all axes, or one for each.

    Raises:
        ShapeError: of another number.
    """
    if not isinstance(value, tuple | list):
        return (value,) * count
    if len(value) != count:
        raise ShapeError(f"{subject}: need one, or one for each of {count} axes, got {len(value)}")
    return tuple(value)


def as_floats(image: Any) -> Any:
    """The picture in floats: float64 if it holds wider floats than float32, else float32; a tensor's floats stay."""
    if is_tensor(image):
        return image if image.is_floating_point() else image.float()
    wide = image.dtype.kind == "f" and image.dtype.itemsize > 4
    return image.astype(np.float64 if wide else np.float32, copy=False)


def as_exact_floats(image: Any) -> Any:
    """`as_floats`, but for whole numbers of 32 bits float64, which holds them."""
    if str(image.dtype).removeprefix("torch.") != "int32":
        return as_floats(image)
    return image.double() if is_tensor(image) else image.astype(np.float64)


def in_dtype_of(image: Any, values: Any) -> Any:
    """The values as pixels of the image's dtype: integers are rounded and clipped.

    >>> in_dtype_of(np.zeros(1, np.uint8), np.array([-3.0, 7.6, 300.0]))
    array([  0,   8, 255], dtype=uint8)
    """
    if is_tensor(image):
        if image.is_floating_point():
            return values.to(image.dtype)
        limits = sys.modules["torch"].iinfo(image.dtype)
        return values.round().clamp(limits.min, limits.max).to(image.dtype)
    if image.dtype.kind == "f":
        return values.astype(image.dtype, copy=False)
    limits = np.iinfo(image.dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(image.dtype)
