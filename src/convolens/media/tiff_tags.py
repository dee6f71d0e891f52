"""Tags of a BigTIFF: tables of them, with tables within, as bytes; and those that Pillow makes of EXIF, brought over.

A table is the count of its tags, 20 bytes for each and the place of the next table; a value of more than 8 bytes lies
behind it, and is pointed at (Adobe's "TIFF 6.0", section 2, with BigTIFF's widths of 8 bytes).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from PIL import Image

from convolens.media.picture_metadata import with_exact_texts

BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, LONG8: 8}
_LETTERS = {BYTE: "B", SHORT: "H", LONG: "I", UNDEFINED: "B", LONG8: "Q"}
_WITHIN = (34665, 34853, 40965)  # EXIF, GPS, interoperability: tags whose values are tables
_RATIO = 10_000  # denominators of resolutions
_EXIF_HEAD = 6  # bytes that Pillow puts before a file of tags


class Value(NamedTuple):
    """A tag's value: how many numbers of a kind, as bytes, the lowest first."""

    kind: int
    length: int
    data: bytes


Table = dict[int, "Value | Table"]


def numbers(kind: int, *values: int) -> Value:
    """Whole numbers.

    >>> list(numbers(SHORT, 8, 16).data)
    [8, 0, 16, 0]
    """
    return Value(kind, len(values), struct.pack(f"<{len(values)}{_LETTERS[kind]}", *values))


def bytes_of(kind: int, data: bytes) -> Value:
    """Bytes as they are."""
    return Value(kind, len(data), data)


def ratio(value: float) -> Value:
    """A fraction, to four digits behind the point."""
    return Value(RATIONAL, 1, struct.pack("<II", round(value * _RATIO), _RATIO))


def table_bytes(table: Table, at: int) -> bytes:
    """The table as it stands in a file, with all that it points at.

    Args:
        table: tags and their values.
        at: where in the file it will stand.
    """
    size = 8 + 20 * len(table) + 8
    entries, behind = b"", b""
    for tag, value in sorted(table.items()):
        place = at + size + len(behind)
        if isinstance(value, dict):
            behind += table_bytes(value, place)
            value = numbers(LONG8, place)
        entries += struct.pack("<HHQ", tag, value.kind, value.length)
        if len(value.data) <= 8:
            entries += value.data.ljust(8, b"\0")
        else:
            entries += struct.pack("<Q", at + size + len(behind))
            behind += value.data
        behind += bytes(-len(behind) % 8)
    return struct.pack("<Q", len(table)) + entries + bytes(8) + behind


def exif_table(tags: Image.Exif) -> Table:
    """What Pillow holds of a picture's tags; its own writer has them in the narrow form alone."""
    if not tags:
        return {}
    tags.endian = "<"
    data = with_exact_texts(tags).tobytes()[_EXIF_HEAD:]
    return _read(data, *struct.unpack("<I", data[4:8]))


def _read(data: bytes, at: int) -> Table:
    (count,) = struct.unpack_from("<H", data, at)
    found: Table = {}
    for number in range(count):
        tag, kind, length = struct.unpack_from("<HHI", data, at + 2 + 12 * number)
        here, size = at + 10 + 12 * number, _SIZES.get(kind, 0) * length
        (there,) = struct.unpack_from("<I", data, here)
        if tag in _WITHIN:
            found[tag] = _read(data, there)
        elif size:
            start = here if size <= 4 else there
            found[tag] = Value(kind, length, data[start : start + size])
    return found
