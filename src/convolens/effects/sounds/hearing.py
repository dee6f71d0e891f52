"""How a network hears: a sound as a picture of time and pitch, whatever its rate, its channels and its length.

The picture is a mel spectrogram in decibels below a full-scale wave, in 8 bits: 0 is `FLOOR` dB and silence, 255 is as
loud as it gets, a level 0.4 dB. The highest pitch is the top row, and column t is centered at `t · hop` samples. What
is done in training, predicting and measuring is this one function, so that all see the same pixels of the same sound.

O(samples · log n) time; of a sound that comes in blocks no more than a block is held.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from convolens.arrays import Real, as_whole
from convolens.effects.sounds.mel_bands import from_mel, to_mel
from convolens.effects.sounds.resampling import resample_blocks
from convolens.effects.sounds.spectrogram import spectrogram, window_taps
from convolens.errors import ArgumentError

FLOOR = -100.0  # dB below a full-scale wave: less is silence
MAX_RATE, MAX_COLUMNS, MAX_BANDS = 384_000, 8192, 1024  # a model file may ask for no more
_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.01  # as speech recognizers have had them for decades
_LOW = 50.0  # Hz


@dataclass(frozen=True)
class Hearing:
    """From samples to the picture that a network takes. It belongs to the weights and is kept in every model file.

    Attributes:
        rate: samples a second that sounds are brought to.
        length: samples that each window covers.
        hop: samples from one column to the next.
        bands: rows of the picture, evenly spaced on the mel scale (Slaney's).
        columns: of the picture that the network takes at once.
    """

    rate: int = 16_000
    length: int = 400
    hop: int = 160
    bands: int = 64
    columns: int = 96

    def __post_init__(self) -> None:
        for name, least, most in (
            ("rate", 1000, MAX_RATE),
            ("length", 2, MAX_RATE),
            ("hop", 1, self.length),
            ("bands", 8, MAX_BANDS),
            ("columns", 8, MAX_COLUMNS),
        ):
            value = as_whole(getattr(self, name), name, least)
            if value > most:
                raise ArgumentError(f"{name}: need a whole number from {least} to {most}, got {value}")

    @classmethod
    def of(cls, rate: int, seconds: Real, bands: int = 64) -> Hearing:
        """Windows of 25 ms, 10 ms apart, at any rate; the network's picture is a multiple of 16 columns.

        >>> Hearing.of(8000, 0.9)
        Hearing(rate=8000, length=200, hop=80, bands=64, columns=96)
        """
        hop = round(rate * _HOP_SECONDS)
        columns = max(16, math.ceil(seconds * rate / hop / 16) * 16)
        return cls(rate, round(rate * _WINDOW_SECONDS), hop, bands, columns)

    @property
    def seconds(self) -> float:
        """How much of a sound the network takes at once."""
        return self.columns * self.hop / self.rate

    @property
    def n_fft(self) -> int:
        """Samples that a transform sees: enough for each of the lowest bands to have a frequency."""
        step = (from_mel(to_mel(self.high, "slaney") / self.bands, "slaney")) or 1.0
        return 1 << max(self.length - 1, int(self.rate / step)).bit_length()

    @property
    def high(self) -> float:
        """The upper end of the highest band, Hz."""
        return 0.475 * self.rate

    def time_of(self, column: Real) -> float:
        """Seconds from the sound's beginning to the middle of a column."""
        return float(column * self.hop / self.rate)

    def pitch_of(self, row: Real) -> float:
        """The frequency in Hz in the middle of a row; 0 is the top one.

        >>> round(Hearing().pitch_of(63)), round(Hearing().pitch_of(0))
        (95, 7256)
        """
        low, high = to_mel(_LOW, "slaney"), to_mel(self.high, "slaney")
        return from_mel(low + (self.bands - float(row)) * (high - low) / (self.bands + 1), "slaney")

    def row_of(self, pitch: Real) -> float:
        """Where a frequency in Hz is among the rows: the inverse of `pitch_of`."""
        low, high = to_mel(_LOW, "slaney"), to_mel(self.high, "slaney")
        return self.bands - (to_mel(float(pitch), "slaney") - low) / (high - low) * (self.bands + 1)

    def box_of(self, start: Real, end: Real, low: Real, high: Real) -> tuple[float, float, float, float]:
        """The box `(x1, y1, x2, y2)` in the picture's pixels of a time in seconds and of pitches in Hz.

        It is the one that they have in the picture of the whole sound, and may leave the picture, as pitches may that
        the network does not hear.

        >>> [round(value, 1) for value in Hearing().box_of(0.5, 1.0, 992, 2000)]
        [50.5, 28.3, 100.5, 43.5]
        """
        each = self.rate / self.hop  # a column's middle is its time, a row's middle its pitch
        return float(start * each) + 0.5, self.row_of(high) + 0.5, float(end * each) + 0.5, self.row_of(low) + 0.5

    def span_of(self, box_xyxy: Sequence[Real]) -> tuple[float, float, float, float]:
        """Start and end in seconds, lowest and highest pitch in Hz of a box in pixels: the inverse of `box_of`."""
        x1, y1, x2, y2 = map(float, box_xyxy)
        return self.time_of(x1 - 0.5), self.time_of(x2 - 0.5), self.pitch_of(y2 - 0.5), self.pitch_of(y1 - 0.5)

    def pictures(self, blocks: Iterable[NDArray[np.float32]], rate: Real) -> Iterator[NDArray[np.uint8]]:
        """The picture of one channel, some columns at a time; put side by side they are the whole.

        Args:
            blocks: the samples in order, float32, of any lengths.
            rate: of them.
        """
        side, held = self.n_fft // 2, np.zeros(self.n_fft // 2, np.float32)
        for block in resample_blocks(blocks, rate, self.rate):
            held = np.concatenate([held, block])
            count = (len(held) - self.n_fft) // self.hop + 1
            if count > 0:
                yield self._levels(held[: (count - 1) * self.hop + self.n_fft])
                held = held[count * self.hop :]
        held = np.concatenate([held, np.zeros(side, np.float32)])
        if len(held) >= self.n_fft:
            yield self._levels(held)

    def picture(self, samples: Float[np.ndarray, "frames ..."], rate: Real) -> UInt8[np.ndarray, "bands times"]:
        """The picture of a sound that is held whole; several channels are heard as their mean.

        >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
        >>> levels = Hearing().picture(tone, 16000)
        >>> levels.shape, round(Hearing().pitch_of(int(levels.mean(axis=1).argmax())))
        ((64, 101), 992)
        """
        return np.concatenate(list(self.pictures([mono(samples)], rate)), axis=1)

    def _levels(self, samples: NDArray[np.float32]) -> NDArray[np.uint8]:
        if not np.isfinite(samples).all():
            raise ArgumentError("samples: need finite numbers, got NaN or infinity")
        power = spectrogram(
            samples, self.rate, n_fft=self.n_fft, hop=self.hop, length=self.length, center=False,
            mels=self.bands, low=_LOW, high=self.high, mel_norm=None,
        )  # fmt: skip
        full_scale = (window_taps("hann", self.length, self.n_fft).sum() / 2) ** 2
        decibels = 10 * np.log10(np.maximum(power / full_scale, 10 ** (FLOOR / 10)))
        levels: NDArray[np.uint8] = (decibels * (255 / -FLOOR) + 255).round().clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels[::-1])

    def framed(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The picture at the network's width: a shorter one amid its background, of a longer one its loudest part."""
        first = self.first_of_frame(picture)
        if first > 0 or picture.shape[1] >= self.columns:
            return picture[:, first : first + self.columns]
        framed = np.repeat(background(picture)[:, None], self.columns, axis=1)
        framed[:, -first : -first + picture.shape[1]] = picture
        return framed

    def first_of_frame(self, picture: NDArray[Any]) -> int:
        """The column of the picture that its frame begins with; below 0 where the frame begins before it."""
        missing = self.columns - int(picture.shape[1])
        if missing >= 0:
            return -(missing // 2)
        loud = picture.reshape(*picture.shape[:2], -1).mean(axis=(0, 2), dtype=np.float64)
        sums = np.concatenate([[0.0], loud.cumsum()])
        return int((sums[self.columns :] - sums[: -self.columns]).argmax())

    def to_dict(self) -> dict[str, int]:
        """Plain values, for a model file's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> Hearing:
        """The inverse of `to_dict`.

        Raises:
            ArgumentError: a field that there is not, or a value out of its range.
        """
        known = set(cls.__dataclass_fields__)
        if not isinstance(values, Mapping) or set(values) != known:
            raise ArgumentError(f"sound: need the fields {', '.join(sorted(known))}, got {values!r:.80}")
        return cls(**values)


def background(picture: NDArray[Any]) -> NDArray[Any]:
    """What is heard behind a sound, a level for each band: the one that is passed nine tenths of the time.

    >>> background(np.uint8([[9, 200, 210, 9, 220]]))
    array([9], dtype=uint8)
    """
    levels: NDArray[Any] = np.quantile(picture, 0.1, axis=1, method="lower")
    return levels


def mono(samples: Float[np.ndarray, "frames ..."]) -> Float[np.ndarray, " frames"]:
    """One channel: the mean of those that there are, float32."""
    one: NDArray[np.float32] = (samples if samples.ndim == 1 else samples.mean(axis=1)).astype(np.float32, copy=False)
    return one


def hears(model: Any) -> bool:
    """Whether a model takes sounds."""
    preprocessing = getattr(model, "preprocessing", None)
    return getattr(preprocessing, "sound", None) is not None
