"""MP3, GIF, BMP and HDF5 as their parts: frames, blocks, fields of headers, addresses; `containers` has the others."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from tests.fuzz.containers import Chunk
from tests.fuzz.mutators import INTERESTING, damaged

# Kilobits a second and frames a second of layer III: MPEG 1, and 2 and 2.5.
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_FRAMES = {3: (44100, 48000, 32000, 0), 2: (22050, 24000, 16000, 0), 0: (11025, 12000, 8000, 0), 1: (0, 0, 0, 0)}


def split_mp3(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of an MP3: a tag in front, whose name is its head; frames, likewise; and what is behind them."""
    at, chunks = 0, list[Chunk]()
    if data[:3] == b"ID3":
        size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(data[6:10])))
        chunks.append(Chunk(data[:10], data[10 : 10 + size]))
        at = 10 + size
    while length := _frame_bytes(data[at : at + 4]):
        chunks.append(Chunk(data[at : at + 4], data[at + 4 : at + length]))
        at += length
    return b"", [*chunks, Chunk(b"", data[at:])]


def _frame_bytes(head: bytes) -> int:
    """How long a frame with this head is; 0 for what is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # in step, and layer III
        return 0
    version, padding = head[1] >> 3 & 3, head[2] >> 1 & 1
    rate, frames = (_RATES_1 if version == 3 else _RATES_2)[head[2] >> 4], _FRAMES[version][head[2] >> 2 & 3]
    return (144 if version == 3 else 72) * rate * 1000 // frames + padding if rate and frames else 0


def join_mp3(head: bytes, chunks: list[Chunk]) -> bytes:
    """The tag says how long it is; a frame's length is in its head: a lie about it is another bit rate there."""
    out = [head]
    for one in chunks:
        name = bytearray(one.name)
        if name[:3] == b"ID3" and len(name) == 10:
            size = one.claimed()
            name[6:10] = bytes(size >> 7 * place & 0x7F for place in (3, 2, 1, 0))
        elif len(name) == 4 and one.size is not None:
            name[2] = name[2] & 0x0F | (one.size & 0x0F) << 4
        out += [bytes(name), one.data]
    return b"".join(out)


def split_gif(data: bytes) -> tuple[bytes, list[Chunk]]:
    """Of a GIF: its head with the palette; extensions and frames, whose names are all that stands before their data."""
    at = 13 + _palette_bytes(data[10]) if len(data) > 10 else len(data)
    head, chunks = data[:at], list[Chunk]()
    while at < len(data) and data[at] in (0x21, 0x2C):
        begin = at + 2 if data[at] == 0x21 else at + 11 + _palette_bytes(data[at + 9] if at + 9 < len(data) else 0)
        if data[at : at + 2] == b"!\xff":  # of an application, whose name is a block of its own
            begin += 1 + data[begin]
        name, at, content = data[at:begin], begin, b""
        while at < len(data) and data[at]:
            content += data[at + 1 : at + 1 + data[at]]
            at += 1 + data[at]
        at += 1
        chunks.append(Chunk(name, content))
    return head, [*chunks, Chunk(b"", data[at:])]


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def join_gif(head: bytes, chunks: list[Chunk]) -> bytes:
    """The data in blocks of at most 255 bytes, the first of which may lie."""
    out = [head]
    for one in chunks:
        if not one.name:
            out.append(one.data)
            continue
        blocks = bytearray()
        for at in range(0, len(one.data), 255):
            part = one.data[at : at + 255]
            blocks += bytes([len(part)]) + part
        if blocks and one.size is not None:
            blocks[0] = one.size & 0xFF
        out += [one.name, bytes(blocks), b"\0"]
    return b"".join(out)


# Where fields stand: offset and bytes. A BMP's, from where its second header begins: its own size, width, height,
# planes, bits, kind of compression, bytes, dots a meter twice, colors, masks.
_BMP = ((0, 4), (4, 4), (8, 4), (12, 2), (14, 2), (16, 4), (20, 4), (24, 4), (28, 4), (32, 4), (36, 4), (40, 4))


def change_plain(data: bytes, luck: Random) -> bytes:
    """A field of a BMP's headers; a number of a PNM's; of the others a field of the head, or any bytes."""
    if luck.random() < 0.3:
        return damaged(data, luck)
    if data[:2] == b"BM":
        fields = ((2, 4), (10, 4), *((14 + at, size) for at, size in _BMP))
        return _change_field(data, fields, luck)
    if data[:4] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return _change_field(data, _BMP, luck)
    if data[:1] == b"P" and data[1:2].isalnum() and b"\n" in data[:20]:
        return _change_number(data, luck)
    fields = tuple((at, size) for size in (1, 2, 4) for at in range(0, min(len(data), 128) - size, size))
    return _change_field(data, fields, luck)


def _change_field(data: bytes, fields: Sequence[tuple[int, int]], luck: Random) -> bytes:
    out = bytearray(data)
    for _ in range(luck.choice((1, 1, 2, 3))):
        at, size = luck.choice(fields)
        before = int.from_bytes(data[at : at + size], "little")
        value = luck.choice((*INTERESTING, before + 1, before - 1, 2 * before, -before, luck.randrange(33),
                             1, 4, 8, 16, 24, 32, len(data), len(data) - 1, luck.randrange(70_000)))  # fmt: skip
        out[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(out)


def _change_number(data: bytes, luck: Random) -> bytes:
    words = data[:30].split(b" ")
    at = luck.randrange(len(words))
    words[at] = luck.choice((b"0", b"-1", b"65536", b"99999999999", b"1e3", b"#", b"\n", b"nan", b"255", b"3"))
    return b" ".join(words) + data[30:]


_SIGNATURES = (b"TREE", b"SNOD", b"HEAP", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF", b"BTIN",
               b"GCOL", b"FADB", b"FAHD", b"EAHD", b"\x89HDF")  # fmt: skip


def change_hdf5(data: bytes, luck: Random) -> bytes:
    """Addresses that lead elsewhere, also in circles; fields behind a structure's name; a structure moved or doubled.

    What has a checksum (the newer structures) gets the right one again, four times in five.
    """
    if luck.random() < 0.25:
        return damaged(data, luck)
    out = bytearray(data)
    for _ in range(luck.choice((1, 1, 1, 2, 3))):
        luck.choice((_change_address, _change_address, _change_behind_a_name, _change_places))(out, luck)
    return _with_checksums(bytes(out)) if luck.random() < 0.8 else bytes(out)


def _structures(data: bytes | bytearray) -> list[int]:
    """Where structures that say their names begin."""
    return [at for at in range(0, len(data) - 8, 4) if bytes(data[at : at + 4]) in _SIGNATURES]


def _change_address(out: bytearray, luck: Random) -> None:
    """One of the numbers that could be an address."""
    places = [at for at in range(0, len(out) - 8, 4) if 0 < int.from_bytes(out[at : at + 8], "little") < len(out)]
    at = luck.choice(places or [0])
    targets = (*_structures(out), *_structures(out), 0, at, len(out), len(out) - 8, (1 << 64) - 1, 1 << 63, 1 << 32)
    out[at : at + 8] = luck.choice(targets).to_bytes(8, "little")


def _change_behind_a_name(out: bytearray, luck: Random) -> None:
    at, size = luck.choice(_structures(out) or [0]) + 4 + luck.randrange(60), luck.choice((1, 2, 4, 8))
    value = luck.choice((*INTERESTING, luck.randrange(300), len(out))) & (1 << 8 * size) - 1
    if at + size <= len(out):
        out[at : at + size] = value.to_bytes(size, "little")


def _change_places(out: bytearray, luck: Random) -> None:
    """One structure's beginning in the place of another's."""
    structures = _structures(out) or [0]
    one, other, size = luck.choice(structures), luck.choice(structures), luck.choice((24, 64, 200))
    part = out[one : one + size]
    out[other : other + len(part)] = part[: len(out) - other]


def _with_checksums(data: bytes) -> bytes:
    """Superblocks of versions 2 and 3, and object headers of version 2, with the checksums of what they hold now."""
    out = bytearray(data)
    for at in _structures(data):
        if out[at : at + 4] == b"\x89HDF" and out[at + 8 : at + 9] in (b"\2", b"\3"):
            end = at + 44
        elif out[at : at + 5] == b"OHDR\2" and at + 6 < len(out):
            end = _header_end(out, at)
        else:
            continue
        if end + 4 <= len(out):
            out[end : end + 4] = lookup3(bytes(out[at:end])).to_bytes(4, "little")
    return bytes(out)


def _header_end(data: bytearray, at: int) -> int:
    """Where an object header's checksum stands."""
    flags = data[at + 5]
    begin = at + 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
    width = 1 << (flags & 3)
    return begin + width + int.from_bytes(data[begin : begin + width], "little")


def lookup3(data: bytes) -> int:
    """Bob Jenkins's hash, which is HDF5's checksum.

    >>> hex(lookup3(b"Four score and seven years ago"))
    '0x17770551'
    """
    mask = 0xFFFFFFFF

    def turned(value: int, by: int) -> int:
        return (value << by | value >> 32 - by) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    blocks = [data[at : at + 12] for at in range(0, len(data), 12)]
    for number, block in enumerate(blocks):
        x, y, z = struct.unpack("<III", block.ljust(12, b"\0"))
        a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
        if number < len(blocks) - 1:
            for by in (4, 6, 8, 16, 19, 4):
                a = (a - c & mask) ^ turned(c, by)
                c = c + b & mask
                a, b, c = b, c, a
        else:
            for by in (14, 11, 25, 16, 4, 14, 24):
                c = ((c ^ b) - turned(b, by)) & mask
                a, b, c = b, c, a
            a, b, c = c, a, b
    return c
