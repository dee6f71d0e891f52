"""Bands of the mel scale, which is spaced as ears tell pitches apart: evenly at first, then by factors.

Slaney's Auditory Toolbox (1998) has 15 steps to 1 kHz and then 27 for each factor of 6.4; HTK has 2595 · log10(1 + f /
700), of O'Shaughnessy (1987). A band is a triangle over the frequencies, from the middle of the one below it to the
middle of the one above.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.errors import need_one_of

SCALES = ("slaney", "htk")
_LOG_STEP = math.log(6.4) / 27  # above 1 kHz
_LINEAR_STEP = 200 / 3  # Hz, below


def mel_bands(
    rate: float, n_fft: int, mels: int, low: Real, high: Real | None, scale: str, norm: str | None
) -> NDArray[np.float64]:
    """The share of each frequency in each band, `(mels, n_fft // 2 + 1)`.

    Args:
        rate: samples a second.
        n_fft: samples that a transform sees.
        mels: how many bands.
        low: where the lowest begins, Hz.
        high: where the highest ends, Hz; None: half the rate.
        scale: `slaney` or `htk`.
        norm: `slaney`: each band's shares are divided by half of its width in Hz; None: they reach 1.

    Raises:
        ArgumentError: no such scale or norm, or frequencies that are not in order up to half the rate.
    """
    need_one_of("mel_scale", scale, SCALES)
    if norm is not None:
        need_one_of("mel_norm", norm, ("slaney",))
    lowest = as_real(low, "low", "a frequency in Hz, at least 0", lambda value: value >= 0)
    need = f"a frequency in Hz above low, {lowest:g}, and at most half the rate, {rate / 2:g}"
    highest = as_real(rate / 2 if high is None else high, "high", need, lambda value: lowest < value <= rate / 2)
    return _bands(rate, n_fft, mels, lowest, highest, scale, norm)


@lru_cache(maxsize=16)
def _bands(
    rate: float, n_fft: int, mels: int, low: float, high: float, scale: str, norm: str | None
) -> NDArray[np.float64]:
    ends = np.linspace(to_mel(low, scale), to_mel(high, scale), mels + 2)
    corners = np.array([from_mel(value, scale) for value in ends])
    frequencies = np.arange(n_fft // 2 + 1) * rate / n_fft
    rising = (frequencies - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - frequencies) / np.diff(corners)[1:, None]
    bands: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    if norm is not None:
        bands *= 2 / (corners[2:] - corners[:-2])[:, None]
    return bands


def mel_middles(mels: int, low: float, high: float, scale: str) -> NDArray[np.float64]:
    """The frequency in Hz in the middle of each band, the lowest first.

    >>> mel_middles(2, 0, 300, "slaney")
    array([100., 200.])
    """
    places = np.linspace(to_mel(low, scale), to_mel(high, scale), mels + 2)[1:-1]
    return np.array([from_mel(value, scale) for value in places])


def to_mel(frequency: float, scale: str) -> float:
    """A frequency in Hz on a mel scale.

    >>> to_mel(1000, "slaney"), round(to_mel(1000, "htk"), 2)
    (15.0, 999.99)
    """
    if scale == "htk":
        return 2595 * math.log10(1 + frequency / 700)
    return frequency / _LINEAR_STEP if frequency < 1000 else 15 + math.log(frequency / 1000) / _LOG_STEP


def from_mel(mel: float, scale: str) -> float:
    """The frequency in Hz at a place on a mel scale: the inverse of `to_mel`."""
    if scale == "htk":
        return float(700 * (10 ** (mel / 2595) - 1))
    return mel * _LINEAR_STEP if mel < 15 else 1000 * math.exp(_LOG_STEP * (mel - 15))
