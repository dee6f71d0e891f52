"""Files as the chunks that they are made of: taken apart, one changed, and put together again as a writer would.

What only damages bytes is found by a checksum or a size that no longer fits, and never reaches what lies behind. So the
sizes and checksums here fit again, but for those that were meant to be wrong.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.fuzz.mutators import INTERESTING, damaged


@dataclass(frozen=True)
class Chunk:
    """A named part of a file.

    Attributes:
        name: as the file has it.
        data: its content.
        size: what the file says of the content's size, where that is a lie.
        right: whether its checksum fits.
    """

    name: bytes
    data: bytes
    size: int | None = None
    right: bool = True

    def claimed(self, bits: int = 32) -> int:
        """The size that the file says."""
        return (len(self.data) if self.size is None else self.size) & ((1 << bits) - 1)


Split = Callable[[bytes], tuple[bytes, list[Chunk]]]
Join = Callable[[bytes, list[Chunk]], bytes]


def change_chunks(split: Split, join: Join) -> Callable[[bytes, Random], bytes]:
    """A mutator: the bytes anywhere, or one or two of the chunks and what stands before them."""

    def change(data: bytes, luck: Random) -> bytes:
        if luck.random() < 0.25:
            return damaged(data, luck)
        head, chunks = split(data)
        for _ in range(luck.choice((1, 1, 2))):
            if luck.random() < 0.1 and head:
                head = damaged(head, luck)
            elif chunks:
                chunks = _change(chunks, luck)
        return join(head, chunks)

    return change


def _change(chunks: list[Chunk], luck: Random) -> list[Chunk]:
    at, way = luck.randrange(len(chunks)), luck.random()
    one = chunks[at]
    if way < 0.5:
        data = _content(one.data, luck) if one.data else luck.randbytes(luck.choice((1, 4, 50)))
        return [*chunks[:at], replace(one, data=data, right=luck.random() < 0.8), *chunks[at + 1 :]]
    if way < 0.65:
        size = luck.choice((*INTERESTING, len(one.data) - 1, len(one.data) + 1, 2 * len(one.data)))
        return [*chunks[:at], replace(one, size=size), *chunks[at + 1 :]]
    if way < 0.75:
        return chunks[:at] + chunks[at + 1 :]
    if way < 0.85:
        other = luck.randrange(len(chunks))
        return [*chunks[:other], *[one] * luck.choice((1, 1, 1, 40)), *chunks[other:]]
    if way < 0.93:
        name = luck.choice([chunk.name for chunk in chunks] + [luck.randbytes(len(one.name)), bytes(len(one.name))])
        return [*chunks[:at], replace(one, name=name), *chunks[at + 1 :]]
    other = luck.randrange(len(chunks))
    moved = list(chunks)
    moved[at], moved[other] = moved[other], moved[at]
    return moved


def _content(data: bytes, luck: Random) -> bytes:
    """The content changed, more often where its fields are."""
    if luck.random() < 0.6 and len(data) > 64:
        return damaged(data[:64], luck) + data[64:]
    return damaged(data, luck)


def split_png(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of a PNG."""
    at, chunks = 8, []
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append(Chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return data[:8], chunks


def join_png(head: bytes, chunks: list[Chunk]) -> bytes:
    """With checksums."""
    out = [head]
    for one in chunks:
        check = zlib.crc32(one.name + one.data) ^ (not one.right)
        out.append(struct.pack(">I", one.claimed()) + one.name + one.data + struct.pack(">I", check))
    return b"".join(out)


def split_riff(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of a WAV, RF64, WebP or AIFF: a name, the size of all, a kind, then chunks of even length."""
    order = ">I" if data[:4] in (b"FORM", b"RIFX") else "<I"
    at, chunks = 12, []
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(order, data, at + 4)
        size = min(size, len(data) - at - 8)
        chunks.append(Chunk(data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return data[:12], chunks


def join_riff(head: bytes, chunks: list[Chunk]) -> bytes:
    """With the size of all where the head leaves it to the chunks."""
    order = ">I" if head[:4] in (b"FORM", b"RIFX") else "<I"
    body = b"".join(
        one.name + struct.pack(order, one.claimed()) + one.data + bytes(len(one.data) % 2) for one in chunks
    )
    if len(head) == 12 and head[:4] != b"RF64":
        head = head[:4] + struct.pack(order, 4 + len(body)) + head[8:]
    return head + body


def split_flac(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of a FLAC: its blocks of metadata, and the frames as one."""
    at, chunks, last = 4, list[Chunk](), False
    while not last and at + 4 <= len(data):
        last, size = bool(data[at] & 0x80), int.from_bytes(data[at + 1 : at + 4], "big")
        chunks.append(Chunk(bytes([data[at] & 0x7F]), data[at + 4 : at + 4 + size]))
        at += 4 + size
    return data[:4], [*chunks, Chunk(b"", data[at:])]


def join_flac(head: bytes, chunks: list[Chunk]) -> bytes:
    """The last block of metadata says that it is."""
    blocks = [one for one in chunks if one.name]
    out = [head]
    for one in chunks:
        if one.name:
            last = 0x80 if blocks and one is blocks[-1] else 0
            out.append(bytes([one.name[0] & 0x7F | last]) + one.claimed(24).to_bytes(3, "big"))
        out.append(one.data)
    return b"".join(out)


def _ogg_entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ 0x04C11DB7 * (value >> 31)) & 0xFFFFFFFF
    return value


_OGG_TABLE = [_ogg_entry(byte) for byte in range(256)]


def _ogg_check(page: bytes) -> int:
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ _OGG_TABLE[value >> 24 ^ byte]
    return value


def split_ogg(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of an OGG: pages, the names of which are their heads."""
    at, chunks = 0, []
    while data[at : at + 4] == b"OggS":
        head = 27 + data[at + 26]
        size = sum(data[at + 27 : at + head])
        chunks.append(Chunk(data[at : at + head], data[at + head : at + head + size]))
        at += head + size
    return b"", chunks


def join_ogg(head: bytes, chunks: list[Chunk]) -> bytes:
    """With checksums, and sizes where the content still has the length that the head says."""
    out = [head]
    for one in chunks:
        page = bytearray(one.name + one.data)
        if len(one.name) >= 27:
            page[22:26] = bytes(4)
            page[22:26] = (_ogg_check(bytes(page)) ^ (not one.right)).to_bytes(4, "little")
            if one.size is not None:
                page[26] = one.size & 0xFF
        out.append(bytes(page))
    return b"".join(out)


_BOXES_OF_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"iprp", b"ipco", b"jp2h"}
_BOXES_OF_BOXES |= {b"meta", b"iinf"}


def split_boxes(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of MP4, HEIC, AVIF, JP2, boxed JPEG XL."""
    at, chunks = 0, []
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        size = size if 8 <= size <= len(data) - at else len(data) - at
        chunks.append(Chunk(data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    return b"", chunks


def join_boxes(head: bytes, chunks: list[Chunk]) -> bytes:
    """A size counts its own head."""
    return head + b"".join(
        struct.pack(">I", (one.claimed() + 8) & 0xFFFFFFFF if one.size is None else one.claimed()) + one.name + one.data
        for one in chunks
    )


def change_boxes(data: bytes, luck: Random) -> bytes:
    """One box at any depth, the sizes of those around it fitting again."""
    if luck.random() < 0.2:
        return damaged(data, luck)
    head, chunks = split_boxes(data)
    inside = [at for at, one in enumerate(chunks) if one.name in _BOXES_OF_BOXES and len(one.data) > 8]
    if not inside or luck.random() < 0.3:
        return join_boxes(head, _change(chunks, luck)) if chunks else damaged(data, luck)
    at = luck.choice(inside)
    own = {b"meta": 4, b"iinf": 6}.get(chunks[at].name, 0)
    content = chunks[at].data
    chunks[at] = replace(chunks[at], data=content[:own] + change_boxes(content[own:], luck))
    return join_boxes(head, chunks)


def split_jpeg(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of a JPEG: its segments, then the scans as one."""
    at, chunks = 2, []
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xD9:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        chunks.append(Chunk(data[at : at + 2], data[at + 4 : at + 2 + size]))
        at += 2 + size
        if chunks[-1].name == b"\xff\xda":
            break
    return data[:2], [*chunks, Chunk(b"", data[at:])]


def join_jpeg(head: bytes, chunks: list[Chunk]) -> bytes:
    """A size counts itself."""
    out = [head]
    for one in chunks:
        out.append(one.name + struct.pack(">H", (one.claimed(16) + 2) & 0xFFFF) if one.name else b"")
        out.append(one.data)
    return b"".join(out)


def change_tiff(data: bytes, luck: Random) -> bytes:
    """One field of a directory: its tag, type, count, value, or where the next directory is."""
    if luck.random() < 0.25:
        return damaged(data, luck)
    out = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    at, size = at + (8 if big else 2), 20 if big else 12
    for _ in range(luck.choice((1, 1, 2, 3))):
        field = at + size * luck.randrange(count + 1)
        values = (
            *INTERESTING,
            luck.randrange(65536),
            luck.randrange(300),
            len(data),
            at,
            254,
            256,
            257,
            258,
            259,
            262,
            277,
        )
        value = luck.choice(values)
        if field == at + size * count:
            struct.pack_into(order + "I", out, field, luck.choice((at - 2, value & 0xFFFFFFFF)))
            continue
        part = luck.choice(("tag", "type", "count", "value", "value", "value"))
        if part in ("tag", "type"):
            value = luck.randrange(20) if part == "type" else value
            struct.pack_into(order + "H", out, field + (2 if part == "type" else 0), value & 0xFFFF)
        else:
            where = field + (4 if part == "count" else size // 2 + 2)
            struct.pack_into(order + luck.choice("IH"), out, where, value & 0xFFFF)
    return bytes(out)
