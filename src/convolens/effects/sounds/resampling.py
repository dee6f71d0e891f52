"""A new rate for a sound or an impulse response: a windowed-sinc filter at a rational ratio.

Time frames × 64 multiplications, whatever the rates (polyphase, by SciPy); memory for the filter grows with the larger
of the ratio's two numbers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.effects.sounds.sound import as_rate
from convolens.errors import ArgumentError

_MAX_TERM = 1 << 16  # of the ratio's numbers; the pitch is then right to a hundredth of a cent
_RADIUS = 32  # samples of the slower rate on each side
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
    exact = as_rate(to, "to") / as_rate(rate)
    if not 1 / _MAX_TERM <= exact <= _MAX_TERM:
        raise ArgumentError(f"rate: need rates at most {_MAX_TERM:,} to one apart, got {rate:g} and {to:g}")
    ratio = Fraction(exact).limit_denominator(_MAX_TERM)
    if ratio == 1:
        return samples
    from scipy.signal import firwin, resample_poly

    coarser = max(ratio.numerator, ratio.denominator)
    low_pass = firwin(2 * _RADIUS * coarser + 1, 1 / coarser, window=("kaiser", _KAISER)).astype(samples.dtype)
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
