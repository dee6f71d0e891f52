"""The taps of an echo: at which frames copies of the sound begin, how loud they are, and how they come round again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real, as_flag, as_real
from convolens.convolution.named import NamedKernel, named
from convolens.effects.sounds.sound import as_rate
from convolens.errors import ArgumentError

MAX_DELAY_SECONDS = 86400  # seconds; a longer delay is a slip, and its frames would not fit in memory
SILENCE_DECIBELS = -90.0  # where an echo that comes round again is left to end: below the noise of 16 bits

_SINC_RADIUS = 32  # frames on each side of a delay between two frames
_SINC_KAISER = 9.0  # side lobes 90 dB down; flat up to 0.9 of the highest frequency

Weights = Real | Sequence[Real] | Sequence[Sequence[Real]] | NDArray[Any]


class Taps(NamedTuple):
    """A kernel by its non-zero entries.

    Attributes:
        at: frames, one for each tap.
        weights: one for each tap, or `(taps, channels)`.
        dry: how loud the sound itself is.
        loop: frames after which all taps come again, `feedback` times as loud.
        feedback: 0 for never.
    """

    at: NDArray[np.int64]
    weights: NDArray[np.float64]
    dry: float
    loop: int
    feedback: float

    @property
    def longest(self) -> int:
        """Frames until the last tap."""
        return int(self.at.max())

    @property
    def repeats(self) -> int:
        """How often the taps come round again before they are silent."""
        if self.feedback == 0:
            return 0
        return math.ceil(SILENCE_DECIBELS / (20 * math.log10(abs(self.feedback))))

    @property
    def tail(self) -> int:
        """Frames by which the result is longer than the sound."""
        return self.longest + self.repeats * self.loop

    def kernel(self, dry: float) -> NamedKernel:
        """The taps as an array, with the sound itself as loud as `dry`; for each channel, where they differ."""
        impulse = np.zeros((self.longest + 1, *self.weights.shape[1:]))
        np.add.at(impulse, self.at, self.weights)  # two echoes may share a frame
        impulse[0] += dry
        return named(impulse, "echo")

    def kernels(self, dry: float) -> list[NamedKernel]:
        """The kernel of each channel, where they differ."""
        return [named(line, "echo") for line in np.asarray(self.kernel(dry)).T]

    def channels(self, count: int) -> int:
        """How many channels a sound of `count` has afterwards.

        Raises:
            ArgumentError: weights for as many channels as the sound has not.
        """
        wanted = self.weights.shape[1] if self.weights.ndim == 2 else count
        if count not in (1, wanted):
            raise ArgumentError(f"weights: need one for each delay, or one for each of {count} channels, got {wanted}")
        return wanted


def echo_taps(
    rate: Real, delays: Real | Sequence[Real], weights: Weights, dry: Real, feedback: Real = 0, sub_sample: bool = False
) -> Taps:
    """The taps of `echo`'s arguments.

    Raises:
        ArgumentError: as in `echo`.

    >>> echo_taps(10, [0.2, 0.5], [0.5, 0.25], 1.0).at
    array([2, 5])
    """
    rate, dry = as_rate(rate), as_real(dry, "dry")
    seconds = _numbers(delays, "delays", (1,))
    loudness = _numbers(weights, "weights", (1, 2))
    if len(seconds) != len(loudness):
        raise ArgumentError(f"weights: need one for each of the {len(seconds)} delays, got {len(loudness)}")
    if (seconds < 0).any():
        raise ArgumentError(f"delays: need seconds of at least 0, got {seconds.min():g}")
    if (seconds > MAX_DELAY_SECONDS).any():
        raise ArgumentError(f"delays: need at most {MAX_DELAY_SECONDS} seconds, a day, got {seconds.max():g}")
    exact = seconds * rate
    loop = int(np.rint(exact.max()))
    between = as_flag(sub_sample, "sub_sample")
    at, loudness = _between_frames(exact, loudness) if between else (np.rint(exact).astype(np.int64), loudness)
    need = "a number between -1 and 1, where echoes die away"
    taps = Taps(at, loudness, dry, loop, as_real(feedback, "feedback", need, lambda f: -1 < f < 1))
    _check_feedback(taps, rate)
    return taps


def _check_feedback(taps: Taps, rate: Real) -> None:
    if taps.feedback and taps.loop == 0:
        raise ArgumentError("delays: need one of at least one frame for feedback, got none")
    if taps.tail > (MAX_DELAY_SECONDS + 1) * rate:
        raise ArgumentError(
            f"feedback: need echoes that end within {MAX_DELAY_SECONDS} seconds, a day; {taps.feedback:g} lasts "
            f"{taps.tail / rate:.0f}"
        )


def _between_frames(exact: NDArray[np.float64], loudness: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each delay between two frames as the samples of a windowed sinc around it; one on a frame stays a single tap.

    Laakso et al., "Splitting the unit delay", IEEE Signal Processing Magazine 13(1), 1996.
    """
    whole = np.rint(exact)
    broken = ~np.isclose(exact, whole, rtol=0, atol=1e-6)
    if (exact[broken] < _SINC_RADIUS).any():
        raise ArgumentError(
            f"delays: need at least {_SINC_RADIUS} frames where one falls between two frames, got "
            f"{exact[broken].min():g}"
        )
    at, weights = [whole[~broken]], [loudness[~broken]]
    for delay, weight in zip(exact[broken], loudness[broken], strict=True):
        near = np.floor(delay) + np.arange(1 - _SINC_RADIUS, _SINC_RADIUS + 1)
        away = near - delay
        window = np.i0(_SINC_KAISER * np.sqrt(np.maximum(1 - (away / _SINC_RADIUS) ** 2, 0))) / np.i0(_SINC_KAISER)
        at.append(near)
        weights.append(np.multiply.outer(np.sinc(away) * window, weight))
    return np.concatenate(at).astype(np.int64), np.concatenate(weights)


def _numbers(values: Any, subject: str, axes: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        given = np.atleast_1d(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{subject}: need numbers, in lists of one length, got {values!r}") from error
    numbers: NDArray[Any] = given.astype(np.float64) if given.dtype.kind in "iuf" else np.full(1, np.nan)
    if numbers.ndim not in axes or numbers.size == 0 or not np.isfinite(numbers).all():
        raise ArgumentError(f"{subject}: need a finite number, or a list of them, got {values!r}")
    return numbers
