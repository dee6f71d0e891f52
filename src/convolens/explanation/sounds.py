"""When, and at which pitch: explanations of what a network heard, on axes of seconds and Hz.

The network's picture of a sound is as wide as what it takes at once, of a longer sound the loudest part. The map is
over that picture; here its columns become times in the sound, its rows frequencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.effects.sounds.hearing import Hearing
from convolens.explanation.explanation import BOX_THRESHOLD, Explanation
from convolens.media.draw import overlay
from convolens.media.pixels import as_pixels

NEARLY = 0.8  # of the hottest
_TICKS = (125, 250, 500, 1000, 2000, 4000, 8000, 16_000)  # Hz


@dataclass(frozen=True, repr=False, kw_only=True)
class SoundExplanation(Explanation):
    """When in a sound, and at which pitch, a score came from.

    Attributes:
        hearing: how the sound became the picture.
        begin: seconds from the sound's beginning to that of the picture; below 0 where background was put before it.
        seconds: how long the sound lasts.
    """

    hearing: Hearing
    begin: float
    seconds: float

    @property
    def moment(self) -> float:
        """Seconds from the sound's beginning to where most spoke for the class.

        A cell of the map is many columns wide, and the hottest column is its middle, which may lie beside what it saw:
        so it is the middle of all columns around the hottest that are nearly as hot, on whichever side they are.
        """
        return self._within(_middle_of_hottest(self.heatmap.max(axis=0)))

    @property
    def pitch(self) -> float:
        """The frequency in Hz where most spoke for the class."""
        return self.hearing.pitch_of(int(self.heatmap.max(axis=1).argmax()))

    def span(self, threshold: float = BOX_THRESHOLD) -> tuple[float, float, float, float] | None:
        """`(start, end, low, high)` in seconds and Hz of the box around the hottest part; None for an empty map."""
        box = self.box(threshold)
        if box is None:
            return None
        x1, y1, x2, y2 = box
        return self._within(x1), self._within(x2), self.hearing.pitch_of(y2 - 1), self.hearing.pitch_of(y1)

    def _within(self, column: Real) -> float:
        """A column's time in the sound: what is hot in the background before it begins is at its beginning."""
        return min(max(self.begin + self.hearing.time_of(column), 0.0), self.seconds)

    def drawn(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture of time and pitch with the map over it, on axes in s and Hz."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
        canvas, axes = FigureCanvasAgg(figure), figure.subplots()
        bands, columns = self.heatmap.shape
        ends = (self.begin, self.begin + self.hearing.time_of(columns))
        shown = overlay(np.repeat(self.picture.reshape(bands, columns, 1), 3, axis=2), self.normalized(), strength=0.6)
        axes.imshow(shown, aspect="auto", extent=(*ends, bands - 0.5, -0.5), interpolation="nearest")
        ticks = [one for one in _TICKS if self.hearing.pitch_of(bands - 1) <= one <= self.hearing.high]
        axes.set_yticks([self.hearing.row_of(one) for one in ticks], [f"{one:,}" for one in ticks])
        axes.set(xlabel="s", ylabel="Hz", title=f"{self.label} {self.score_text}")
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]

    def __str__(self) -> str:
        span = self.span()
        if span is None:
            return f"{self.label} {self.score_text}  nowhere"
        start, end, low, high = span
        return f"{self.label} {self.score_text}  {start:.2f}-{end:.2f} s, {low:,.0f}-{high:,.0f} Hz"


def _middle_of_hottest(columns: NDArray[np.float32]) -> float:
    """The middle of the run around the highest value in which none is below `NEARLY` of it.

    >>> _middle_of_hottest(np.float32([0, 0.5, 1, 0.9, 0.85, 0.2, 0.95]))
    3.0
    """
    hottest = int(columns.argmax())
    cold = np.flatnonzero(columns < NEARLY * columns[hottest])
    first = cold[cold < hottest].max(initial=-1) + 1
    last = cold[cold > hottest].min(initial=len(columns)) - 1
    return float(first + last) / 2


class Frames:
    """Sounds on their way to a network: its pictures of them, and when each of these begins.

    Args:
        model: that was trained by sounds.
        sounds: as `predict` takes them.
    """

    def __init__(self, model: Any, sounds: Iterable[Any]) -> None:
        self.hearing: Hearing = model.preprocessing.sound
        self._model, self._sounds = model, sounds
        self._times: list[tuple[float, float]] = []  # when each picture begins, and how long its sound lasts

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for sound in self._sounds:
            picture = as_pixels(self._model.preprocessing.file(sound))
            columns = (self.hearing.first_of_frame(picture), picture.shape[1])
            self._times.append((self.hearing.time_of(columns[0]), self.hearing.time_of(columns[1])))
            yield self.hearing.framed(picture)

    def explained(self, found: Explanation) -> SoundExplanation:
        """An explanation of the oldest picture that was given out."""
        values = {one.name: getattr(found, one.name) for one in fields(found)}
        return SoundExplanation(**values, hearing=self.hearing, begin=self._times[0][0], seconds=self._times[0][1])

    def done(self) -> None:
        """The oldest picture is explained."""
        self._times.pop(0)
