"""What every effect on sounds asks of its arguments."""

from __future__ import annotations

import math
from typing import Any

from convolens.arrays import Real
from convolens.errors import ArgumentError, DtypeError, ShapeError


def check_sound(samples: Any) -> None:
    """Refuses what is not a sound.

    Raises:
        ShapeError: not `(frames,)` or `(frames, channels)`, or no samples.
        DtypeError: not floats.
    """
    shape = tuple(getattr(samples, "shape", ()))
    if len(shape) not in (1, 2) or 0 in shape:
        raise ShapeError(f"samples: need (frames,) or (frames, channels), at least one sample, got shape {shape}")
    if "float" not in str(samples.dtype):
        raise DtypeError(f"samples: need floats in [-1, 1], got {samples.dtype}; divide by the largest value")


def check_rate(rate: Real) -> None:
    """Refuses a sample rate that is none.

    Raises:
        ArgumentError: not a positive, finite number.
    """
    if not (math.isfinite(rate) and rate > 0):
        raise ArgumentError(f"rate: need a positive number of frames a second, got {rate}")
