"""Spectrograms: how loud each pitch is at each time, as a picture that networks take.

A spectrogram is a bank of filters, each a windowed wave of one frequency, that the sound is correlated with at a stride
(the hop): the short-time Fourier transform. All filters of a bank see the same frames, and a Fourier transform of a
frame is all of their sums at once: n log n operations, where filter by filter takes n². A mel spectrogram adds up
neighbouring frequencies as ears do, in bands that grow wider with pitch (`mel_bands`).

    librosa.stft, feature.melspectrogram     the defaults here
    torch.stft, torchaudio's Spectrogram     n_fft=400, hop=200, boundary="reflect"
    torchaudio's MelSpectrogram              the same, mels=128, mel_scale="htk", mel_norm=None
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_flag, as_real, as_whole, is_tensor
from convolens.effects.sounds.mel_bands import mel_bands, mel_middles
from convolens.effects.sounds.sound import as_rate, check_sound
from convolens.effects.sounds.spectrogram_look import shown_spectrogram
from convolens.errors import ArgumentError, ShapeError, need_one_of
from convolens.first_use import loaded
from convolens.memory import need_memory
from convolens.settings import threads
from convolens.shapes import Boundary

WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08), "box": (1.0,)}
BLOCK = 1 << 20  # numbers of frames that are transformed at once: they stay in the caches


@dataclass(frozen=True)
class _Plan:
    """What is done to one channel."""

    n_fft: int
    hop: int
    side: int  # samples that it is extended by at both ends
    boundary: Boundary
    times: int
    taps: NDArray[np.float64]
    power: float | None
    bands: NDArray[np.float64] | None

    @property
    def rows(self) -> int:
        return self.n_fft // 2 + 1 if self.bands is None else len(self.bands)


def spectrogram(
    samples: Float[Any, "frames ..."],
    rate: Real,
    *,
    n_fft: int = 2048,
    hop: int | None = None,
    length: int | None = None,
    window: str = "hann",
    center: bool = True,
    boundary: Boundary = "constant",
    power: Real | None = 2.0,
    mels: int | None = None,
    low: Real = 0.0,
    high: Real | None = None,
    mel_scale: str = "slaney",
    mel_norm: str | None = "slaney",
) -> Num[Any, "pitches times ..."]:
    """How loud each pitch of a sound is at each time: its short-time Fourier transform, or bands of it as ears have.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats; a tensor gives a tensor, with gradients.
        rate: samples a second.
        n_fft: samples that each transform sees; half of them and one are the frequencies, `rate / n_fft` Hz apart.
        hop: samples from one transform to the next; None: a quarter of `length`.
        length: samples that the window covers, in the middle of the `n_fft`; None: all of them.
        window: `hann`, `hamming`, `blackman` (periodic, as spectra want them) or `box`.
        center: whether column t is centered at sample `t · hop`, for which the sound is extended at both ends;
            otherwise it begins there.
        boundary: how it is extended: `constant` (silence), `reflect`, `edge`, …, as numpy.pad names them.
        power: of the magnitude: 2 is energy, 1 amplitude; None gives the complex transform itself.
        mels: bands of the mel scale in place of frequencies; None: frequencies.
        low: where the lowest band begins, Hz.
        high: where the highest ends, Hz; None: half the rate.
        mel_scale: `slaney` or `htk`.
        mel_norm: `slaney` has every band sum to the same over the frequencies, None has all reach 1.

    Returns:
        `(n_fft // 2 + 1, times)` or `(mels, times)`, lowest pitch first, and channels last where the sound has them; of
        the samples' dtype, complex without a power. An array is a `Spectrogram`: a notebook shows it, in decibels below
        the loudest, `.plot()` and `.save("sound.png")` draw it. Commands on sounds draw theirs with `--plot`.

    Raises:
        ShapeError: no samples, or fewer than one transform sees.
        DtypeError: not floats.
        ArgumentError: a size that is no whole number, a window longer than `n_fft`, no such window, boundary or scale,
            bands of a complex transform, or frequencies past half the rate.
        MemoryRefused: a result larger than the budget.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> pitches = spectrogram(tone, 8000, n_fft=256)
    >>> pitches.shape, float(pitches.mean(axis=1).argmax() * 8000 / 256)
    ((129, 126), 1000.0)
    """
    check_sound(samples)
    samples = samples if is_tensor(samples) else np.asarray(samples)
    rate, n_fft = as_rate(rate), as_whole(n_fft, "n_fft", 2)
    length = n_fft if length is None else as_whole(length, "length", 1)
    if length > n_fft:
        raise ArgumentError(f"length: need at most n_fft, {n_fft}, got {length}")
    hop = max(length // 4, 1) if hop is None else as_whole(hop, "hop", 1)
    need_one_of("window", window, tuple(WINDOWS))
    need_one_of("boundary", boundary, ("constant", "edge", "reflect", "symmetric", "wrap"))
    exponent = None if power is None else as_real(power, "power", "a positive number", lambda value: value > 0)
    bands = None
    if mels is not None:
        if exponent is None:
            raise ArgumentError("power: need a number for bands of pitches, got None, which gives complex numbers")
        bands = mel_bands(rate, n_fft, as_whole(mels, "mels", 1), low, high, mel_scale, mel_norm)
    side = n_fft // 2 if as_flag(center, "center") else 0
    times = (len(samples) + 2 * side - n_fft) // hop + 1
    if times < 1:
        raise ShapeError(f"samples: need at least {n_fft - 2 * side} for transforms of {n_fft}, got {len(samples)}")
    plan = _Plan(n_fft, hop, side, boundary, times, window_taps(window, length, n_fft), exponent, bands)
    channels = [samples] if samples.ndim == 1 else [samples[:, at] for at in range(samples.shape[1])]
    size = 8.0 * plan.rows * times * len(channels) * (1 if exponent else 2)
    need_memory(size + 16.0 * len(samples), "spectrogram", "a longer hop takes less")
    found = [(_of_tensor if is_tensor(one) else _of_array)(one, plan) for one in channels]
    if is_tensor(samples):
        return found[0] if samples.ndim == 1 else sys.modules["torch"].stack(found, dim=2)
    if mels is None:
        pitches = np.arange(plan.rows) * rate / n_fft
    else:
        pitches = mel_middles(plan.rows, float(low), float(rate / 2 if high is None else high), mel_scale)
    first = 0.0 if center else n_fft / 2 / rate
    middles = (first, first + (times - 1) * hop / rate)
    return shown_spectrogram(found[0] if samples.ndim == 1 else np.stack(found, axis=2), pitches, middles, exponent)


@lru_cache(maxsize=64)
def window_taps(name: str, length: int, n_fft: int) -> NDArray[np.float64]:
    """One period of a window, in the middle of `n_fft` samples of which the others are 0.

    >>> window_taps("hann", 4, 4)
    array([0. , 0.5, 1. , 0.5])
    """
    turn = 2 * np.pi * np.arange(length) / length
    taps = sum((-1) ** at * share * np.cos(at * turn) for at, share in enumerate(WINDOWS[name]))
    taps = taps if length > 1 else np.ones(1)
    before = (n_fft - length) // 2
    return np.pad(np.asarray(taps, np.float64), (before, n_fft - length - before))


def _of_array(samples: NDArray[Any], plan: _Plan) -> NDArray[Any]:
    """Some columns at a time: the frames of an hour together would be gigabytes."""
    rfft = loaded("scipy.fft").rfft

    dtype = np.dtype(np.float64 if samples.dtype.itemsize > 4 else np.float32)
    sound = np.pad(samples.astype(dtype, copy=False), plan.side, plan.boundary)
    frames = np.lib.stride_tricks.sliding_window_view(sound, plan.n_fft)[:: plan.hop]
    taps, bands = plan.taps.astype(dtype), None if plan.bands is None else plan.bands.astype(dtype)
    kept = np.result_type(dtype, np.complex64) if plan.power is None else samples.dtype
    result: NDArray[Any] = np.empty((plan.rows, plan.times), kept)
    step = max(BLOCK // plan.n_fft, 1)
    for first in range(0, plan.times, step):
        spectrum = rfft(frames[first : first + step] * taps, axis=1, workers=threads(), overwrite_x=True)
        values = spectrum if plan.power is None else _power(spectrum, plan.power)
        result[:, first : first + step] = values.T if bands is None else bands @ values.T
    return result


def _power(spectrum: NDArray[Any], power: float) -> NDArray[Any]:
    energy: NDArray[Any] = spectrum.real**2
    energy += spectrum.imag**2
    if power == 2:
        return energy
    return np.sqrt(energy, out=energy) if power == 1 else energy ** (power / 2)


def _of_tensor(samples: Any, plan: _Plan) -> Any:
    """By torch's operators, through which gradients flow."""
    torch = sys.modules["torch"]
    dtype = torch.float64 if samples.dtype == torch.float64 else torch.float32
    sound, like = _extended(samples.to(dtype), plan), {"dtype": dtype, "device": samples.device}
    frames = sound.unfold(0, plan.n_fft, plan.hop)
    spectrum = torch.fft.rfft(frames * torch.as_tensor(plan.taps, **like), dim=1)
    if plan.power is None:
        return spectrum.T
    energy = spectrum.real.square() + spectrum.imag.square()
    values = (energy if plan.power == 2 else _root(energy, plan.power)).T
    if plan.bands is not None:
        values = torch.as_tensor(plan.bands, **like) @ values
    return values.to(samples.dtype)


def _root(energy: Any, power: float) -> Any:
    """Energies to a power, whose gradient is 0 where there is silence, rather than NaN."""
    torch = sys.modules["torch"]
    sounding = energy > 0
    return torch.where(sounding, torch.where(sounding, energy, 1) ** (power / 2), 0)


def _extended(sound: Any, plan: _Plan) -> Any:
    torch = sys.modules["torch"]
    if plan.boundary == "constant" or not plan.side:
        return torch.nn.functional.pad(sound, (plan.side, plan.side))
    places = np.pad(np.arange(len(sound)), plan.side, plan.boundary)
    return sound[torch.as_tensor(places, device=sound.device)]
