"""What a spectrogram looks like: time to the right, pitch upwards, the loudest bright."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from convolens.media.shown_arrays import ShownArray

DECIBELS = 80.0  # from the loudest down to what is drawn black
_COLUMNS = 2000  # that are drawn at most: more than a screen shows
_NAMED = 15  # rows that are named at most
_WORDS = {None: "complex", 1.0: "amplitudes", 2.0: "energies"}


class Spectrogram(ShownArray[Any]):
    """How loud each pitch is at each time, as an array like any other, which shows itself.

    Attributes:
        pitches: Hz of each row, the lowest first.
        times: seconds of the middle of the first column and of the last.
        power: of the magnitude that the numbers are; None: they are complex.
    """

    pitches: NDArray[np.float64]
    times: tuple[float, float]
    power: float | None = None

    def _whole(self) -> UInt8[np.ndarray, "height width 3"]:
        """Decibels below the loudest; the louder of several channels."""
        from matplotlib.figure import Figure

        from convolens.media.draw import figure_pixels

        figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained", facecolor="white")
        axes = figure.subplots()
        rows = len(self.pitches)
        half = (self.times[1] - self.times[0]) / max(self.shape[1] - 1, 1) / 2
        image = axes.imshow(
            self._decibels(), origin="lower", aspect="auto", cmap="magma", vmin=-DECIBELS, vmax=0,
            extent=(self.times[0] - half, self.times[1] + half, -0.5, rows - 0.5), interpolation="nearest",
        )  # fmt: skip
        axes.set_yticks(*self._marks())
        axes.set(xlabel="seconds", ylabel="Hz")
        figure.colorbar(image, label="dB below the loudest", pad=0.01)
        return figure_pixels(figure)

    def _decibels(self) -> NDArray[np.float64]:
        """Of the loudest of the columns that fall into one that is drawn."""
        numbers = np.asarray(self)
        starts = np.unique(np.linspace(0, numbers.shape[1], _COLUMNS + 1).astype(int))
        parts = (np.abs(numbers[:, low:high]) for low, high in pairwise(starts))
        loud = np.stack([part.reshape(*part.shape[:2], -1).max(axis=(1, 2)) for part in parts], axis=1)
        loud = np.nan_to_num(loud.astype(np.float64), posinf=np.finfo(np.float64).max)
        against = np.log10(np.maximum(loud, np.finfo(np.float64).tiny)) - np.log10(
            loud.max() or 1.0
        )  # silence is black
        found: NDArray[np.float64] = 20 / (self.power or 1.0) * against
        return found

    def _marks(self) -> tuple[list[float], list[str]]:
        """Rows that are named by round frequencies: evenly apart, or of bands 1, 2 and 5 of each power of ten."""
        from matplotlib.ticker import MaxNLocator

        low, high = float(self.pitches[0]), float(self.pitches[-1])
        if np.allclose(np.diff(self.pitches, 2), 0, atol=1e-6 * high):
            marks = list(MaxNLocator(6).tick_values(low, high))
        else:
            marks = list(np.outer(10.0 ** np.arange(6), (1, 2, 5)).ravel())
        rows, names = [math.inf], []
        for mark in sorted((one for one in marks if low <= one <= high), reverse=True):
            row = float(np.interp(mark, self.pitches, np.arange(len(self.pitches))))
            if rows[-1] - row >= len(self.pitches) / _NAMED:  # the lowest of the mel scale's are crowded
                rows.append(row)
                names.append(f"{mark:,.0f}")
        return rows[1:], names


def shown_spectrogram(
    numbers: NDArray[np.inexact], pitches: NDArray[np.float64], times: tuple[float, float], power: float | None
) -> Spectrogram:
    """Numbers `(pitches, times, …)` that show themselves; no copy. The arguments are `Spectrogram`'s attributes."""
    shown = numbers.view(Spectrogram)
    shown.pitches, shown.times, shown.power = pitches, times, power
    what = _WORDS.get(power, "powers of amplitudes")
    size = f"{numbers.shape[0]} pitches × {numbers.shape[1]} times"
    shown.words = f"Spectrogram: {size}, {pitches[0]:.0f} to {pitches[-1]:.0f} Hz, {times[1]:.2f} s, {what}"
    return shown
