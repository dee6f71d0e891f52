"""A new rate for a sound or an impulse response: a windowed-sinc filter at a rational ratio.

Time frames × 64 multiplications, whatever the rates (polyphase, by SciPy); memory for the filter grows with the larger
of the ratio's two numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.effects.sounds.sound import as_rate
from convolens.errors import ArgumentError
from convolens.first_use import loaded

_MAX_TERM = 1 << 16  # of the ratio's numbers; the pitch is then right to a hundredth of a cent
_RADIUS = 32  # samples of the slower rate on each side
_PIECE = 1 << 16  # samples at a time, of a sound that comes in blocks
_KAISER = 10.0  # side lobes 100 dB down, below the noise of 16 bits


def resample(samples: Float[np.ndarray, "frames ..."], rate: Real, to: Real) -> Float[np.ndarray, "others ..."]:
    """The same sound at another rate, its loudness kept.

    Frequencies above half of the slower rate are filtered off.

    Args:
        samples: `(frames,)` or `(frames, channels)`.
        rate: its frames a second.
        to: those wanted.

    Raises:
        ArgumentError: a rate that is not positive, or far from the other.

    >>> resample(np.ones(100, np.float32), 44100, 22050).shape
    (50,)
    """
    ratio = _ratio(rate, to)
    if ratio == 1:
        return samples
    resample_poly = loaded("scipy.signal").resample_poly

    low_pass = _low_pass(max(ratio.numerator, ratio.denominator)).astype(samples.dtype)
    other: Any = resample_poly(samples, ratio.numerator, ratio.denominator, axis=0, window=low_pass)
    result: NDArray[Any] = np.ascontiguousarray(other, samples.dtype)
    return result


def resample_impulse(impulse: Float[np.ndarray, "length ..."], rate: Real, to: Real) -> Float[np.ndarray, "others ..."]:
    """An impulse response for sounds of another rate: it colours and amplifies them as before.

    Its samples are closer together or further apart, so each weighs less or more: scaled by `rate / to`.

    >>> bool(abs(resample_impulse(np.hanning(1000), 48000, 24000).sum() - np.hanning(1000).sum()) < 0.01)
    True
    """
    scaled: NDArray[Any] = resample(impulse, rate, to) * impulse.dtype.type(as_rate(rate) / as_rate(to, "to"))
    return scaled


def resample_blocks(blocks: Iterable[NDArray[np.float32]], rate: Real, to: Real) -> Iterator[NDArray[np.float32]]:
    """What `resample` gives of one channel, piece by piece as its samples come, in constant memory.

    The filter ends, so that a piece with enough of its neighbours gives what the whole gives there.

    Args:
        blocks: float32 samples in order, of any lengths.
        rate: their frames a second.
        to: those wanted.

    Errors as in `resample`.

    >>> sound = np.hanning(50_000).astype(np.float32)
    >>> pieces = list(resample_blocks(np.array_split(sound, 7), 44100, 16000))
    >>> bool(np.allclose(np.concatenate(pieces), resample(sound, 44100, 16000), atol=1e-6))
    True
    """
    ratio = _ratio(rate, to)
    if ratio == 1:
        yield from blocks
        return
    into, of = ratio.numerator, ratio.denominator
    turns = _RADIUS * max(into, of) // (into * of) + 1  # of the ratio's period, that the filter reaches
    margin, step = turns * of, (_PIECE // of + 1) * of
    held, begun = np.zeros(0, np.float32), False
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= step + (1 + begun) * margin:
            end = begun * margin + step
            found = resample(held[: end + margin], of, into)
            yield found[begun * turns * into : end // of * into]
            held, begun = held[end - margin :], True
    if len(held) > begun * margin or not begun:
        yield resample(held, of, into)[begun * turns * into :] if len(held) else held


@lru_cache(maxsize=4)
def _low_pass(coarser: int) -> NDArray[np.float64]:
    firwin = loaded("scipy.signal").firwin

    taps: NDArray[np.float64] = firwin(2 * _RADIUS * coarser + 1, 1 / coarser, window=("kaiser", _KAISER))
    return taps


def _ratio(rate: Real, to: Real) -> Fraction:
    exact = as_rate(to, "to") / as_rate(rate)
    if not 1 / _MAX_TERM <= exact <= _MAX_TERM:
        raise ArgumentError(f"rate: need rates at most {_MAX_TERM:,} to one apart, got {rate:g} and {to:g}")
    return Fraction(exact).limit_denominator(_MAX_TERM)
