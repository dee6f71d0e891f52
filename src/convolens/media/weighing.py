"""How much memory a picture file takes to decode, before it is decoded: so that not too many are at once."""

from __future__ import annotations

from pathlib import Path

from convolens.errors import ConvolensError
from convolens.media.picture_opening import DEEP
from convolens.media.picture_reading import read_header

_PACKED = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
_MOST_PACKING = 1100  # of these formats; zlib packs 1032 to one at best
_LIGHT = 16e6  # bytes
_BYTES_A_PIXEL = 8  # as most are: four channels, and what the decoder holds of them


def picture_weight(path: Path) -> float:
    """Bytes that decoding the file takes, by its header; 0 for what is surely light, and for what reading refuses.

    Costs a look at the size of a small file, and 0.2 ms for another.
    """
    try:
        if path.suffix.lower() in _PACKED and path.stat().st_size * _MOST_PACKING < _LIGHT:
            return 0.0
        header = read_header(path)
    except (ConvolensError, OSError):
        return 0.0
    width, height = header.size
    return float(width * height * (DEEP if "16-bit" in header.channels else _BYTES_A_PIXEL))
