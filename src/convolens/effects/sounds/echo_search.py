"""Which echoes a recording has: their delays and weights, by a reference without echoes or from the recording alone.

*From the recording alone.* With an echo, the spectrum is the sound's times H = 1 + Σ wₘ e^(−iω tₘ), so its logarithm is
a sum, and log|H|² has its inverse transform (the cepstrum) at the delays and their sums alone, sharp as single samples
where a sound's own cepstrum is spread out. The largest outlier is always a delay, never a sum of delays; it joins the
model, the model is fitted, and the residual is searched again. (Bogert, Healy & Tukey, "The quefrency alanysis of time
series for echoes", 1963.)

The weights are then refined where the cepstrum is only roughly right: of the sound without echoes, x − Σ wₘ s(t − tₘ),
each moment and pitch should hold as little as possible compared with what it holds already. That is a linear
least-squares problem for each next s (the weighted prediction error of Nakatani et al., "Speech dereverberation based
on variance-normalized delayed linear prediction", 2010, with single taps for its filters).

*By a reference* it is matching pursuit: the delay at which the residual agrees best with the reference, then all
weights by least squares, until nothing agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.effects.sounds.sound import as_rate, check_array
from convolens.errors import NothingFoundError, ShapeError
from convolens.first_use import loaded

Signal = NDArray[np.float64]

MAX_ECHOES = 8
_MAX_SAMPLES = 1 << 19  # samples of a recording, channels counted: more would hardly be more exact
_MIN_WEIGHT = 0.02  # of an echo that is looked for, and
_MIN_REFINED_WEIGHT = 0.01  # of one that is not dropped again in the refinement
_OUTLIER_RATIO = 12.0  # times the mean magnitude of the cepstrum around it; noise and music stay below
_NEIGHBORHOOD = 2048  # samples of the cepstrum that this mean is taken over
_POWER_FLOOR = 1e-6  # of the mean power: bins below hold noise that has no echo
_SPECTRUM_FLOOR = 1e-4  # the same for each moment and pitch, in the refinement
_MAX_ITERATIONS = 20
_CONVERGED = 1e-4  # change of a weight in an iteration


class Echoes(NamedTuple):
    """What was found: seconds, and loudness against the sound itself; the loudest first."""

    delays: tuple[float, ...]
    weights: tuple[float, ...]


def find_echoes(
    samples: Float[np.ndarray, "frames ..."],
    rate: Real,
    *,
    reference: Float[np.ndarray, "others ..."] | None = None,
    shortest: Real = 0.02,
    longest: Real = 2.0,
) -> Echoes:
    """The echoes of a recording, at most eight, all channels alike.

    Alone, the recording must hold some seconds of a sound that does not repeat itself exactly: a loop looks like an
    echo. The weights are then below 1; an echo louder than its sound cannot be told from one quieter by as much. Of a
    longer recording the first minute is used.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats.
        rate: frames a second.
        reference: the same recording without echoes, beginning at the same moment.
        shortest: seconds; the shortest delay that is looked for without a reference. Below, echoes and the sound's own
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
    check_array(samples)
    rate, longest = as_rate(rate), as_real(longest, "longest", "a delay above 0", lambda s: s > 0)
    need = f"a delay above 0 and below the longest, {longest:g}"
    shortest = as_real(shortest, "shortest", need, lambda s: 0 < s < longest)
    recording = _channels(samples)
    last = min(longest * rate, recording.shape[1] // 2 - 1)  # not rounded before: it may be more than a number holds
    lags = range(max(1, round(min(shortest * rate, last + 1))), round(last) + 1)
    if len(lags) == 0:
        raise NothingFoundError(
            f"samples: need more than {2 * shortest:g} seconds to find echoes in, got {len(samples) / rate:g}"
        )
    if reference is not None:
        check_array(reference)
        at, weights = _from_reference(recording, _channels(reference), lags.stop)
    else:
        at, weights = _from_cepstrum(recording, lags)
        at, weights = _refined(recording, at, weights)
    order = np.argsort(-np.abs(weights), kind="stable")
    if len(order) == 0:
        raise NothingFoundError(
            "samples: need echoes that stand out, found none; give a reference, or the delays and weights"
        )
    return Echoes(tuple(at[i] / rate for i in order), tuple(float(weights[i]) for i in order))


def _channels(samples: NDArray[Any]) -> Signal:
    """The beginning as `(channels, frames)`."""
    recording = samples.reshape(len(samples), -1)
    return np.ascontiguousarray(recording[: max(1, _MAX_SAMPLES // recording.shape[1])].T, np.float64)


def response(at: Sequence[int], weights: Sequence[float] | Signal, size: int) -> NDArray[np.complex128]:
    """H of an echo at the frequencies of a real transform of `size` samples."""
    impulse = np.zeros(size)
    impulse[0] = 1
    for delay, weight in zip(at, weights, strict=True):
        impulse[delay] += weight
    return np.fft.rfft(impulse)


def _from_cepstrum(recording: Signal, lags: range) -> tuple[list[int], Signal]:
    fft = loaded("scipy.fft")

    size = fft.next_fast_len(recording.shape[1], real=True)
    power = (np.abs(fft.rfft(recording, size, axis=1)) ** 2).mean(axis=0)
    power /= power.mean() or 1.0
    cepstrum = np.fft.irfft(np.log(power + _POWER_FLOOR), size)
    local_mean = _local_mean(np.abs(cepstrum)) + 1e-12
    at: list[int] = []
    weights, residual = np.zeros(0), cepstrum
    while len(at) < MAX_ECHOES:
        value = np.abs(residual[lags.start : lags.stop])
        stands_out = value > np.maximum(_OUTLIER_RATIO * local_mean[lags.start : lags.stop], _MIN_WEIGHT)
        stands_out[[delay - lags.start for delay in at]] = False
        if not stands_out.any():
            break
        at.append(lags.start + int(np.where(stands_out, value, 0).argmax()))
        weights = np.append(weights, residual[at[-1]])
        weights, residual = _fitted(cepstrum, at, weights)
    return at, weights


def _local_mean(values: Signal) -> Signal:
    """The mean over the neighbourhood of each value, round the end."""
    wrapped = np.concatenate([values[-_NEIGHBORHOOD // 2 :], values, values[: _NEIGHBORHOOD // 2]])
    total = np.concatenate([[0.0], np.cumsum(wrapped)])
    width = min(_NEIGHBORHOOD, len(values))
    means: Signal = (total[width : width + len(values)] - total[: len(values)]) / width
    return means


def _fitted(cepstrum: Signal, at: list[int], weights: Signal) -> tuple[Signal, Signal]:
    """The weights whose log|H|² is nearest to the cepstrum at the delays (Newton's method), and what that leaves."""
    size = len(cepstrum)
    for _ in range(_MAX_ITERATIONS):
        H = response(at, weights, size)
        residual: Signal = cepstrum - np.fft.irfft(2 * np.log(np.abs(H) + 1e-9), size)
        phases = [np.exp(-2j * np.pi * np.arange(len(H)) * delay / size) for delay in at]
        jacobian = np.stack([np.fft.irfft(2 * np.real(phase / H), size)[at] for phase in phases], axis=1)
        step = np.linalg.lstsq(jacobian, residual[at], rcond=None)[0]
        weights = np.clip(weights + step, -0.98, 0.98)
        if np.abs(step).max() < 1e-6:
            break
    return weights, residual


def _refined(recording: Signal, at: list[int], weights: Signal) -> tuple[list[int], Signal]:
    """Iteratively reweighted least squares; echoes that vanish are dropped on the way."""
    window = int(2 ** np.clip(np.floor(np.log2(min(at, default=64))), 6, 10))  # shorter than any echo's delay
    observed = _short_spectra(recording, window)
    for _ in range(_MAX_ITERATIONS):
        if not at:
            break
        without = _inverse_filtered(recording, at, weights)
        power = np.abs(_short_spectra(without, window)) ** 2
        importance = 1 / (power + _SPECTRUM_FLOOR * power.mean() + np.finfo(np.float64).tiny)
        echoes = np.stack([_short_spectra(_delayed(without, delay), window).ravel() for delay in at])
        weighted = echoes.conj() * importance.ravel()
        updated = np.linalg.lstsq((weighted @ echoes.T).real, (weighted @ observed.ravel()).real, rcond=None)[0]
        updated = np.clip(updated, -0.98, 0.98)
        kept = np.abs(updated) >= _MIN_REFINED_WEIGHT
        converged = kept.all() and np.abs(updated - weights).max() < _CONVERGED
        at, weights = [delay for delay, keep in zip(at, kept, strict=True) if keep], updated[kept]
        if converged:
            break
    return at, weights


def _inverse_filtered(recording: Signal, at: list[int], weights: Signal) -> Signal:
    """The recording without these echoes; padded to twice its length, so that what wraps around falls outside."""
    fft = loaded("scipy.fft")

    size = fft.next_fast_len(2 * recording.shape[1], real=True)
    filtered: Signal = fft.irfft(fft.rfft(recording, size, axis=1) / response(at, weights, size), size, axis=1)[
        :, : recording.shape[1]
    ]
    return filtered


def _short_spectra(recording: Signal, window: int) -> NDArray[np.complex128]:
    """The spectra of short, half overlapping segments."""
    rfft = loaded("scipy.fft").rfft

    segments = np.lib.stride_tricks.sliding_window_view(recording, min(window, recording.shape[1]), axis=1)[
        :, :: window // 2
    ]
    spectra: NDArray[np.complex128] = rfft(segments * np.hanning(segments.shape[-1]), axis=-1)
    return spectra


def _delayed(recording: Signal, frames: int) -> Signal:
    delayed: Signal = np.zeros_like(recording)
    delayed[:, frames:] = recording[:, : recording.shape[1] - frames]
    return delayed


def _from_reference(recording: Signal, reference: Signal, longest: int) -> tuple[list[int], Signal]:
    """The delays and weights relative to the earliest copy, which is assumed to be the sound itself."""
    fft = loaded("scipy.fft")

    if len(reference) not in (1, len(recording)):
        raise ShapeError(f"reference: need 1 channel, or the recording's {len(recording)}, got {len(reference)}")
    frames = recording.shape[1]
    aligned = np.zeros_like(recording)
    aligned[:, : reference.shape[1]] = reference[:, :frames]
    size = fft.next_fast_len(2 * frames, real=True)
    spectrum = fft.rfft(aligned, size, axis=1)
    power = np.abs(spectrum) ** 2
    whitened = spectrum.conj() / (power + _SPECTRUM_FLOOR * power.mean() + np.finfo(np.float64).tiny)
    at: list[int] = []
    weights, residual = np.zeros(0), recording
    while len(at) <= MAX_ECHOES:
        agreement = fft.irfft((fft.rfft(residual, size, axis=1) * whitened).mean(axis=0), size)[:longest]
        agreement[at] = 0
        best = int(np.abs(agreement).argmax())
        if np.abs(agreement[best]) <= _MIN_WEIGHT * np.abs(weights).max(initial=0):
            break
        at.append(best)
        copies = [_delayed(aligned, delay).ravel() for delay in at]
        normal = np.array([[a @ b for a in copies] for b in copies])
        weights = np.linalg.lstsq(normal, np.array([a @ recording.ravel() for a in copies]), rcond=None)[0]
        residual = recording - sum(weight * a for weight, a in zip(weights, copies, strict=True)).reshape(
            recording.shape
        )
    return _relative_to_first(at, weights)


def _relative_to_first(at: list[int], weights: Signal) -> tuple[list[int], Signal]:
    kept = [i for i in np.argsort(at, kind="stable") if abs(weights[i]) >= _MIN_REFINED_WEIGHT * np.abs(weights).max()]
    if not kept or weights[kept[0]] == 0:
        return [], np.zeros(0)
    first, *echoes = kept
    return [at[i] - at[first] for i in echoes], weights[echoes] / weights[first]
