"""The pages of an OGG file: whether the last one ends the stream, and what stands behind the first stream.

libsndfile plays the first stream up to the last whole page, and says nothing of a file cut short or of further streams,
as recordings of radio have one for each song.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_HEAD = 27
_BEGINS, _ENDS = 2, 4  # flags of a page


class Page(NamedTuple):
    """One page, by its header alone."""

    begin: int
    end: int
    flags: int
    sizes: bytes  # of the segments


class Pages(NamedTuple):
    """What the pages of a file say of it."""

    cut: bool  # the file ends inside a page
    ended: bool  # the last page says that it ends its stream
    begins: tuple[int, ...]  # of the streams that stand one behind the other


def pages(file: BinaryIO) -> Iterator[Page]:
    """The pages in order, also the one that the file's end cuts off; up to what is none."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(_HEAD)
        if len(head) < _HEAD or head[:4] != b"OggS":
            return
        sizes = file.read(head[26])
        end = at + _HEAD + head[26] + sum(sizes)
        yield Page(at, end, head[5], sizes)
        at = end


def look(file: BinaryIO) -> Pages:
    """Goes through all page headers, a seek and a read for each."""
    held = file.seek(0, os.SEEK_END)
    last, places, begun = None, list[int](), False
    for page in pages(file):
        begins = bool(page.flags & _BEGINS)
        if begins and not begun:  # several streams side by side begin together
            places.append(page.begin)
        last, begun = page, begins
    if last is None:
        return Pages(cut=False, ended=True, begins=(0,))
    rest = held - last.end
    return Pages(cut=rest < 0 or 0 < rest < _HEAD, ended=bool(last.flags & _ENDS), begins=tuple(places))


def second_packet(file: BinaryIO, most: int = 64 << 20) -> bytes:
    """The packet of comments, which begins the second page; what of it lies in the file."""
    packet, begun = b"", False
    for page in pages(file):
        if not begun:
            begun = True
            continue
        file.seek(page.begin + _HEAD + len(page.sizes))
        for size in page.sizes:
            packet += file.read(size)
            if size < 255 or len(packet) > most:
                return packet
    return packet
