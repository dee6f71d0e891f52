"""The outline of a sound, taken while it passes: what a plot of any length can show, in constant memory.

The sound is cut into stretches; of each the lowest and the highest sample and one short spectrum are kept. When there
are more stretches than a plot has columns, neighbours become one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

WINDOW = 1024  # frames of a spectrum: 23 ms at 44.1 kHz
_STRETCHES = 2048  # beyond, pairs become one, so that there are never fewer than half as many
_FIRST_STEP = WINDOW // 2


class Outline:
    """Envelope and spectrogram of a sound that comes in blocks.

    Attributes:
        frames: how many have come.
        step: frames of a stretch.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.step = _FIRST_STEP
        self._rest = np.zeros(0, np.float32)
        self._low, self._high = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self._power = np.zeros((0, WINDOW // 2 + 1), np.float32)

    def add(self, block: Float[np.ndarray, "frames ..."]) -> None:
        """Takes in the next block, its channels averaged."""
        mono = block.reshape(len(block), -1).mean(axis=1, dtype=np.float32)
        self.frames += len(mono)
        self._rest = np.concatenate([self._rest, mono])
        whole = len(self._rest) // self.step * self.step
        self._take(self._rest[:whole].reshape(-1, self.step))
        self._rest = self._rest[whole:]

    def envelope(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The first frame of each stretch, its lowest and its highest sample."""
        low, high = self._low, self._high
        if len(self._rest):
            low, high = np.append(low, self._rest.min()), np.append(high, self._rest.max())
        return np.arange(len(low)) * self.step, low, high

    def spectrogram(self) -> NDArray[Any]:
        """Decibels, a sine of full scale 0: frequencies up, stretches across."""
        power = self._power
        if len(self._rest) or not len(power):
            power = np.concatenate([power, _powers(self._rest[None])])
        decibels: NDArray[Any] = 10 * np.log10(power.T + 1e-12)
        return decibels

    def _take(self, stretches: NDArray[Any]) -> None:
        self._low = np.concatenate([self._low, stretches.min(axis=1)])
        self._high = np.concatenate([self._high, stretches.max(axis=1)])
        self._power = np.concatenate([self._power, _powers(stretches)])
        while len(self._low) > _STRETCHES and len(self._low) % 2 == 0:  # an odd one waits for its neighbour
            self.step *= 2
            self._low = self._low.reshape(-1, 2).min(axis=1)
            self._high = self._high.reshape(-1, 2).max(axis=1)
            self._power = self._power.reshape(len(self._low), 2, -1).mean(axis=1)


def outline(samples: Float[np.ndarray, "frames ..."]) -> Outline:
    """Of a sound that is there as a whole."""
    made = Outline()
    for start in range(0, len(samples), 1 << 16):
        made.add(samples[start : start + (1 << 16)])
    return made


def _powers(stretches: NDArray[Any]) -> NDArray[Any]:
    """Of each stretch the power spectrum of its middle."""
    length = stretches.shape[1]
    start = max(0, (length - WINDOW) // 2)
    middle = stretches[:, start : start + WINDOW]
    shaped = middle * np.hanning(middle.shape[1]) if middle.shape[1] else middle
    spectra = np.fft.rfft(shaped, WINDOW) if shaped.size else np.zeros((len(stretches), WINDOW // 2 + 1))
    scale = max(np.hanning(middle.shape[1]).sum() / 2, 1e-9)
    powers: NDArray[Any] = np.asarray(np.abs(spectra / scale) ** 2, np.float32)
    return powers
