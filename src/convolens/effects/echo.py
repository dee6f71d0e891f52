"""Echo: a sound plus delayed, quieter copies of itself.

    x(t) = dry · s(t) + Σ wₘ s(t − tₘ)

A convolution with a kernel of a few non-zero taps, for which the planner picks shifted adds: time taps × frames at
memory speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real, is_tensor
from convolens.convolution import convolve
from convolens.effects import tensors
from convolens.effects.sound import check_rate, check_sound
from convolens.errors import ArgumentError

LONGEST = 86400  # seconds; a longer delay is a slip, and its frames would not fit in memory


def echo(
    samples: Float[Any, "frames ..."],
    rate: Real,
    delays: Real | Sequence[Real],
    weights: Real | Sequence[Real],
    *,
    dry: Real = 1.0,
) -> Float[Any, "longer ..."]:
    """The sound with its echoes; longer than it came by the longest delay.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats. Each channel echoes by itself.
        rate: frames a second.
        delays: seconds until each echo, to the nearest frame.
        weights: how loud each echo is; 1 is as loud as the sound. Negative turns it upside down.
        dry: how loud the sound itself stays.

    Returns:
        `(frames + longest delay, ...)` in the dtype of the samples. Never clipped: loud echoes may pass ±1.

    Raises:
        ShapeError: no samples, or more than two dimensions.
        DtypeError: not floats.
        ArgumentError: a delay that is negative, not finite or above a day, not one weight for each, or a rate that is
            not positive.

    >>> click = np.array([1.0, 0.0, 0.0])
    >>> echo(click, rate=10, delays=[0.2, 0.4], weights=[0.5, 0.25])
    array([1.  , 0.  , 0.5 , 0.  , 0.25, 0.  , 0.  ])
    """
    sound: Any = samples
    check_sound(sound)
    at, loudness = echo_taps(rate, delays, weights, dry)
    if is_tensor(sound):
        return tensors.sparse(sound, at.tolist(), loudness.tolist())
    impulse = np.zeros(int(at.max()) + 1, sound.dtype)
    np.add.at(impulse, at, loudness.astype(sound.dtype))  # two echoes may share a frame
    return convolve(sound, impulse, axes=0)


def echo_stream(
    blocks: Iterable[NDArray[Any]],
    rate: Real,
    delays: Real | Sequence[Real],
    weights: Real | Sequence[Real],
    *,
    dry: Real = 1.0,
) -> Iterator[NDArray[Any]]:
    """`echo` of a sound that comes in blocks: the same samples however it is cut, in memory for the longest delay.

    Args:
        blocks: `(frames, channels)` floats, one after another.
        rate: frames a second.
        delays: as in `echo`.
        weights: as in `echo`.
        dry: as in `echo`.

    Yields:
        The sound with its echoes, block for block, then the tail in blocks no longer than those that came.

    Errors as in `echo`.

    >>> blocks = [np.array([[1.0], [0.0]]), np.array([[0.0]])]
    >>> np.concatenate(list(echo_stream(blocks, 10, 0.2, 0.5)))[:, 0]
    array([1. , 0. , 0.5, 0. , 0. ])
    """
    at, loudness = echo_taps(rate, delays, weights, dry)
    reach, longest = int(at.max()), 1
    past: NDArray[Any] | None = None  # the last `reach` frames
    for block in blocks:
        check_sound(block)
        if past is None:
            past = np.zeros((reach, block.shape[1]), block.dtype)
        longest = max(longest, len(block))
        changed, past = _next_block(past, block, at, loudness)
        yield changed
    tail = reach if past is not None else 0
    while past is not None and tail > 0:
        silence = np.zeros((min(tail, longest), past.shape[1]), past.dtype)
        tail -= len(silence)
        changed, past = _next_block(past, silence, at, loudness)
        yield changed


def _next_block(
    past: NDArray[Any], block: NDArray[Any], at: NDArray[np.int64], loudness: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The block with its echoes, and the past that the next one needs. Sums run in the taps' order for every sample."""
    known = np.concatenate([past, block])
    changed = np.zeros_like(block)
    for start, weight in zip(at.tolist(), loudness, strict=True):
        begin = len(past) - start
        changed += known[begin : begin + len(block)] * block.dtype.type(weight)
    return changed, known[len(block) :]


def echo_taps(
    rate: Real, delays: Real | Sequence[Real], weights: Real | Sequence[Real], dry: Real
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The frames at which the kernel is not zero and its weights there; the first is the sound itself.

    Raises:
        ArgumentError: as in `echo`.
    """
    check_rate(rate)
    seconds, loudness = _numbers(delays, "delays"), _numbers(weights, "weights")
    if len(seconds) != len(loudness):
        raise ArgumentError(f"weights: need one for each of the {len(seconds)} delays, got {len(loudness)}")
    if (seconds < 0).any():
        raise ArgumentError(f"delays: need seconds of at least 0, got {seconds.min():g}")
    if (seconds > LONGEST).any():
        raise ArgumentError(f"delays: need at most {LONGEST} seconds, a day, got {seconds.max():g}")
    if not np.isfinite(dry):
        raise ArgumentError(f"dry: need a finite number, got {dry}")
    frames = np.rint(seconds * rate).astype(np.int64)
    return np.concatenate([[0], frames]), np.concatenate([[dry], loudness])


def _numbers(values: Real | Sequence[Real], subject: str) -> NDArray[np.float64]:
    numbers: NDArray[Any] = np.atleast_1d(np.asarray(values, np.float64))
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ArgumentError(f"{subject}: need a finite number, or a list of them, got {values!r}")
    return numbers
