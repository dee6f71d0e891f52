"""Kernels by name for sounds: filters of linear phase, which delay no pitch against another.

Each is a windowed sinc or a sum of such: symmetric, of odd length, and centred, so that `same` convolves without delay.
What it lets through it changes by at most 0.001 dB, what it keeps out is 80 dB down, and between the two lies `width`.
Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", ISCAS 1974. A-weighting: IEC 61672-1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import as_real
from convolens.errors import ArgumentError
from convolens.first_use import loaded

_DOWN = 80.0  # dB
_WIDTH = 0.25  # of the lowest frequency, unless it is told
_MAX_TAPS = 1 << 20
_MAX_GAIN = 120.0  # dB
_A_RESOLUTION = 10.0  # Hz
_A_POLES = (20.598997, 107.65265, 737.86223, 12194.217)  # Hz
_A_REFERENCE = 1000.0  # Hz, where the curve is 0 dB

Line = NDArray[np.float64]


class _Design(NamedTuple):
    """What a filter is made of, all in Hz but the gain in dB."""

    frequencies: tuple[float, ...]
    rate: float
    width: float
    gain: float


def _cut(design: _Design, *, low: bool) -> Line:
    """A sinc that lets through what is below the first frequency, or with two what is between; or all else."""
    signal = loaded("scipy.signal")

    taps = int(np.ceil((_DOWN - 7.95) / (2.285 * 2 * np.pi * design.width / design.rate))) | 1
    if taps > _MAX_TAPS:
        raise ArgumentError(f"width: need at least {design.width * taps / _MAX_TAPS:.3g} Hz, got {design.width:g}")
    window = ("kaiser", signal.kaiser_beta(_DOWN))
    weights: Line = signal.firwin(taps, list(design.frequencies), window=window, pass_zero=low, fs=design.rate)
    return weights


def _shelf(design: _Design, *, low: bool) -> Line:
    """The sound itself, and more or less of what one side of the frequency holds."""
    weights = (10 ** (design.gain / 20) - 1) * _cut(design, low=low)
    weights[len(weights) // 2] += 1
    return weights


def _a_weighting(design: _Design) -> Line:
    """How loud pitches sound to an ear: the curve's gains, at each multiple of the resolution."""
    firwin2 = loaded("scipy.signal").firwin2

    taps = int(np.ceil(4 * design.rate / _A_RESOLUTION)) | 1
    at = np.linspace(0, design.rate / 2, taps // 2 + 1)
    weights: Line = firwin2(taps, at, a_curve(at), fs=design.rate, window="hann")
    return weights


def a_curve(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """The A-weighting's gain, 1 at 1 kHz.

    >>> (20 * np.log10(a_curve(np.array([100.0, 1000.0, 10000.0])))).round(1)
    array([-19.1,   0. ,  -2.5])
    """

    def response(f: Any) -> Any:
        first, second, third, fourth = (pole**2 for pole in _A_POLES)
        square = f**2
        return (
            square**2 * fourth / ((square + first) * np.sqrt((square + second) * (square + third)) * (square + fourth))
        )

    gains: NDArray[np.float64] = response(frequency) / response(_A_REFERENCE)
    return gains


class _Filter(NamedTuple):
    """A kind of filter: how many frequencies it has, whether it has a gain, and how its weights are found."""

    frequencies: int
    has_gain: bool
    weights: Callable[[_Design], Line]


FILTERS = {
    "lowpass": _Filter(1, False, lambda design: _cut(design, low=True)),
    "highpass": _Filter(1, False, lambda design: _cut(design, low=False)),
    "bandpass": _Filter(2, False, lambda design: _cut(design, low=False)),
    "notch": _Filter(2, False, lambda design: _cut(design, low=True)),
    "lowshelf": _Filter(1, True, lambda design: _shelf(design, low=True)),
    "highshelf": _Filter(1, True, lambda design: _shelf(design, low=False)),
    "a-weighting": _Filter(0, False, _a_weighting),
}


def filter_weights(name: str, frequency: Any, rate: Any, width: Any = None, gain: Any = None) -> Line:
    """The weights of a filter by its name.

    Raises:
        ArgumentError: no rate; not as many frequencies as it has, rising, between 0 and half the rate; a width that is
            none or too narrow; a gain where there is none, or none where there is.
    """
    known = FILTERS[name]
    if rate is None:
        raise ArgumentError(f"rate: need the sound's frames a second for a {name}, got none")
    rate = as_real(rate, "rate", "a positive number of frames a second, below 2^31", lambda r: 0 < r < 1 << 31)
    given = () if frequency is None else tuple(frequency) if isinstance(frequency, tuple | list) else (frequency,)
    if len(given) != known.frequencies:
        need = ("none", "one in Hz", "two in Hz, the lower first,")[known.frequencies]
        raise ArgumentError(f"frequency: need {need} for a {name}, got {len(given) or 'none'}")
    need = f"frequencies above 0 and below half the rate, {rate / 2:g} Hz"
    frequencies = tuple(as_real(one, f"kernel {name}", need, lambda f: 0 < f < rate / 2) for one in given)
    if frequencies != tuple(sorted(set(frequencies))):
        raise ArgumentError(f"kernel {name}: need the lower frequency first, got {given}")
    if known.has_gain != (gain is not None):
        raise ArgumentError(f"gain: need {'one in dB' if known.has_gain else 'none'} for a {name}, got {gain}")
    least = _WIDTH * min((*frequencies, *np.diff(frequencies)), default=1.0) if width is None else width
    most = 2 * min((*frequencies, *(rate / 2 - one for one in frequencies)), default=rate)
    need = f"a positive width in Hz, at most {most:g}"
    across = min(as_real(least, "width", need, lambda w: w > 0), most)
    if width is not None and across < width:
        raise ArgumentError(f"width: need {need}, got {width}")
    level = 0.0 if gain is None else as_real(gain, "gain", f"dB within ±{_MAX_GAIN:g}", lambda g: abs(g) <= _MAX_GAIN)
    return known.weights(_Design(frequencies, rate, float(across), level))
