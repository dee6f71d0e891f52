"""A tune on plucked strings, made from nothing but noise and convolution.

A string is a loop as long as one period of its tone, filled with noise: the pluck. Every time round, the loop passes
through a kernel of three taps, which revises each point by its neighbours; the noise smooths into a tone and dies away,
the high partials first. The output fed back is what makes it a *recursive* convolution:
`y[n] = x[n] + decay · Σ kernel[i] · y[n − N − i]`.

Time and memory: a few milliseconds and 8 bytes a sample for a tone.

Karplus & Strong, "Digital Synthesis of Plucked-String and Drum Timbres", Computer Music Journal 7(2), 1983. Differs
from the paper in the third tap, which tunes the string (the idea of Jaffe & Smith in the same issue, who use an
all-pass filter), in a decay per period, so that low and high strings ring equally long, and in a softer pluck.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.convolution import convolve
from convolens.errors import ArgumentError

# Frère Jacques (traditional, 18th century), as (note, beats); a round, so that it goes with itself two bars later.
_PHRASES = (
    (("C4", 1), ("D4", 1), ("E4", 1), ("C4", 1)),
    (("E4", 1), ("F4", 1), ("G4", 2)),
    (("G4", 0.5), ("A4", 0.5), ("G4", 0.5), ("F4", 0.5), ("E4", 1), ("C4", 1)),
    (("C4", 1), ("G3", 1), ("C4", 2)),
)
FRERE_JACQUES = tuple(tone for phrase in _PHRASES for _ in range(2) for tone in phrase)
ROUND_BEATS = 8.0  # the second voice enters after two bars of four beats

_SEMITONES_FROM_A = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}
_RING_SECONDS = 1.6  # until a string is 60 dB quieter
_FINGER = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9  # takes the click out of the pluck
_LOUDEST = 0.32  # leaves room for three voices and their echoes below 1


def melody(
    rate: int = 44100,
    *,
    tune: tuple[tuple[str, float], ...] = FRERE_JACQUES,
    beat_seconds: float = 0.4,
    seed: int = 0,
) -> Float[np.ndarray, " frames"]:
    """The tune, one pluck after another, each ringing on under the next.

    Args:
        rate: frames a second.
        tune: `(note, beats)`, the note as letter and octave (`A4` is 440 Hz).
        beat_seconds: length of a beat.
        seed: of the noise that plucks the strings.

    Returns:
        float32 in [-0.32, 0.32], with the last tone's ringing.

    >>> melody(8000, tune=(("A4", 1.0),)).shape
    (16000,)
    """
    noise = np.random.default_rng(seed)
    starts = np.cumsum([0.0, *(beats for _, beats in tune)]) * beat_seconds
    sound = np.zeros(round((starts[-1] + _RING_SECONDS) * rate))
    for (note, _), start in zip(tune, starts, strict=False):
        first = round(start * rate)
        ringing = sound[first : first + round(_RING_SECONDS * rate)]
        ringing += pluck(pitch_hz(note), _RING_SECONDS, rate, noise)[: len(ringing)]
    loudest: float = np.abs(sound).max()
    return (sound * (_LOUDEST / loudest)).astype(np.float32)


def pluck(pitch: float, seconds: float, rate: int, noise: np.random.Generator) -> Float[np.ndarray, " frames"]:
    """One plucked string of `pitch` Hz, 60 dB quieter after `_RING_SECONDS`; float64 within [-1, 1].

    Raises:
        ArgumentError: the string would be shorter than three samples.
    """
    period = rate / pitch
    if period < 3:
        raise ArgumentError(f"pitch: need at most a third of the rate ({rate} Hz), got {pitch:g} Hz")
    loop = int(period - 0.5)
    kernel = _loop_kernel(period - 0.5 - loop) * 10 ** (-3 * period / (rate * _RING_SECONDS))
    frames = round(seconds * rate)
    sound: NDArray[np.float64] = np.zeros(max(frames, loop) + loop)
    sound[:loop] = _burst(loop, noise)
    for start in range(loop, frames, loop):  # once round the string
        # The first points of this period also see the end of the one before last.
        last = sound[max(start - loop - 2, 0) : start]
        sound[start : start + loop] = convolve(last, kernel)[len(last) - loop : len(last)]
    return sound[:frames]


def pitch_hz(note: str) -> float:
    """Frequency of a note in equal temperament: `A4` is 440 Hz.

    Raises:
        ArgumentError: not a letter from A to G and an octave from 0 to 9.

    >>> round(pitch_hz("C4"), 2)
    261.63
    """
    if len(note) != 2 or note[0] not in _SEMITONES_FROM_A or not note[1].isdigit():
        raise ArgumentError(f"note: need a letter from A to G and an octave such as 'A4', got {note!r}")
    return 440.0 * 2 ** ((_SEMITONES_FROM_A[note[0]] + 12 * (int(note[1]) - 4)) / 12)


def _burst(frames: int, noise: np.random.Generator) -> NDArray[np.float64]:
    """Noise without its mean, which would push the string aside, smoothed round the loop as by a soft finger."""
    burst = noise.uniform(-1, 1, frames)
    soft: NDArray[np.float64] = convolve(burst - burst.mean(), _FINGER, "same", boundary="wrap")
    soft /= np.abs(soft).max()
    return soft


def _loop_kernel(fraction: float) -> NDArray[np.float64]:
    """[½, ½] delays by half a sample and damps; [1 − f, f] delays by the fraction that tunes the string."""
    kernel: NDArray[np.float64] = convolve([0.5, 0.5], [1 - fraction, fraction])
    return kernel
