"""Pictures as pixels and as JPEGs: decoded once, brought to the size that is shown."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from fastapi.responses import Response
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.errors import FormatError
from convolens.media.images import read_header, read_rgb8

MOST_PIXELS = 50_000_000  # of a picture that is changed here: some 150 MB, and a few of them are kept
KEPT = 3  # decoded pictures
QUALITY = 85  # of a JPEG to look at


def pixels_of(path: Path, side: int | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """A picture as 8-bit RGB, upright; kept, so that the next change of it needs no decoding.

    Args:
        path: a picture.
        side: pixels that its longer side has at most; None keeps its size.

    Raises:
        FormatError: it is no picture, or larger than `MOST_PIXELS`.
    """
    return _pixels_of(path, side, path.stat().st_mtime_ns)


@lru_cache(maxsize=2 * KEPT)
def _pixels_of(path: Path, side: int | None, changed: int) -> NDArray[np.uint8]:
    if side is None:
        need_size(path)
        pixels, _ = read_rgb8(path)
    else:
        pixels = within(_pixels_of(path, None, changed), side)
    pixels.flags.writeable = False
    return pixels


def need_size(path: Path) -> None:
    """Refuses what is no picture, or too large a one, by its header alone.

    Raises:
        FormatError: it is.
    """
    header = read_header(path)
    width, height = header.size
    if width * height > MOST_PIXELS:
        raise FormatError(f"{path.name}: need a picture of at most {MOST_PIXELS:,} pixels, got {width:,}×{height:,}")


def within(pixels: UInt8[np.ndarray, "height width 3"], side: int) -> UInt8[np.ndarray, "rows columns 3"]:
    """A picture made smaller, where its longer side is longer than `side`."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))


def as_jpeg(pixels: UInt8[np.ndarray, "height width *channels"]) -> Response:
    """An answer with a picture to look at."""
    return Response(_encoded(pixels, "JPEG", quality=QUALITY), media_type="image/jpeg")


def as_png(pixels: UInt8[np.ndarray, "height width *channels"]) -> Response:
    """An answer with a picture whose every pixel counts."""
    return Response(_encoded(pixels, "PNG", compress_level=1), media_type="image/png")


def _encoded(pixels: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()
