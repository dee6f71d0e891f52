"""What every effect on sounds asks of its arguments."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from jaxtyping import Float

from convolens.arrays import Real, as_real, is_tensor, need_dense, need_size
from convolens.errors import DtypeError, ShapeError


def check_sound(samples: Any) -> None:
    """Refuses what is not a sound.

    Raises:
        ShapeError: not `(frames,)` or `(frames, channels)`, or no samples.
        DtypeError: not floats.
    """
    shape = tuple(getattr(samples, "shape", ()))
    if len(shape) not in (1, 2) or 0 in shape:
        raise ShapeError(f"samples: need (frames,) or (frames, channels), at least one sample, got shape {shape}")
    need_size(shape, "samples")
    if not (is_tensor(samples) or isinstance(samples, np.ndarray)):
        raise DtypeError(f"samples: need an array or a tensor, got {type(samples).__name__}")
    if is_tensor(samples):
        need_dense(samples, "samples")
    if "float" not in str(samples.dtype):
        raise DtypeError(f"samples: need floats in [-1, 1], got {samples.dtype}; divide by the largest value")


def check_array(samples: Any) -> None:
    """Refuses what is not a sound in a NumPy array. Errors as in `check_sound`, and a `DtypeError` for a tensor."""
    check_sound(samples)
    if is_tensor(samples):
        raise DtypeError("samples: need a NumPy array, got a tensor; .numpy() gives one")


def as_rate(rate: Any, subject: str = "rate") -> float:
    """A sample rate as a float.

    Raises:
        ArgumentError: not a positive number, or more than files can have.
    """
    need = "a positive number of frames a second, below 2^31"
    return as_real(rate, subject, need, lambda r: 0 < r < 1 << 31)


def stacked(channels: list[Any]) -> Any:
    """Channels, each `(frames,)`, as one sound: tensors as a tensor."""
    return sys.modules["torch"].stack(channels, dim=1) if is_tensor(channels[0]) else np.stack(channels, axis=1)


def soften(samples: Float[np.ndarray, ...], knee: Real = 0.8) -> Float[np.ndarray, ...]:
    """A soft limiter: samples up to the knee stay as they are, louder ones approach ±1 and never pass it.

    Above the knee a hyperbolic tangent continues in the same direction, so that the change from one to the other has no
    edge that could be heard. Each sample by itself: no look ahead, no time constant.

    Raises:
        ArgumentError: a knee that is not between 0 and 1.

    >>> soften(np.array([0.5, -0.8, 1.0, -30.0])).round(3)
    array([ 0.5  , -0.8  ,  0.952, -1.   ])
    """
    knee = as_real(knee, "knee", "a number of at least 0 and below 1", lambda k: 0 <= k < 1)
    headroom = 1 - knee
    level = np.abs(samples)
    soft = knee + headroom * np.tanh((level - knee) / headroom)
    limited: Any = np.copysign(np.where(level > knee, soft, level), samples)
    return np.asarray(limited, samples.dtype)
