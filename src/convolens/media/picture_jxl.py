"""JPEG XL through imagecodecs, as Pillow has no decoder of it; its size is read first (ISO 18181, A.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError
from convolens.media.pixels import as_gray_or_colors

SUFFIX = ".jxl"
_BARE = b"\xff\x0a"
_BOXED = b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width to height


def is_at_hand() -> bool:
    """Whether imagecodecs was built with it."""
    return bool(imagecodecs.JPEGXL.available)


def is_jxl(data: bytes) -> bool:
    """By the first bytes, where it can be read."""
    return data.startswith((_BARE, _BOXED)) and is_at_hand()


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height as stored, which is as displayed or turned."""
    return _size(_bits(_codestream(data)[2:40]))


def is_animated(data: bytes) -> bool:
    """Whether it has frames (ISO 18181-1, D.3: the flags behind the size)."""
    take = _bits(_codestream(data)[2:80])
    _size(take)
    if take(1) or not take(1):  # all as usual; or nothing of what follows
        return False
    take(3)  # the orientation
    if take(1):
        _size(take)  # that it is meant to be shown in
    return not take(1) and bool(take(1))  # a preview would have a size of its own in between


def _size(take: Callable[[int], int]) -> tuple[int, int]:
    small = take(1)
    height = (take(5) + 1) * 8 if small else _number(take)
    ratio = take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return ((take(5) + 1) * 8 if small else _number(take)), height


def _codestream(data: bytes) -> bytes:
    """The bytes that begin with the size: the file itself, or the first of its boxes that holds them."""
    at = 0 if data.startswith(_BOXED) else len(data)
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = 16 if size == 1 else 8
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size or len(data) - at
        if name in (b"jxlc", b"jxlp"):
            return data[at + head + (4 if name == b"jxlp" else 0) : at + size]
        if size < head:
            break
        at += size
    if data.startswith(_BARE):
        return data
    raise FormatError("damaged picture: a JPEG XL without a picture")


def _bits(data: bytes) -> Callable[[int], int]:
    """Takes so many bits at each call, the lowest first."""
    whole, at = int.from_bytes(data, "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return whole >> (at - count) & ((1 << count) - 1)

    return take


def _number(take: Callable[[int], int]) -> int:
    return 1 + take((9, 13, 18, 30)[take(2)])


def decode(data: bytes) -> NDArray[Any]:
    """The pixels of the first frame, upright: grey, RGB or RGBA of 8 or 16 bits."""
    pixels: NDArray[Any] = imagecodecs.jpegxl_decode(data, index=0)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise FormatError(f"need 8 or 16 bits a channel, got {pixels.dtype}; save it with 16")
    return as_gray_or_colors(pixels)
