"""Pictures larger than memory, from file to file by rows: TIFF, tiled or in strips, and BigTIFF.

What would fit into the budget as a whole is none of these: it is read and written as any picture is. A result that
would fit is written as any picture is too, in whatever format; of others each strip of rows is written when it is made.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens import memory
from convolens.errors import FormatError, MemoryRefused
from convolens.media import picture_metadata
from convolens.media.files import AnyPath, need_file, writing
from convolens.media.picture import Picture
from convolens.media.picture_opening import MAX_BYTES, MAX_PIXELS, decoding_picture, turn_to
from convolens.media.picture_tiff import COLORS, Layout, is_tiff, layout_of, name_of, shown, tables, tell_left_out
from convolens.media.picture_writing import need_picture_target, tell_what_is_lost, write_picture
from convolens.media.tiff_rows import TiffRows
from convolens.media.tiff_rows_writing import write_rows
from convolens.media.tiff_segments import Segments, segments_of
from convolens.progress import watching
from convolens.sources import as_address
from convolens.strips import Strips

_TIFFS = (".tif", ".tiff")
_RGB, _OPACITY = 2, 2  # photometric interpretation; of a further channel
_COPIES = 5  # of the pixels, that are held at most while a whole picture is read, changed and written
_MOST_TAGS = 4096
_WHOLE = {3: "H", 4: "I", 16: "Q"}  # kinds of whole numbers
_MOST_TILE, _TILE_STEP = 1024, 16  # pixels: tiles of other sides are not written


class LargePicture(NamedTuple):
    """A picture that is read by rows.

    Attributes:
        rows: its pixels.
        picture: what comes with them; its own pixels are none.
        tile: rows and columns of its tiles, None where it has strips.
        fits_no_budget: whether it is larger than what is read whole, whatever the budget.
    """

    rows: TiffRows
    picture: Picture
    tile: tuple[int, int] | None
    fits_no_budget: bool


@contextmanager
def large_picture(source: object, page: object) -> Iterator[LargePicture | None]:
    """The picture by rows, where it is a TIFF that would not fit into the budget as a whole; None where it is not.

    Args:
        source: a path; whatever else it is, is read whole.
        page: which one, counted from 1; None takes the first. All of them are never read by rows.

    Raises:
        FormatError, MemoryRefused: it is larger than what is read whole, and cannot be read by rows.
    """
    if page == "all" or not isinstance(source, str | os.PathLike) or as_address(source):
        yield None
        return
    file = need_file(source, "a picture")
    with ExitStack() as stack:
        with decoding_picture(file):
            stream = stack.enter_context(file.open("rb"))
            size = os.fstat(stream.fileno()).st_size
            claim = _claim(stream)
        yield None if claim is None or _fits(claim, size) else _opened(stream, file, page, claim, size)


class _Claim(NamedTuple):
    """What the first page says that it is."""

    pixels: int
    bytes: int

    def fits_no_budget(self, file_bytes: int) -> bool:
        return self.pixels > MAX_PIXELS or file_bytes > MAX_BYTES


def _claim(stream: BinaryIO) -> _Claim | None:
    """The first page's size, by its table alone; None where there is no such table, which others will say.

    Every TIFF is looked at, and few are large: so it must cost little, and trust nothing.
    """
    head = stream.read(16)
    if not is_tiff(head) or len(head) < 16:
        return None
    order, is_big = "<" if head[:2] == b"II" else ">", b"+" in head[2:4]
    try:
        stream.seek(struct.unpack(f"{order}Q", head[8:])[0] if is_big else struct.unpack(f"{order}I", head[4:8])[0])
        count = int.from_bytes(stream.read(8 if is_big else 2), "little" if order == "<" else "big")
        table = stream.read(min(count, _MOST_TAGS) * (20 if is_big else 12))
    except (OSError, OverflowError, ValueError):
        return None
    found = {}
    for tag, kind, value in struct.iter_unpack(f"{order}HH{'8x8s' if is_big else '4x4s'}", table):
        if tag in (256, 257, 258, 277) and kind in _WHOLE:
            found[tag] = struct.unpack_from(f"{order}{_WHOLE[kind]}", value.ljust(8, b"\0"))[0]
    pixels = found.get(256, 0) * found.get(257, 0)
    # Where bits are told for each sample, there are too many for them to stand in the table: deep ones are assumed.
    deep = 2 if found.get(258, 8) > 8 else 1
    return _Claim(pixels, pixels * found.get(277, 1) * deep)


def _fits(claim: _Claim, file_bytes: int) -> bool:
    return not claim.fits_no_budget(file_bytes) and memory.fits(file_bytes + _COPIES * claim.bytes)


def _opened(stream: BinaryIO, file: Path, page: object, claim: _Claim, size: int) -> LargePicture | None:
    """The picture by rows; None where it cannot be, and may be read whole."""
    must = claim.fits_no_budget(size)
    try:
        with decoding_picture(file):
            return _by_rows(stream, file, page, must, size)
    except (FormatError, MemoryRefused):
        if must:
            raise
        return None


def _by_rows(stream: BinaryIO, file: Path, page: object, must: bool, size: int) -> LargePicture:
    name = str(file)
    stream.seek(0)
    order = "<" if stream.read(2) == b"II" else ">"
    stream.seek(0)
    pages = list(tables(stream))
    tags, offset = pages[0 if page is None else turn_to(page, len(pages), name)]  # type: ignore[arg-type]
    layout, stored = layout_of(tags, offset), segments_of(tags, order, size)
    colors = _colors(layout, stored)
    rows = TiffRows(stream, name, stored, layout.orientation, partial(shown, colors=colors, layout=layout))
    if page is None:
        turn_to(None, len(pages), name)  # tells of the others
    tell_left_out(stored.samples, colors, layout, name)
    tile = stored.rows, stored.columns
    is_usual = stored.is_tiled and not any(side % _TILE_STEP or side > _MOST_TILE for side in tile)
    return LargePicture(rows, _came_with(stream, layout, rows, name), tile if is_usual else None, must)


def _colors(layout: Layout, stored: Segments) -> int:
    """How many samples of a pixel are its colour.

    Raises:
        FormatError: what they mean is not known here.
    """
    photometric = _RGB if stored.is_ycbcr and stored.samples == 3 else layout.photometric
    colors = COLORS.get(photometric)
    if colors is None or stored.samples < colors:
        raise FormatError(f"need grey or RGB to read it by rows, got {name_of(layout)}; save it as RGB")
    others = stored.samples - colors
    if others and stored.dtype.itemsize == 1 and (layout.extras != (_OPACITY,) or others > 1):
        raise FormatError("need no further channel of 8 bits but opacity to read it by rows; save it as RGB or RGBA")
    return colors


def _came_with(stream: BinaryIO, layout: Layout, rows: TiffRows, name: str) -> Picture:
    """Profile and metadata, as of a picture that is read whole."""
    none = np.empty((0, 0, *rows.shape[2:]), rows.dtype)
    icc = picture_metadata.usable_profile(layout.icc, "GRAY" if rows.ndim == 2 else "RGB", name)
    exif, xmp = picture_metadata.tiff_exif(stream, layout.offset), picture_metadata.upright_xmp(layout.xmp)
    dpi = layout.dpi[::-1] if layout.dpi and layout.orientation in picture_metadata.SIDEWAYS else layout.dpi
    return Picture(none, icc, exif, xmp, dpi, others=layout.others)


def change_by_rows(large: LargePicture, target: AnyPath, change: Callable[[Any], Any]) -> bool:
    """Writes what a change makes of the picture.

    Args:
        large: the picture.
        target: where to write. What would not fit into the budget needs a TIFF.
        change: makes `Strips` of `Rows`.

    Returns:
        Whether it is written; else it cannot be done by rows, and may be done as a whole.

    Raises:
        FormatError: the result is too large for another format than TIFF.
        MemoryRefused: the change needs the whole picture.
    """
    file = need_picture_target(target)
    try:
        strips = change(large.rows)
    except MemoryRefused:
        if large.fits_no_budget:
            raise
        return False
    if _is_small(strips):
        write_picture(file, large.picture.with_pixels(_together(strips, file.name)))
        return True
    if file.suffix.lower() not in _TIFFS:
        if not large.fits_no_budget:
            return False
        raise FormatError(
            f"{file}: need a .tif for {strips.shape[1]} × {strips.shape[0]} pixels, which is written by rows, got "
            f"{file.suffix}"
        )
    fits = picture_metadata.fits(large.picture.icc, np.empty((0,) * len(strips.shape)))
    picture = replace(large.picture, icc=large.picture.icc if fits else None)
    with writing(file) as draft, watching(file.name, strips.shape[0], counted=False) as watched:
        write_rows(draft, strips, picture, large.tile, watched.update)
        tell_what_is_lost(file, file.suffix.lower(), picture)
    return True


def _is_small(strips: Strips) -> bool:
    """Whether the result is written as any picture is."""
    size = prod(strips.shape) * strips.dtype.itemsize
    return strips.shape[0] * strips.shape[1] <= MAX_PIXELS and memory.fits(_COPIES * size)


def _together(strips: Strips, name: str) -> NDArray[Any]:
    pixels, done = np.empty(strips.shape, strips.dtype), 0
    with watching(name, strips.shape[0], counted=False) as watched:
        for part in strips.parts:
            pixels[done : done + len(part)] = part
            done += len(part)
            watched.update(done)
    return pixels
