"""Views of a sound: each time at another moment, louder or softer, faster, higher, in other noise, with parts left out.

All of it is done to the picture of time and pitch, whose levels are decibels: noise is added as energies add up, which
is what adding the sounds would give but for their phases. A view costs 0.3 ms.

Parts left out: Park et al., "SpecAugment", Interspeech 2019. Views of noise alone, of which no class may be sure:
Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.arrays import Real, as_real, as_whole
from convolens.effects.sounds.hearing import FLOOR, Hearing, background

_STEPS = 255 / -FLOOR  # levels to a decibel
_QUIETEST, _LOUDEST = 0.0, 45.0  # dB of a sound above its noise
_TILT = 40.0  # dB from the lowest band of a noise to its highest, at most
_MASK_BANDS, _MASK_TIMES = 0.15, 0.15  # of the picture that one mask covers at most


@dataclass(frozen=True)
class SoundAugmentation:
    """How far a sound may be changed.

    Attributes:
        gain: dB that it is made louder or softer by at most.
        stretch: the fraction that it is made faster or slower by at most.
        pitch: bands that it is moved up or down by at most.
        noise: the fraction of views with noise in them.
        masks: stretches of time and of pitch that are left out, each.
        nothing: the fraction of views that show noise alone.
    """

    gain: Real = 12.0
    stretch: Real = 0.15
    pitch: int = 3
    noise: Real = 0.7
    masks: int = 1
    nothing: Real = 0.1

    def __post_init__(self) -> None:
        for name in ("noise", "nothing"):
            as_real(getattr(self, name), name, "a fraction from 0 to 1", lambda value: 0 <= value <= 1)
        as_whole(self.masks, "masks", 0)

    def to_list(self) -> list[Any]:
        """Returns plain values."""
        return list(asdict(self).values())

    def view(
        self, picture: UInt8[np.ndarray, "bands times"], hearing: Hearing, generator: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "bands columns"], bool]:
        """Draws a view at the network's width, and whether the sound is in it at all.

        Args:
            picture: of the sound, of any length.
            hearing: whose `columns` count.
            generator: of everything random.
        """
        shows = bool(generator.random() >= self.nothing)
        canvas = np.full((hearing.bands, hearing.columns), FLOOR)
        loudest = float(picture.max()) / _STEPS + FLOOR
        if shows:
            changed = self._changed(picture, generator) / _STEPS + FLOOR
            changed[changed > FLOOR] += generator.uniform(-self.gain, self.gain)
            canvas[:] = background(changed)[:, None]
            _put(canvas, changed, generator)
            loudest = float(canvas.max())
        if generator.random() < self.noise or not shows:
            level = loudest - generator.uniform(_QUIETEST, _LOUDEST)
            canvas = _sum(canvas, level + _noise(canvas.shape, generator))
        for _ in range(self.masks):
            _mask(canvas, generator)
        levels: NDArray[np.uint8] = ((canvas - FLOOR) * _STEPS).round().clip(0, 255).astype(np.uint8)
        return levels, shows

    def _changed(self, picture: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.float64]:
        """In another tempo and at another pitch."""
        times = max(1, round(picture.shape[1] * (1 + generator.uniform(-self.stretch, self.stretch))))
        if times != picture.shape[1]:
            size = (times, picture.shape[0])
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        by = int(generator.integers(-self.pitch, self.pitch + 1))
        moved = np.roll(picture, by, axis=0).astype(np.float64)
        if by > 0:
            moved[:by] = 0
        elif by < 0:
            moved[by:] = 0
        return moved


def _put(canvas: NDArray[Any], sound: NDArray[Any], generator: np.random.Generator) -> None:
    """Somewhere in the canvas, or of a longer sound any part of it."""
    room = canvas.shape[1] - sound.shape[1]
    first = int(generator.integers(min(room, 0), max(room, 0) + 1))
    if room >= 0:
        canvas[:, first : first + sound.shape[1]] = sound
    else:
        canvas[:] = sound[:, -first : -first + canvas.shape[1]]


def _noise(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Steady noise of any color, in dB of which the loudest band is at 0: its bands waver as energies of noise do."""
    slope = generator.uniform(-_TILT, _TILT) * np.linspace(0, 1, shape[0])
    bumps = np.interp(np.arange(shape[0]), np.linspace(0, shape[0] - 1, 8), generator.normal(0, 4, 8))
    color = (slope + bumps)[:, None]
    wavering = generator.gamma(3.0, 1 / 3.0, shape)
    noise: NDArray[np.float64] = color - color.max() + 10 * np.log10(np.maximum(wavering, 1e-3))
    return noise


def _sum(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two sounds' energies together, in dB."""
    total: NDArray[np.float64] = 10 * np.log10(10 ** (one / 10) + 10 ** (other / 10))
    return total


def _mask(canvas: NDArray[Any], generator: np.random.Generator) -> None:
    """Leaves out some bands and some times, which get what is usual in the picture."""
    usual = float(np.median(canvas))
    for axis, most in enumerate((_MASK_BANDS, _MASK_TIMES)):
        size = int(generator.integers(0, max(1, int(most * canvas.shape[axis])) + 1))
        first = int(generator.integers(0, canvas.shape[axis] - size + 1))
        canvas[(slice(None),) * axis + (slice(first, first + size),)] = usual
