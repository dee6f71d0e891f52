"""What every effect on pictures asks of its arguments, and the dtypes of its results."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.arrays import is_tensor, need_dense, need_size
from convolens.errors import DtypeError, ShapeError


def check_picture(image: Any) -> None:
    """Refuses what is not a picture.

    Raises:
        ShapeError: not `(height, width)` or `(height, width, channels)`, or empty.
        DtypeError: complex.
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
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


def as_floats(image: Any) -> Any:
    """The picture in floats: float64 if it holds wider floats than float32, else float32; a tensor's floats stay."""
    if is_tensor(image):
        return image if image.is_floating_point() else image.float()
    wide = image.dtype.kind == "f" and image.dtype.itemsize > 4
    return image.astype(np.float64 if wide else np.float32, copy=False)


def in_dtype_of(image: Any, values: Any) -> Any:
    """The values as pixels of the image's dtype: integers are rounded and clipped.

    >>> in_dtype_of(np.zeros(1, np.uint8), np.array([-3.0, 7.6, 300.0]))
    array([  0,   8, 255], dtype=uint8)
    """
    if is_tensor(image):
        largest = {1: 255, 2: 65535}[image.element_size()] if not image.is_floating_point() else None
        return values if largest is None else values.round().clamp(0, largest).to(image.dtype)
    if image.dtype.kind == "f":
        return values.astype(image.dtype, copy=False)
    return np.rint(values).clip(0, np.iinfo(image.dtype).max).astype(image.dtype)
