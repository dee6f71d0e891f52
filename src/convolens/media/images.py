"""Picture files: read as displayed, written with what they carried.

A picture is `(H, W)` grey, `(H, W, 3)` RGB or `(H, W, 4)` RGBA, uint8 or uint16, with its EXIF orientation applied.
Palettes, CMYK, grey with transparency and 1-bit files become one of these. Headers are read first, and one that claims
more than `MAX_PIXELS` is refused before anything is allocated.
"""

from __future__ import annotations

from convolens.media.picture import Pages, Picture
from convolens.media.picture_opening import MAX_BYTES, MAX_PIXELS, Source
from convolens.media.picture_reading import (
    Header,
    displayed,
    read_header,
    read_image,
    read_pages,
    read_picture,
    read_rgb8,
)
from convolens.media.picture_writing import need_picture_target, write_image, write_pages, write_picture

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "Header",
    "Pages",
    "Picture",
    "Source",
    "displayed",
    "need_picture_target",
    "read_header",
    "read_image",
    "read_pages",
    "read_picture",
    "read_rgb8",
    "write_image",
    "write_pages",
    "write_picture",
]
