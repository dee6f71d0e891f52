"""The pixels of a TIFF by rows, as displayed: in memory are a band of rows and the segments that it lies in.

Segments of a line are decoded by as many threads as there are cores. A line that was decoded is kept as long as the
next rows need it. Of a picture that is stored on its side the lines are columns, which takes tiles.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError
from convolens.media.picture_metadata import SIDEWAYS, upright
from convolens.media.picture_opening import decoding_picture
from convolens.media.tiff_segments import Segments, decoded
from convolens.memory import need_memory
from convolens.settings import threads
from convolens.strips import Rows

_FROM_THE_END = (3, 4, 7, 8)  # orientations in which the first row displayed is the last one stored


class TiffRows(Rows):
    """The rows of a page.

    Args:
        stream: the file, open for reading.
        name: of it, for errors.
        stored: its segments.
        orientation: EXIF's.
        shown: makes of samples `(rows, columns, samples)` pixels as they are displayed.

    Raises:
        FormatError: it lies on its side, and in strips.
        MemoryRefused: a line of segments does not fit the budget.
    """

    def __init__(
        self, stream: BinaryIO, name: str, stored: Segments, orientation: int, shown: Callable[[Any], NDArray[Any]]
    ) -> None:
        self._stream, self._name, self._stored, self._shown = stream, name, stored, shown
        self._orientation, self._sideways = orientation, orientation in SIDEWAYS
        if self._sideways and not stored.is_tiled:
            raise FormatError(f"{name}: need tiles to read by rows what is stored on its side, got strips")
        self._long = stored.width if self._sideways else stored.height  # the axis that displayed rows lie along
        self._step = stored.columns if self._sideways else stored.rows
        wide = stored.height if self._sideways else stored.width
        kind = (
            f"tiles of {stored.columns} × {stored.rows} pixels" if stored.is_tiled else f"strips of {stored.rows} rows"
        )
        need_memory(
            3 * self._step * wide * stored.samples * stored.dtype.itemsize,
            f"{name}: a line of {kind}", "save it with smaller ones",
        )  # fmt: skip
        pixel = shown(np.zeros((1, 1, stored.samples), stored.dtype.newbyteorder("=")))
        self.shape = (self._long, wide, *pixel.shape[2:])
        self.dtype = pixel.dtype
        self._lines: dict[int, NDArray[Any]] = {}
        self._lock = Lock()

    def __getitem__(self, at: slice | NDArray[np.intp]) -> NDArray[Any]:
        if isinstance(at, slice):
            start, stop, _ = at.indices(self._long)
            return self._shown(self._between(start, stop))
        runs = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
        return np.concatenate([self[int(run[0]) : int(run[-1]) + 1] for run in runs])

    def _between(self, start: int, stop: int) -> NDArray[Any]:
        """Samples of these displayed rows."""
        if self._orientation in _FROM_THE_END:
            start, stop = self._long - stop, self._long - start
        lines = range(start // self._step, -(-stop // self._step))
        try:
            with decoding_picture(self._name):
                self._have(lines)
        except BaseException:
            self._lines = {}  # what was not decoded must not be taken for pixels
            raise
        axis, parts = int(self._sideways), []
        for line in lines:
            first = line * self._step
            at = slice(max(start - first, 0), stop - first)
            parts.append(self._lines[line][:, at] if axis else self._lines[line][at])
        return upright(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis), self._orientation)

    def _have(self, lines: Iterable[int]) -> None:
        """Decodes these lines, as far as they are not at hand, and lets the others go."""
        wanted = list(lines)
        kept = {line: self._lines[line] for line in wanted if line in self._lines}
        missing = [line for line in wanted if line not in kept]
        self._lines = kept
        for line in missing:
            kept[line] = self._empty(line)
        across = range(-(-self._stored.height // self._stored.rows) if self._sideways else self._stored.across)
        places = [(line, other) for line in missing for other in across]
        if len(places) < 2:
            for place in places:
                self._fill(place)
            return
        with ThreadPoolExecutor(min(threads(), len(places))) as pool:
            for _ in pool.map(self._fill, places):
                pass

    def _empty(self, line: int) -> NDArray[Any]:
        stored = self._stored
        long = min(self._step, self._long - line * self._step)
        shape = (stored.height, long) if self._sideways else (long, stored.width)
        return np.empty((*shape, stored.samples), stored.dtype.newbyteorder("="))

    def _fill(self, place: tuple[int, int]) -> None:
        """Decodes a segment into its place in its line."""
        stored, (line, other) = self._stored, place
        row, column = (other, line) if self._sideways else (line, other)
        pixels = decoded(stored, self._read(row * stored.across + column), row, column)
        if self._sideways:
            self._lines[line][row * stored.rows :][: len(pixels)] = pixels
        else:
            self._lines[line][:, column * stored.columns :][:, : pixels.shape[1]] = pixels

    def _read(self, number: int) -> bytes:
        count = int(self._stored.counts[number])
        with self._lock:
            self._stream.seek(int(self._stored.offsets[number]), os.SEEK_SET)
            data = self._stream.read(count)
        if len(data) < count:
            raise FormatError(f"need {count:,} bytes of a segment, got {len(data):,}; it is cut short")
        return data
