"""Which echoes a recording has: their delays and weights, from a dry copy or from the recording alone.

*From the recording alone.* With an echo, the spectrum is the sound's times H = 1 + Σ wₘ e^(−iω tₘ), so its logarithm is
a sum, and log|H|² has its inverse transform (the cepstrum) at the delays and their sums alone, sharp as single samples
where a sound's own cepstrum is spread out. The largest outlier is always a delay, never a sum of delays; it joins the
model, the model is fitted, and what is left is searched again. (Bogert, Healy & Tukey, "The quefrency alanysis of time
series for echoes", 1963.)

The weights are then refined where the cepstrum is only roughly right: of the sound without echoes, x − Σ wₘ s(t − tₘ),
each moment and pitch should hold as little as possible compared with what it holds already. That is a linear
least-squares problem for each next s (the weighted prediction error of Nakatani et al., "Speech dereverberation based
on variance-normalized delayed linear prediction", 2010, with single taps for its filters).

*From a dry copy* it is matching pursuit: the delay at which what is unexplained agrees best with the copy, then all
weights by least squares, until nothing agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.effects.sounds.sound import as_rate, check_sound
from convolens.errors import ArgumentError, ShapeError

Signal = NDArray[np.float64]

MOST_ECHOES = 8
_HEARD = 1 << 19  # samples of a recording, channels counted: more would hardly be more exact
_FAINTEST = 0.02  # weight of an echo that is looked for, and
_FORGOTTEN = 0.01  # that is dropped again after the refinement
_OUTLIER = 12.0  # times the spread of the cepstrum around it; noise and music stay below
_NEIGHBORHOOD = 2048  # samples of the cepstrum that its spread is taken from
_SILENCE = 1e-6  # of the mean power: bins below hold noise that has no echo
_FLOOR = 1e-4  # the same for moments, in the refinement
_ROUNDS = 20
_SETTLED = 1e-4  # change of a weight in a round


class Echoes(NamedTuple):
    """What was found: seconds, and loudness against the sound itself; the loudest first."""

    delays: tuple[float, ...]
    weights: tuple[float, ...]


def find_echoes(
    samples: Float[np.ndarray, "frames ..."],
    rate: Real,
    *,
    dry: Float[np.ndarray, "others ..."] | None = None,
    shortest: Real = 0.02,
    longest: Real = 2.0,
) -> Echoes:
    """The echoes of a recording, at most eight, all channels alike.

    Alone, the recording must hold some seconds of a sound that does not repeat itself exactly: a loop looks like an
    echo. The weights are then below 1; an echo louder than its sound cannot be told from one quieter by as much. Of a
    longer recording the first minute is heard.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats.
        rate: frames a second.
        dry: the same recording without echoes, beginning at the same moment.
        shortest: seconds; the shortest delay that is looked for without a dry copy. Below, echoes and the sound's own
            resonances cannot be told apart.
        longest: the longest delay that is looked for.

    Raises:
        ArgumentError: no echo stands out, or the recording is too short to say.
        ShapeError, DtypeError: not a sound.

    >>> noise = np.random.default_rng(0).standard_normal(40_000)
    >>> recording = np.concatenate([noise, np.zeros(800)]) + 0.5 * np.concatenate([np.zeros(800), noise])
    >>> delays, weights = find_echoes(recording, 8000)
    >>> delays, round(weights[0], 2)
    ((0.1,), 0.5)
    """
    check_sound(samples)
    rate, longest = as_rate(rate), as_real(longest, "longest", "a delay above 0", lambda s: s > 0)
    need = f"a delay above 0 and below the longest, {longest:g}"
    shortest = as_real(shortest, "shortest", need, lambda s: 0 < s < longest)
    heard = _channels(samples)
    lags = range(max(1, round(shortest * rate)), min(round(longest * rate), heard.shape[1] // 2 - 1) + 1)
    if len(lags) == 0:
        raise ArgumentError(
            f"samples: need more than {2 * shortest:g} seconds to find echoes in, got {len(samples) / rate:g}"
        )
    if dry is not None:
        check_sound(dry)
        at, weights = _compared(heard, _channels(dry), lags.stop)
    else:
        at, weights = _from_cepstrum(heard, lags)
        at, weights = _refined(heard, at, weights)
    order = np.argsort(-np.abs(weights), kind="stable")
    if len(order) == 0:
        raise ArgumentError(
            "samples: need echoes that stand out, found none; give a dry copy, or the delays and weights"
        )
    return Echoes(tuple(at[i] / rate for i in order), tuple(float(weights[i]) for i in order))


def _channels(samples: NDArray[Any]) -> Signal:
    """`(channels, frames)` of the beginning."""
    heard = samples.reshape(len(samples), -1)
    return np.ascontiguousarray(heard[: max(1, _HEARD // heard.shape[1])].T, np.float64)


def response(at: Sequence[int], weights: Sequence[float] | Signal, size: int) -> NDArray[np.complex128]:
    """H of an echo at the frequencies of a real transform of `size` samples."""
    impulse = np.zeros(size)
    impulse[0] = 1
    for delay, weight in zip(at, weights, strict=True):
        impulse[delay] += weight
    return np.fft.rfft(impulse)


def _from_cepstrum(heard: Signal, lags: range) -> tuple[list[int], Signal]:
    from scipy.fft import next_fast_len, rfft

    size = next_fast_len(heard.shape[1], real=True)
    power = (np.abs(rfft(heard, size, axis=1)) ** 2).mean(axis=0)
    power /= power.mean() or 1.0
    cepstrum = np.fft.irfft(np.log(power + _SILENCE), size)
    spread = _smooth(np.abs(cepstrum)) + 1e-12
    at: list[int] = []
    weights, left = np.zeros(0), cepstrum
    while len(at) < MOST_ECHOES:
        value = np.abs(left[lags.start : lags.stop])
        stands_out = value > np.maximum(_OUTLIER * spread[lags.start : lags.stop], _FAINTEST)
        stands_out[[delay - lags.start for delay in at]] = False
        if not stands_out.any():
            break
        at.append(lags.start + int(np.where(stands_out, value, 0).argmax()))
        weights = np.append(weights, left[at[-1]])
        weights, left = _fitted(cepstrum, spread, at, weights)
    return at, weights


def _smooth(values: Signal) -> Signal:
    """The mean over the neighbourhood of each value, round the end."""
    around = np.concatenate([values[-_NEIGHBORHOOD // 2 :], values, values[: _NEIGHBORHOOD // 2]])
    total = np.concatenate([[0.0], np.cumsum(around)])
    width = min(_NEIGHBORHOOD, len(values))
    means: Signal = (total[width : width + len(values)] - total[: len(values)]) / width
    return means


def _fitted(cepstrum: Signal, spread: Signal, at: list[int], weights: Signal) -> tuple[Signal, Signal]:
    """The weights whose log|H|² is nearest to the cepstrum at the delays (Newton's method), and what that leaves."""
    size = len(cepstrum)
    for _ in range(_ROUNDS):
        H = response(at, weights, size)
        left: Signal = cepstrum - np.fft.irfft(2 * np.log(np.abs(H) + 1e-9), size)
        turns = [np.exp(-2j * np.pi * np.arange(len(H)) * delay / size) for delay in at]
        slopes = np.stack([np.fft.irfft(2 * np.real(turn / H), size)[at] for turn in turns], axis=1)
        step = np.linalg.lstsq(slopes, left[at], rcond=None)[0]
        weights = np.clip(weights + step, -0.98, 0.98)
        if np.abs(step).max() < 1e-6:
            break
    return weights, left


def _refined(heard: Signal, at: list[int], weights: Signal) -> tuple[list[int], Signal]:
    """Iteratively reweighted least squares; echoes that vanish are dropped on the way."""
    window = int(2 ** np.clip(np.floor(np.log2(min(at, default=64))), 6, 10))  # shorter than any echo's delay
    recording = _moments(heard, window)
    for _ in range(_ROUNDS):
        if not at:
            break
        without = _undone(heard, at, weights)
        held = np.abs(_moments(without, window)) ** 2
        importance = 1 / (held + _FLOOR * held.mean() + np.finfo(np.float64).tiny)
        echoes = np.stack([_moments(_later(without, delay), window).ravel() for delay in at])
        weighed = echoes.conj() * importance.ravel()
        better = np.linalg.lstsq((weighed @ echoes.T).real, (weighed @ recording.ravel()).real, rcond=None)[0]
        better = np.clip(better, -0.98, 0.98)
        kept = np.abs(better) >= _FORGOTTEN
        settled = kept.all() and np.abs(better - weights).max() < _SETTLED
        at, weights = [delay for delay, keep in zip(at, kept, strict=True) if keep], better[kept]
        if settled:
            break
    return at, weights


def _undone(heard: Signal, at: list[int], weights: Signal) -> Signal:
    """Without these echoes; twice as long while it is done, so that what wraps around falls outside."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(2 * heard.shape[1], real=True)
    undone: Signal = irfft(rfft(heard, size, axis=1) / response(at, weights, size), size, axis=1)[:, : heard.shape[1]]
    return undone


def _moments(heard: Signal, window: int) -> NDArray[np.complex128]:
    """Spectra of short, half overlapping stretches."""
    from scipy.fft import rfft

    stretches = np.lib.stride_tricks.sliding_window_view(heard, min(window, heard.shape[1]), axis=1)[:, :: window // 2]
    spectra: NDArray[np.complex128] = rfft(stretches * np.hanning(stretches.shape[-1]), axis=-1)
    return spectra


def _later(heard: Signal, frames: int) -> Signal:
    later: Signal = np.zeros_like(heard)
    later[:, frames:] = heard[:, : heard.shape[1] - frames]
    return later


def _compared(heard: Signal, dry: Signal, longest: int) -> tuple[list[int], Signal]:
    """Delays and weights against the earliest copy, which is taken for the sound itself."""
    from scipy.fft import irfft, next_fast_len, rfft

    if len(dry) not in (1, len(heard)):
        raise ShapeError(f"dry: need 1 channel, or the recording's {len(heard)}, got {len(dry)}")
    frames = heard.shape[1]
    copy = np.zeros_like(heard)
    copy[:, : dry.shape[1]] = dry[:, :frames]
    size = next_fast_len(2 * frames, real=True)
    spectrum = rfft(copy, size, axis=1)
    power = np.abs(spectrum) ** 2
    whitened = spectrum.conj() / (power + _FLOOR * power.mean() + np.finfo(np.float64).tiny)
    at: list[int] = []
    weights, left = np.zeros(0), heard
    while len(at) <= MOST_ECHOES:
        alike = irfft((rfft(left, size, axis=1) * whitened).mean(axis=0), size)[:longest]
        alike[at] = 0
        best = int(np.abs(alike).argmax())
        if np.abs(alike[best]) <= _FAINTEST * np.abs(weights).max(initial=0):
            break
        at.append(best)
        copies = [_later(copy, delay).ravel() for delay in at]
        normal = np.array([[a @ b for a in copies] for b in copies])
        weights = np.linalg.lstsq(normal, np.array([a @ heard.ravel() for a in copies]), rcond=None)[0]
        left = heard - sum(weight * a for weight, a in zip(weights, copies, strict=True)).reshape(heard.shape)
    return _against_the_first(at, weights)


def _against_the_first(at: list[int], weights: Signal) -> tuple[list[int], Signal]:
    kept = [i for i in np.argsort(at, kind="stable") if abs(weights[i]) >= _FORGOTTEN * np.abs(weights).max()]
    if not kept or weights[kept[0]] == 0:
        return [], np.zeros(0)
    first, *echoes = kept
    return [at[i] - at[first] for i in echoes], weights[echoes] / weights[first]
