"""The parts of sound files that are no samples, as they are there: chunks of WAV and AIFF, blocks of FLAC, ID3.

Read with a limit on their size, and written into a finished file of the same kind.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from convolens.errors import FormatError
from convolens.media import audio_id3, audio_ogg
from convolens.media.audio_headers import Order, are_chunks, chunks
from convolens.media.audio_mp3 import synchsafe

_MOST = 64 << 20  # bytes of all parts: a cover is 5 MB
_PIECE = 1 << 20
# Chunks that describe the samples' own encoding, or nothing.
_STRUCTURE = {b"fmt ", b"data", b"fact", b"ds64", b"PEAK", b"JUNK", b"junk", b"PAD ", b"FLLR", b"FVER", b"COMM",
              b"SSND"}  # fmt: skip
_WORDS = {
    "cue ": "cue points", "smpl": "loops (smpl)", "bext": "broadcast data (bext)", "LIST adtl": "names of cue points",
    "inst": "instrument", "INST": "instrument", "MARK": "markers", "id3 ": "", "ID3 ": "",
    "CHAN": "speakers", "LIST INFO": "", "NAME": "", "AUTH": "", "ANNO": "", "(c) ": "",
}  # fmt: skip
# Texts of a WAV that libsndfile reads, or that tell of the program that wrote it.
_INFO_KNOWN = {b"INAM", b"IART", b"ICMT", b"ICRD", b"IGNR", b"IPRD", b"ITRK", b"ICOP", b"ISFT", b"IPRT"}
_MASK = re.compile("0[xX][0-9a-fA-F]{1,8}")  # of loudspeakers, in a FLAC's comments
_FLAC_COMMENTS, _FLAC_PICTURE = 4, 6
_FLAC_KEPT = {2: "application data", 4: "", 5: "cue sheet", 6: "cover picture"}


class Part(NamedTuple):
    """One part of a file: what people call it (nothing for plain tags), and its bytes, head included."""

    name: str
    data: bytes


class Parts(NamedTuple):
    """What a file has beside its samples."""

    parts: tuple[Part, ...] = ()
    names: tuple[str, ...] = ()  # of tags in them, as the format calls them
    speakers: int | None = None
    tags: Mapping[str, str] = MappingProxyType({})  # that libsndfile may not read, by names that many formats have


def read(file: Path, kind: str) -> Parts:
    """The parts of a file of this kind.

    Raises:
        FormatError: they are larger than the limit.
    """
    reader = _READERS.get(kind)
    if reader is None:
        return Parts()
    with file.open("rb") as stream:
        found = reader(stream)
    if sum(len(part.data) for part in found.parts) > _MOST:
        raise FormatError(f"{file}: need at most {_MOST:,} bytes beside the samples, got more")
    return found


def _read_some(stream: BinaryIO, size: int) -> bytes:
    return stream.read(min(size, _MOST + 1))


def _of_wav(stream: BinaryIO) -> Parts:
    order: Order = "big" if stream.read(4) == b"RIFX" else "little"
    found, names, speakers, tags = [], list[str](), None, dict[str, str]()
    for name, size, data in _chunk_data(stream, order):
        if name == b"fmt ":
            is_extensible = size >= 40 and int.from_bytes(data[:2], order) == 0xFFFE
            speakers = (int.from_bytes(data[20:24], order) or None) if is_extensible else None
        elif name not in _STRUCTURE and order == "little":
            label = name.decode("latin-1") + (f" {data[:4].decode('latin-1')}" if name == b"LIST" else "")
            found.append(Part(_WORDS.get(label, f"chunk {label.strip()!r}"), _chunk(name, data, order)))
            if label == "LIST INFO":
                names += _read_info(data, tags)
            names += _read_id3(name, data, tags)
    return Parts(tuple(found), tuple(names), speakers, tags)


def _read_info(info: bytes, tags: dict[str, str]) -> list[str]:
    """The names of a WAV's texts that nothing else has a place for; a track's number is added to the tags."""
    stream, names = io.BytesIO(info[4:]), []
    for name, size in chunks(stream, "little"):
        if name == b"IPRT":  # as most programs call it; libsndfile knows ITRK
            tags["tracknumber"] = stream.read(size).split(b"\0")[0].decode("utf-8", "replace")
        elif name not in _INFO_KNOWN:
            names.append(f"text {name.decode('latin-1')!r}")
    return names


def _read_id3(name: bytes, data: bytes, tags: dict[str, str]) -> list[str]:
    """Of a chunk of ID3 the names that nothing else has a place for; the others are added to the tags."""
    if name.lower() != b"id3 ":
        return []
    found = audio_id3.read(data)
    tags |= found.tags
    return list(found.names)


def _of_aiff(stream: BinaryIO) -> Parts:
    found, names, tags = [], list[str](), dict[str, str]()
    for name, _, data in _chunk_data(stream, "big"):
        if name not in _STRUCTURE:
            label = name.decode("latin-1")
            found.append(Part(_WORDS.get(label, f"chunk {label.strip()!r}"), _chunk(name, data, "big")))
            names += _read_id3(name, data, tags)
    return Parts(tuple(found), tuple(names), tags=tags)


def _chunk_data(stream: BinaryIO, order: Order) -> Iterator[tuple[bytes, int, bytes]]:
    """Names, sizes and contents, but for those of the samples; what follows these and is no chunk is left out."""
    held, total = os.fstat(stream.fileno()).st_size, 0
    stream.seek(12)
    for name, size in chunks(stream, order):
        if name in (b"data", b"SSND"):
            yield name, size, b""
            start = stream.tell()
            stream.seek(min(start + size + size % 2, held))
            if not are_chunks(stream, order, rough=True):
                return
            stream.seek(start)
            continue
        data = _read_some(stream, min(size, held))
        total += len(data)
        yield name, size, data
        if total > _MOST:
            return


def _chunk(name: bytes, data: bytes, order: Order) -> bytes:
    return name + len(data).to_bytes(4, order) + data + bytes(len(data) % 2)


def _of_flac(stream: BinaryIO) -> Parts:
    found, names, speakers, tags = [], list[str](), None, dict[str, str]()
    for kind, block in _flac_blocks(stream):
        if kind in _FLAC_KEPT:
            found.append(Part(_FLAC_KEPT[kind], block))
        if kind == _FLAC_COMMENTS:
            comments = vorbis_comments(block[4:])
            names += list(comments)
            tags |= comments
            mask = comments.get("WAVEFORMATEXTENSIBLE_CHANNEL_MASK", "")
            speakers = int(mask, 16) if _MASK.fullmatch(mask) else None
    return Parts(tuple(found), tuple(names), speakers, tags)


def _flac_blocks(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Kinds and blocks, heads included; the stream ends where the sound begins."""
    at, total = _flac_begin(stream), 0
    while total <= _MOST:
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4:
            return
        data = stream.read(int.from_bytes(head[1:], "big"))
        total += len(data)
        yield head[0] & 0x7F, head + data
        at += 4 + len(data)
        if head[0] & 0x80:
            return


def _flac_begin(stream: BinaryIO) -> int:
    """Behind the signature, which an ID3 tag may precede."""
    stream.seek(0)
    head = stream.read(10)
    return 4 + (10 + synchsafe(head[6:]) if head[:3] == b"ID3" else 0)


def vorbis_comments(data: bytes) -> dict[str, str]:
    """The tags of a FLAC or OGG by their names in capitals (Vorbis I, section 5); those that can be read."""
    found: dict[str, str] = {}
    at = 4 + int.from_bytes(data[:4], "little")
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    for _ in range(min(count, len(data) // 4)):
        size = int.from_bytes(data[at : at + 4], "little")
        name, equals, text = data[at + 4 : at + 4 + size].decode("utf-8", "replace").partition("=")
        if equals:
            name = name.upper()
            found[name] = f"{found[name]}; {text}" if name in found else text
        at += 4 + size
    return found


def _of_mp3(stream: BinaryIO) -> Parts:
    head = stream.read(10)
    if head[:3] != b"ID3":
        return Parts()
    tag = head + _read_some(stream, synchsafe(head[6:]))
    found = audio_id3.read(tag)
    return Parts((Part("", tag),), found.names, tags=found.tags)


def _of_ogg(stream: BinaryIO) -> Parts:
    packet = audio_ogg.second_packet(stream)
    start = {b"\x03vorbis": 7, b"OpusTag": 8}.get(packet[:7])
    names = vorbis_comments(packet[start:]) if start else {}
    shown = tuple("cover picture" if name == "METADATA_BLOCK_PICTURE" else name for name in names)
    return Parts(names=shown, tags={name: text for name, text in names.items() if name != "METADATA_BLOCK_PICTURE"})


_READERS: dict[str, Callable[[BinaryIO], Parts]] = {
    "WAV": _of_wav, "AIFF": _of_aiff, "FLAC": _of_flac, "MP3": _of_mp3, "OGG": _of_ogg,
}  # fmt: skip


def add(file: Path, kind: str, parts: tuple[Part, ...]) -> None:
    """Puts the parts into a finished file of their kind."""
    data = b"".join(part.data for part in parts)
    if kind == "FLAC":
        _add_flac_blocks(file, [part.data for part in parts])
    elif kind == "MP3":
        _insert(file, 0, 0, data)
    else:
        _append_chunks(file, data, "big" if kind == "AIFF" else "little")


def _append_chunks(file: Path, data: bytes, order: Order) -> None:
    with file.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.write(bytes(size % 2) + data)
        size += size % 2 + len(data)
        stream.seek(0)
        if stream.read(4) == b"RF64":
            stream.seek(20)  # the first number of ds64, the first chunk
            stream.write((size - 8).to_bytes(8, "little"))
        else:
            stream.seek(4)
            stream.write((size - 8).to_bytes(4, order))


def set_speakers(file: Path, mask: int) -> None:
    """Into the format chunk of a WAV that was written with one (WAVEFORMATEXTENSIBLE)."""
    with file.open("r+b") as stream:
        stream.seek(12)
        for name, size in chunks(stream, "little"):
            if name == b"fmt " and size >= 40:
                stream.seek(20, os.SEEK_CUR)
                stream.write(mask.to_bytes(4, "little"))
                return


def _add_flac_blocks(file: Path, blocks: list[bytes]) -> None:
    """In place of the file's own tags, behind its first block, which tells of the samples."""
    with file.open("rb") as stream:
        own = list(_flac_blocks(stream))
    has_comments = any(block[0] & 0x7F == _FLAC_COMMENTS for block in blocks)
    kept = [block for kind, block in own[1:] if kind != 1 and not (kind == _FLAC_COMMENTS and has_comments)]
    wanted = [own[0][1], *blocks, *kept]
    marked = [bytes([block[0] & 0x7F | (0x80 if at == len(wanted) - 1 else 0)]) + block[1:]
              for at, block in enumerate(wanted)]  # fmt: skip
    _insert(file, 4, sum(len(block) for _, block in own), b"".join(marked))


def _insert(file: Path, at: int, removed: int, data: bytes) -> None:
    """Puts the data in place of some bytes of the file, in constant memory: what follows is moved from its end on."""
    with file.open("r+b") as stream:
        end, shift = stream.seek(0, os.SEEK_END), len(data) - removed
        start = at + removed
        places = range(start, end, _PIECE)
        for place in reversed(places) if shift > 0 else places:
            stream.seek(place)
            piece = stream.read(min(_PIECE, end - place))
            stream.seek(place + shift)
            stream.write(piece)
        stream.seek(at)
        stream.write(data)
        stream.truncate(end + shift)
