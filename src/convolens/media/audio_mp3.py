"""What an MP3 says of its own length: a frame called Xing or Info, if it has one; and where its sound begins and ends.

Without that frame the length is not known before the last byte is decoded: what decoders tell is a guess from the
size and the first frame's rate, 40% of the truth in a file of variable rate.
"""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

_FAR = 1 << 16  # how far behind the tags a first frame is looked for
_TRAILING = 8192  # bytes behind what a Xing frame counts that may be padding, or a tag that we do not know
_ID3V1, _APE_FOOTER = 128, 32
# Kilobits a second and frames a second, by version 1 or 2 and 2.5 (ISO 11172-3 and 13818-3, layer III).
_KILOBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class Extent(NamedTuple):
    """Where the sound lies in the file, and whether its length is written there."""

    begin: int  # of the first frame
    end: int  # behind the last, before tags
    counted: bool  # whether a Xing frame counts the frames of all of it
    behind_xing: int  # bytes behind those that the Xing frame counts; 0 where there are none to speak of


def extent(file: BinaryIO) -> Extent:
    """Looks at the tags on both sides and at the first frame."""
    begin, end = _behind_tags(file), _before_tags(file)
    file.seek(begin)
    head = file.read(_FAR)
    at = _first_frame(head)
    if at is None:
        return Extent(begin, end, counted=False, behind_xing=0)
    begin += at
    frames, claimed = _xing(head[at : at + 512])
    behind = end - begin - claimed if claimed else 0
    behind = behind if behind > max(_TRAILING, claimed // 100) else 0
    skip = _frame_bytes(head[at : at + 4]) if behind else 0  # the Xing frame would end the sound where it counts to
    return Extent(begin + skip, end, counted=frames > 0 and not behind, behind_xing=behind)


def _behind_tags(file: BinaryIO) -> int:
    """Behind all ID3v2 tags at the beginning."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return at
        footer = 10 if head[5] & 0x10 else 0
        at += 10 + synchsafe(head[6:]) + footer


def synchsafe(number: bytes) -> int:
    """ID3's numbers: seven bits a byte.

    >>> synchsafe(bytes([0, 0, 2, 1]))
    257
    """
    value = 0
    for byte in number:
        value = value << 7 | byte & 0x7F
    return value


def _before_tags(file: BinaryIO) -> int:
    """Before ID3v1 and APE tags at the end."""
    end = file.seek(0, os.SEEK_END)
    if end > _ID3V1:
        file.seek(end - _ID3V1)
        end -= _ID3V1 if file.read(3) == b"TAG" else 0
    if end > _APE_FOOTER:
        file.seek(end - _APE_FOOTER)
        footer = file.read(_APE_FOOTER)
        if footer.startswith(b"APETAGEX"):
            size = int.from_bytes(footer[12:16], "little") + (_APE_FOOTER if footer[23] & 0x80 else 0)
            end -= size if size < end else 0
    return end


def _first_frame(data: bytes) -> int | None:
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 4:
        size = _frame_bytes(data[at : at + 4])
        if size and (at + size + 2 > len(data) or data[at + size] == 0xFF):  # and another follows
            return at
        at = data.find(b"\xff", at + 1)
    return None


def _frame_bytes(head: bytes) -> int:
    """The length of a layer III frame; 0 for what is none, or one of free rate."""
    version, layer, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3
    kilobits = head[2] >> 4
    if head[0] != 0xFF or head[1] < 0xE0 or layer != 1 or version == 1 or rate == 3 or kilobits == 15:
        return 0
    table, slots = (1, 144) if version == 3 else (2, 72)
    return slots * 1000 * _KILOBITS[table][kilobits] // _RATES[version][rate] + (head[2] >> 1 & 1)


def _xing(frame: bytes) -> tuple[int, int]:
    """The numbers of frames and of bytes that a Xing frame counts; 0 where it does not."""
    newest, mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    side = (17 if mono else 32) if newest else (9 if mono else 17)
    for start in (4 + side, 6 + side):  # with a checksum of the head, two bytes further
        if frame[start : start + 4] in (b"Xing", b"Info"):
            flags, at = frame[start + 7], start + 8
            frames = int.from_bytes(frame[at : at + 4], "big") if flags & 1 else 0
            at += 4 if flags & 1 else 0
            return frames, int.from_bytes(frame[at : at + 4], "big") if flags & 2 else 0
    return 0, 0
