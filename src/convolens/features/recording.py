"""A recording while it goes by: where its level rises, and its picture, of which windows are taken afterwards.

Memory: a number for each column, and `HELD` of the picture; more of it waits in a temporary file, 6.4 kB a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from convolens.effects.sounds.hearing import Hearing

NOTED = 2048  # columns at a time, 20 s, whose background is one
HELD = 16 << 20  # bytes: 45 minutes
RISES = 1.0  # levels (0.4 dB) above a band's background, on average over the bands, that a sound rises at least
DEVIATIONS = 6.0  # of what steady noise does, that it rises besides
BEGINS = 0.5  # of that rise, above which what goes on to it belongs to the sound: an f before a vowel
GAP, LEAST = 0.15, 0.05  # seconds: a sound goes on behind a shorter gap, and lasts longer


class Recording:
    """How far a recording rises from its background at each time, and its picture. A context, as it has a file.

    Args:
        hearing: how the network hears.
    """

    def __init__(self, hearing: Hearing) -> None:
        self.hearing, self.columns, self.sounds = hearing, 0, False
        self._rises: list[NDArray[np.float32]] = []
        self._file = SpooledTemporaryFile(HELD)  # noqa: SIM115  it is closed by `__exit__`

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.close()

    def through(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """The parts of the picture as they come, the rises of which are noted by blocks of some seconds."""
        waiting: list[NDArray[np.uint8]] = []
        for part in pictures:
            self.columns += part.shape[1]
            self.sounds = self.sounds or bool(part.any())
            self._file.write(part.T.tobytes())
            waiting.append(part)
            if sum(one.shape[1] for one in waiting) >= NOTED:
                self._note(np.concatenate(waiting, axis=1))
                waiting = []
            yield part
        if waiting:
            self._note(np.concatenate(waiting, axis=1))

    def window(self, first: float, last: float, begin: int = 0, end: int | None = None) -> NDArray[np.uint8]:
        """The picture of what the network takes at once, `(bands, columns)`, around a part of the recording.

        Args:
            first: the part's first column.
            last: where it ends.
            begin: of what may be in the window too; before it there is its background.
            end: likewise, behind it; None: the recording's end.
        """
        width, end = self.hearing.columns, self.columns if end is None else end
        at = min(max(round((first + last - width) / 2), begin), max(begin, end - width))
        return self.hearing.framed(self._part(at, min(at + width, end)))

    def _part(self, first: int, last: int) -> NDArray[np.uint8]:
        bands = self.hearing.bands
        self._file.seek(first * bands)
        return np.frombuffer(self._file.read((last - first) * bands), np.uint8).reshape(-1, bands).T

    def _note(self, picture: NDArray[np.uint8]) -> None:
        usual = np.quantile(picture, 0.3, axis=1)[:, None]
        rises = np.maximum(picture - usual - 8, 0).mean(axis=0)  # 3 dB, which steady noise seldom passes
        self._rises.append(rises.astype(np.float32))

    def segments(self) -> list[tuple[int, int]]:
        """Columns from which, and up to which, the recording is above its background."""
        rises = np.concatenate(self._rises)
        middle = float(np.median(rises))
        spread = 1.4826 * float(np.median(abs(rises - middle)))
        above = _from_where_it_begins(rises - middle, max(RISES, DEVIATIONS * spread))
        if not len(above):
            return []
        each = self.hearing.rate / self.hearing.hop
        cuts = np.flatnonzero(np.diff(above) > GAP * each)
        firsts, lasts = above[np.r_[0, cuts + 1]], above[np.r_[cuts, len(above) - 1]] + 1
        return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True) if b - a > LEAST * each]


def _from_where_it_begins(rises: NDArray[np.float32], enough: float) -> NDArray[np.intp]:
    """The columns that rise by enough, and those next to them that rise by half of it: as Canny follows an edge.

    >>> _from_where_it_begins(np.float32([0, 3, 0, 3, 5, 0, 4, 9, 3, 1]), 5.5)
    array([6, 7, 8])
    """
    near = rises > BEGINS * enough
    edges = np.flatnonzero(np.diff(np.r_[False, near, False].astype(np.int8)))
    sums = np.r_[0, (rises > enough).cumsum()]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if sums[first] == sums[last]:
            near[first:last] = False
    return np.flatnonzero(near)
