"""A BigTIFF written as its rows come: a line of tiles or strips is packed and gone before the next one is begun.

Strips of about a megabyte, or tiles where the picture that it was made of has them; deflate, after differences to the
left, which photos are packed better by. The tags come last, when it is known where everything is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from convolens.media.picture import Picture
from convolens.media.picture_metadata import words_of
from convolens.media.picture_tiff_writing import exif_of
from convolens.media.tiff_tags import (
    BYTE,
    LONG,
    LONG8,
    SHORT,
    UNDEFINED,
    Table,
    bytes_of,
    exif_table,
    numbers,
    ratio,
    table_bytes,
)
from convolens.settings import threads
from convolens.strips import Strips

_HEAD = 16  # bytes: what it is, and where its tags are
_STRIP_BYTES = 1 << 20
_LEVEL = 1  # of packing; 6 takes three times as long for a few hundredths less
_DEFLATE, _DIFFERENCES = 8, 2


def write_rows(
    path: Path, strips: Strips, picture: Picture, tile: tuple[int, int] | None, told: Callable[[int], object]
) -> None:
    """Writes a picture's rows as they come.

    Args:
        path: a draft.
        strips: the rows; uint8 or uint16, grey, RGB or RGBA.
        picture: what comes with them; its pixels do not count.
        tile: rows and columns of a tile, multiples of 16; None writes strips.
        told: is told how many rows are written.

    Raises:
        OSError: it cannot be written.
    """
    _, width, *rest = strips.shape
    channels = rest[0] if rest else 1
    rows, columns = tile or (max(1, _STRIP_BYTES // (width * channels * strips.dtype.itemsize)), width)
    places: list[tuple[int, int]] = []
    with path.open("r+b") as stream, ThreadPoolExecutor(threads()) as pool:
        stream.write(b"II+\0" + struct.pack("<HHQ", 8, 0, 0))
        done = 0
        for line in _lines(strips.parts, rows):
            segments = _segments(line, (rows, columns) if tile else None)
            for packed in pool.map(_packed, segments):
                places.append((stream.tell(), len(packed)))
                stream.write(packed)
            done += len(line)
            told(done)
        table = _layout(strips, channels, (rows, columns), places, is_tiled=tile is not None)
        _finish(stream, table | _brought(picture))


def _lines(parts: Iterable[NDArray[Any]], rows: int) -> Iterator[NDArray[Any]]:
    """The same rows, so many at a time; what is left at the end is fewer."""
    held: list[NDArray[Any]] = []
    count = 0
    for part in parts:
        while len(part):
            more = part[: rows - count]
            held.append(more)
            count, part = count + len(more), part[len(more) :]
            if count == rows:
                yield held[0] if len(held) == 1 else np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)


def _segments(line: NDArray[Any], tile: tuple[int, int] | None) -> Iterator[NDArray[Any]]:
    """A line's tiles, of one size, the last ones filled up by what is at their end; or the line itself."""
    if tile is None:
        yield line
        return
    rows, columns = tile
    for left in range(0, line.shape[1], columns):
        part = line[:, left : left + columns]
        lacking = ((0, rows - part.shape[0]), (0, columns - part.shape[1]))
        yield np.pad(part, (*lacking, *((0, 0),) * (part.ndim - 2)), "edge")


def _packed(pixels: NDArray[Any]) -> bytes:
    whole = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])
    return bytes(imagecodecs.zlib_encode(imagecodecs.delta_encode(whole, axis=1).tobytes(), _LEVEL))


def _layout(
    of: Strips, channels: int, segment: tuple[int, int], places: list[tuple[int, int]], *, is_tiled: bool
) -> Table:
    """The tags that say how the pixels are stored."""
    offsets, counts = (numbers(LONG8, *(place[n] for place in places)) for n in (0, 1))
    table: Table = {
        256: numbers(LONG, of.shape[1]), 257: numbers(LONG, of.shape[0]),
        258: numbers(SHORT, *[8 * of.dtype.itemsize] * channels), 259: numbers(SHORT, _DEFLATE),
        262: numbers(SHORT, 1 if channels == 1 else 2), 277: numbers(SHORT, channels), 284: numbers(SHORT, 1),
        317: numbers(SHORT, _DIFFERENCES),
    }  # fmt: skip
    if channels == 4:
        table[338] = numbers(SHORT, 2)  # opacity, which the colours are not multiplied by
    if is_tiled:
        return table | {
            322: numbers(LONG, segment[1]), 323: numbers(LONG, segment[0]), 324: offsets, 325: counts,
        }  # fmt: skip
    return table | {273: offsets, 278: numbers(LONG, segment[0]), 279: counts}


def _brought(picture: Picture) -> Table:
    """What came with the picture."""
    table = exif_table(words_of(exif_of(picture)))
    if picture.dpi:
        table |= {282: ratio(picture.dpi[0]), 283: ratio(picture.dpi[1]), 296: numbers(SHORT, 2)}  # the inch
    if picture.xmp:
        table[700] = bytes_of(BYTE, picture.xmp)
    if picture.icc:
        table[34675] = bytes_of(UNDEFINED, picture.icc)
    return table


def _finish(stream: BinaryIO, table: Table) -> None:
    """The tags at the end, and at the start where they are."""
    stream.write(bytes(-stream.tell() % 8))
    at = stream.tell()
    stream.write(table_bytes(table, at))
    stream.seek(_HEAD - 8)
    stream.write(struct.pack("<Q", at))
