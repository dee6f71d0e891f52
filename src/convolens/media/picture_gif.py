"""GIFs: how large the picture is once all frames are drawn, which the file's head does not say.

A frame may lie outside of the size that the head gives, and Pillow lets the picture grow with it while it turns to that
frame: a file of a kilobyte can so claim a gigabyte behind a head of a few pixels. Here the frames' own places are read,
in one pass over the file's blocks and without decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEAD = 13  # bytes: the signature, width and height, and what the palette is like
_IMAGE, _EXTENSION, _END = 0x2C, 0x21, 0x3B


def whole_size(data: bytes) -> tuple[int, int]:
    """Width and height that hold every frame; what is cut off or damaged ends the search.

    >>> head = b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0, 0, 0)
    >>> whole_size(head + b"," + struct.pack("<HHHHB", 10, 0, 2, 2, 0) + bytes([2, 1, 0, 0]) + b";")
    (12, 3)
    """
    width, height = struct.unpack_from("<HH", data, 6) if len(data) >= _HEAD else (0, 0)
    for left, top, wide, high in _frames(data):
        width, height = max(width, left + wide), max(height, top + high)
    return width, height


def _frames(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of each."""
    at = _HEAD + _palette_bytes(data[10]) if len(data) >= _HEAD else len(data)
    while at < len(data) and data[at] != _END:
        kind = data[at]
        if kind == _IMAGE and at + 11 <= len(data):
            yield struct.unpack_from("<HHHH", data, at + 1)
            at = _behind_blocks(data, at + 11 + _palette_bytes(data[at + 9]))  # 11: with the code's bits
        elif kind == _EXTENSION:
            at = _behind_blocks(data, at + 2)
        else:
            at += 1  # as Pillow does: what is neither is passed over


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: bytes, at: int) -> int:
    """Where the blocks of a frame or an extension end, which an empty one does."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
