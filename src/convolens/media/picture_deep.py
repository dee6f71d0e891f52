"""JPEG 2000, AVIF and HEIC of more than 8 bits a channel: Pillow gives their colours as 8."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convolens.media.notes import note
from convolens.media.pixels import as_gray_or_colors, without_opacity

_SIZE_MARKER = b"\xff\x4f\xff\x51"  # a codestream begins with these two markers (ISO 15444-1, A.5.1)
_CHANNELS_AT, _DEPTH_AT = 40, 42  # from there
_HIGH, _TWELVE = 0x40, 0x20  # of the third byte of an AVIF's configuration (AV1 in ISO-BMFF, 2.3.3)


def depth(image: Image.Image, data: bytes, name: str) -> int:
    """Bits a channel, where they are more than 8 and can be had; else 8, with a note where there are more.

    Args:
        image: the file as Pillow opened it.
        data: its bytes.
        name: of the file.
    """
    if image.format == "JPEG2000":
        return max(_depth_of_jp2(data), 8)
    if image.format == "AVIF":
        return _depth_of_avif(image, data, name)
    return int(image.info.get("bit_depth", 8)) if image.format == "HEIF" else 8


def _depth_of_avif(image: Image.Image, data: bytes, name: str) -> int:
    at = data.find(b"av1C")
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
    bits = 8 if not flags & _HIGH else 12 if flags & _TWELVE else 10
    # Of several frames, imagecodecs 2026.3 writes beyond the memory of the first.
    is_still = getattr(image, "n_frames", 1) == 1
    if bits > 8 and not (is_still and imagecodecs.AVIF.available):
        note(f"{name}: its {bits} bits a channel are read as 8")
        return 8
    return bits


def _depth_of_jp2(data: bytes) -> int:
    """0 where the samples have signs, differ in depth, or are more than a picture's channels."""
    at = data.find(_SIZE_MARKER)
    if at < 0:
        return 0
    count = int.from_bytes(data[at + _CHANNELS_AT : at + _DEPTH_AT], "big")
    depths = set(data[at + _DEPTH_AT : at + _DEPTH_AT + 3 * count : 3])
    return depths.pop() + 1 if count in (1, 2, 3, 4) and len(depths) == 1 and max(depths) < 16 else 0


def decode(image: Image.Image, data: bytes, bits: int) -> NDArray[np.uint16]:
    """The pixels of the page that the picture stands at with all their bits, white at 65535, turned as Pillow's are.

    Args:
        image: as for `depth`.
        data: as for `depth`.
        bits: a channel.
    """
    samples, is_premultiplied = _samples(image, data)
    scaled: NDArray[np.uint16] = np.round(samples * (65535 / (2**bits - 1))).astype(np.uint16)
    return without_opacity(scaled) if is_premultiplied else as_gray_or_colors(scaled)


def _samples(image: Image.Image, data: bytes) -> tuple[NDArray[Any], bool]:
    """As they are stored, and whether colours are multiplied by their opacity."""
    if image.format == "JPEG2000":
        return imagecodecs.jpeg2k_decode(data), False
    if image.format == "AVIF":
        return imagecodecs.avif_decode(data), False
    import pi_heif

    file = pi_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    frame = file[image.tell()]
    rows = np.asarray(frame)[:, : frame.size[0]]  # which may be padded
    return rows.copy(), frame.premultiplied_alpha  # the file's memory goes with it
