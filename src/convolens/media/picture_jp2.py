"""JPEG 2000 of more than 8 bits a channel through imagecodecs: Pillow gives its colours as 8."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

_SIZE_MARKER = b"\xff\x4f\xff\x51"  # a codestream begins with these two markers (ISO 15444-1, A.5.1)
_CHANNELS_AT, _DEPTH_AT = 40, 42  # from there


def depth(data: bytes) -> int:
    """Bits a channel; 0 where the samples have signs, differ in depth, or are more than a picture's channels."""
    at = data.find(_SIZE_MARKER)
    if at < 0:
        return 0
    count = int.from_bytes(data[at + _CHANNELS_AT : at + _DEPTH_AT], "big")
    depths = set(data[at + _DEPTH_AT : at + _DEPTH_AT + 3 * count : 3])
    return depths.pop() + 1 if count in (1, 2, 3, 4) and len(depths) == 1 and max(depths) < 16 else 0


def decode(data: bytes, bits: int) -> NDArray[np.uint16]:
    """The pixels with all their bits, white at 65535."""
    pixels: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    if pixels.ndim == 3 and pixels.shape[2] == 2:  # grey with transparency
        pixels = np.concatenate([np.repeat(pixels[:, :, :1], 3, axis=2), pixels[:, :, 1:]], axis=2)
    scaled: NDArray[np.uint16] = np.round(pixels * (65535 / (2**bits - 1))).astype(np.uint16)
    return scaled[:, :, 0] if scaled.ndim == 3 and scaled.shape[2] == 1 else scaled
