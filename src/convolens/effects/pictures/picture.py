"""What every effect on pictures asks of its arguments."""

from __future__ import annotations

from typing import Any

from convolens.arrays import is_tensor
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
    if image.is_complex() if is_tensor(image) else image.dtype.kind == "c":
        raise DtypeError(f"image: need real numbers, got {image.dtype}")


def for_each_axis(sigma: Any, axes: int) -> tuple[Any, ...]:
    """The widths for the leading axes as the caller's own objects, so that a tensor's gradient is kept.

    >>> for_each_axis(2.0, 2), for_each_axis([1, 2, 3], 2)
    ((2.0, 2.0), (1, 2, 3))
    """
    several = isinstance(sigma, tuple | list) or getattr(sigma, "ndim", 0) == 1
    return tuple(sigma) if several else (sigma,) * axes
