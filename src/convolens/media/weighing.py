"""How much memory a picture file takes to decode, before it is decoded: so that not too many are at once."""

from __future__ import annotations

from pathlib import Path

from convolens.errors import ConvolensError
from convolens.media.picture_opening import DEEP
from convolens.media.picture_reading import read_header
from convolens.sources import Stored
from convolens.sources.stored import Unreadable

_PACKED = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
_MOST_PACKING = 1100  # of these formats; zlib packs 1032 to one at best
_LIGHT = 16e6  # bytes
_BYTES_A_PIXEL = 8  # as most are: four channels, and what the decoder holds of them


def picture_weight(path: Path | Stored) -> float:
    """Bytes that decoding the file takes, by its header; 0 for what is surely light, and for what reading refuses.

    Costs a look at the size of a small file, and 0.2 ms for another.
    """
    try:
        if isinstance(path, Unreadable) or (isinstance(path, Stored) and path.is_light):
            return 0.0
        size = path.size if isinstance(path, Stored) else path.stat().st_size
        if path.suffix.lower() in _PACKED and size is not None and size * _MOST_PACKING < _LIGHT:
            return 0.0
        header = read_header(path)
    except (ConvolensError, OSError):
        return 0.0
    width, height = header.size
    return float(width * height * (DEEP if "16-bit" in header.channels else _BYTES_A_PIXEL))
