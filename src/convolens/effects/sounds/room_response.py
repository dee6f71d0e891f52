"""The impulse response of a room that never was, made of noise.

A few early reflections, each a click from a wall, then noise that dies away by 60 dB in the room's time, the high
pitches sooner, as walls and air swallow them first. (Moorer, "About this reverberation business", Computer Music
Journal 3(2), 1979, for late reverberation as decaying noise.)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.convolution import convolve

_WALLS = ((0.011, 0.5), (0.017, -0.4), (0.023, 0.35), (0.031, -0.3), (0.041, 0.25))  # seconds, loudness
_LATE_SECONDS = 0.03  # before which there are early reflections only
_BANDS = ((1.0, 1), (0.55, 6), (0.3, 24))  # fraction of the time in which it dies away; samples it is smoothed over
_ENERGY = 0.12  # of each ear's response: about as loud as the tune when mixed half and half


def room_response(rate: int = 44100, *, seconds: Real = 2.5, seed: int = 0) -> Float[np.ndarray, "taps 2"]:
    """A room's impulse response at the left ear and at the right: `(taps, 2)` float32.

    Args:
        rate: frames a second.
        seconds: until it is 60 dB quieter.
        seed: of the noise.

    >>> room_response(8000, seconds=0.5).shape
    (4000, 2)
    """
    noise = np.random.default_rng(seed)
    return np.stack([_at_one_ear(rate, float(seconds), noise) for _ in range(2)], axis=1).astype(np.float32)


def _at_one_ear(rate: int, seconds: float, noise: np.random.Generator) -> NDArray[np.float64]:
    frames = round(rate * seconds)
    at = np.arange(frames) / rate
    response: NDArray[np.float64] = np.zeros(frames)
    for fraction, width in reversed(_BANDS):
        decay = 10 ** (-3 * at / (seconds * fraction))
        rough = noise.standard_normal(frames)
        low: NDArray[np.float64] = convolve(rough, np.full(width * 4, 1 / (width * 4)), "same")
        response += (rough - low if width > 1 else low * 4) * decay
    response *= 1 - np.exp(-at / _LATE_SECONDS)
    for delay, weight in _WALLS:
        response[round((delay + noise.uniform(0, 0.004)) * rate)] += weight * 4
    response *= np.sqrt(_ENERGY / np.sum(response**2))
    return response
