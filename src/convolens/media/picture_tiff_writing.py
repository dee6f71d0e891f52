"""TIFFs written page by page, each with what came with it: samples by libtiff (through imagecodecs), tags by hand."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convolens.media.picture import Picture
from convolens.media.picture_metadata import with_exact_texts, words_of

_XMP = 700
_EXIF_HEAD = 14  # bytes that Pillow puts before a table of tags: "Exif" and the head of a file


def encode(pixels: NDArray[Any], picture: Picture, before: bytes | None = None) -> bytes:
    """A TIFF of one page, or one page more.

    Args:
        pixels: grey, RGB or RGBA of 8 or 16 bits.
        picture: what comes with them.
        before: the TIFF of the pages before.
    """
    options: dict[str, Any] = {"iccprofile": picture.icc, "appendto": before}
    if picture.dpi:
        options |= {"resolution": picture.dpi, "resolutionunit": 2}  # the inch
    kind = "minisblack" if pixels.ndim == 2 else "rgb"
    data = imagecodecs.tiff_encode(np.ascontiguousarray(pixels), photometric=kind, compression="deflate", **options)
    tags = words_of(exif_of(picture))
    if picture.xmp:
        tags[_XMP] = picture.xmp
    return _with_tags(bytes(data), tags) if tags else bytes(data)


def exif_of(picture: Picture) -> Image.Exif:
    """The tags that came with it."""
    tags = Image.Exif()
    tags.load(picture.exif or b"")
    return tags


def _with_tags(data: bytes, tags: Image.Exif) -> bytes:
    """A TIFF of at most 4 GiB with further tags on its last page; the encoder of 16 bits writes only a few.

    The page's table is written anew behind all else, and what pointed at it points there (TIFF 6.0, section 2).
    """
    order: Any = "little" if data[:2] == b"II" else "big"
    pointer, offset = _last_table(data, order)
    size = 2 + 12 * int.from_bytes(data[offset : offset + 2], order)
    before = data + bytes(len(data) % 2)
    tags.endian = "<" if order == "little" else ">"
    block = with_exact_texts(tags).tobytes(len(before))[_EXIF_HEAD:]  # their own table, then what it points at
    count = int.from_bytes(block[:2], order)
    own = [data[at : at + 12] for at in range(offset + 2, offset + size, 12)]
    new = [block[at : at + 12] for at in range(2, 2 + 12 * count, 12)]
    entries = sorted({int.from_bytes(one[:2], order): one for one in own + new}.items())
    before += block + bytes(len(block) % 2)
    table = len(entries).to_bytes(2, order) + b"".join(entry for _, entry in entries) + bytes(4)
    return before[:pointer] + len(before).to_bytes(4, order) + before[pointer + 4 :] + table


def _last_table(data: bytes, order: Any) -> tuple[int, int]:
    """Where it is written where the last page's table is, and that place."""
    pointer = 4
    while True:
        offset = int.from_bytes(data[pointer : pointer + 4], order)
        following = offset + 2 + 12 * int.from_bytes(data[offset : offset + 2], order)
        if not int.from_bytes(data[following : following + 4], order):
            return pointer, offset
        pointer = following
