"""How many bytes of samples the header of a sound file claims: libsndfile quietly plays what is there.

Only what is needed to find that one number; WAV, RF64, AIFF, W64, AU and CAF. A claim that no file could mean (of a
program that wrote to a pipe and could not know) or that is a few bytes too large is mended, with a note; any other
that the file does not hold is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from convolens.errors import FormatError
from convolens.media.notes import note

_STREAMED = 0x7FFF0000  # programs that write to a pipe put the largest size there is, or about half of it
_ENDLESS = 1 << 62  # the same in formats that count in 64 bits
_FEW = 128  # bytes that a header may count too many: its own, a pad byte, a tag
_RF64_SIZE = 28  # where an RF64 says how long its samples are: in its first chunk, ds64
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"

Order = Literal["little", "big"]


class _Claim(NamedTuple):
    """What a header says of its samples; the stream is left at their start."""

    size: int | None  # None: up to the end, as some formats have it
    size_at: int | None = None  # where it says so, in formats of which libsndfile does not mend it
    order: Order = "little"
    width: int = 4  # bytes of the size there


def mended(file: Path) -> dict[int, bytes]:
    """Whether the samples that the header claims lie within the file; and what it should have said, at which offset.

    libsndfile itself mends a claim that is too large, but not one of 0, nor any of an RF64; a CAF that leaves it open,
    as its format allows, it refuses.

    Raises:
        FormatError: it claims more bytes than the file holds, or has no samples at all.
    """
    with file.open("rb") as stream:
        claim = _claimed(stream, file)
        start = stream.tell()
        held = file.stat().st_size - start
        if claim is None:
            return {}
        right = {} if claim.size_at is None else {claim.size_at: _number(held, claim)}
        if claim.size is None:
            return right
        if claim.size == 0 and claim.size_at is not None and not are_chunks(stream, claim.order):
            note(f"{file}: its header claims no samples, and {held} bytes of them follow; all are taken")
            return right
        if claim.size < held and claim.size_at is not None:
            stream.seek(start + claim.size + claim.size % 2)
            behind = held - claim.size
            if not are_chunks(stream, claim.order, rough=True):
                note(f"{file}: {behind} bytes behind the {claim.size} of samples that its header claims were left out")
    _check(claim.size, held, file)
    return right if claim.size > held and claim.width == 8 else {}


def _number(size: int, claim: _Claim) -> bytes:
    largest: int = 256**claim.width - 1
    return min(size, largest).to_bytes(claim.width, claim.order)


def _check(claimed: int, held: int, file: Path) -> None:
    if claimed <= held:
        return None
    if _STREAMED <= claimed <= 0xFFFFFFFF or claimed >= _ENDLESS:
        return note(
            f"{file}: its header leaves the length open, as programs do that write to a pipe; "
            f"all {held} bytes of samples are taken"
        )
    if claimed - held <= _FEW and held > 0:
        return note(
            f"{file}: its header claims {claimed} bytes of samples, {claimed - held} more than there are; "
            f"the {held} are taken"
        )
    raise FormatError(
        f"{file}: need the {claimed} bytes of samples that its header claims, got {held}; "
        "the file was cut short or its header is wrong"
    )


def _claimed(stream: BinaryIO, file: Path) -> _Claim | None:
    """What the header says, the stream left at the first sample; `None` where the format says nothing."""
    magic = stream.read(4)
    reader = _READERS.get(magic)
    if reader is None:
        return None
    claim = reader(stream, magic)
    if claim is None:
        raise FormatError(f"{file}: need samples behind its header, got none; the file was cut short")
    return claim


def _wav(stream: BinaryIO, magic: bytes) -> _Claim | None:
    if stream.seek(8) != 8 or stream.read(4) != b"WAVE":
        return _Claim(None)
    order: Order = "big" if magic == b"RIFX" else "little"
    for name, size in chunks(stream, order):
        if name == b"data":
            is_long = magic == b"RF64"
            return _Claim(size, _RF64_SIZE, order, 8) if is_long else _Claim(size, stream.tell() - 4, order)
    return None


def _aiff(stream: BinaryIO, magic: bytes) -> _Claim | None:
    stream.seek(8)
    if stream.read(4) not in (b"AIFF", b"AIFC"):
        return _Claim(None)
    for name, size in chunks(stream, "big"):
        if name == b"SSND":
            return _Claim(size)  # with 8 bytes of its own in front of the samples, of which the stream stands before
        if name == b"COMM" and int.from_bytes(stream.read(6)[2:], "big") == 0:
            return _Claim(None)  # of no samples, it may have no such chunk
    return None


def _w64(stream: BinaryIO, magic: bytes) -> _Claim | None:
    stream.seek(40)
    while len(head := stream.read(24)) == 24:
        size = int.from_bytes(head[16:], "little") - 24
        if head[:16] == _W64_DATA:
            return _Claim(size)
        if size < 0:
            return None
        stream.seek(-(-size // 8) * 8, 1)
    return None


def _au(stream: BinaryIO, magic: bytes) -> _Claim | None:
    order: Order = "little" if magic == b"dns." else "big"
    start, size = (int.from_bytes(stream.read(4), order) for _ in range(2))
    stream.seek(start)
    return _Claim(None if size == 0xFFFFFFFF else size)  # which the format has for "up to the end"


def _caf(stream: BinaryIO, magic: bytes) -> _Claim | None:
    stream.seek(8)
    while len(head := stream.read(12)) == 12:
        size = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            return _Claim(None, stream.tell() - 8, "big", 8) if size == -1 else _Claim(size)  # -1: up to the end
        if size < 0:
            return None
        stream.seek(size, 1)
    return None


def are_chunks(stream: BinaryIO, order: Order, *, rough: bool = False) -> bool:
    """Whether nothing but chunks follows, up to the end: names of letters, sizes that fit.

    Args:
        stream: stands where the first would begin.
        order: of the bytes of a size.
        rough: let less than a chunk's head be left over at the end.
    """
    start = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(start)
    while end - stream.tell() >= 8:
        head = stream.read(8)
        size = int.from_bytes(head[4:], order)
        if not head[:4].isascii() or not head[:4].decode("ascii").isprintable() or size > end - stream.tell():
            return False
        stream.seek(size + size % 2, 1)
    return rough or end - stream.tell() <= 0


def chunks(stream: BinaryIO, order: Order) -> Iterator[tuple[bytes, int]]:
    """Names and sizes from here on; the stream stands at each chunk's content while it is looked at.

    An RF64's samples have the size that its chunk ds64 tells, where their own leaves it open.
    """
    long_size = 0
    while len(head := stream.read(8)) == 8:
        size, start = int.from_bytes(head[4:], order), stream.tell()
        if head[:4] == b"ds64":
            long_size = int.from_bytes(stream.read(16)[8:], "little")
            stream.seek(start)
        if head[:4] == b"data" and size == 0xFFFFFFFF and long_size:
            size = long_size
        yield head[:4], size
        stream.seek(start + size + size % 2)


_READERS: dict[bytes, Callable[[BinaryIO, bytes], _Claim | None]] = {
    b"RIFF": _wav,
    b"RIFX": _wav,
    b"RF64": _wav,
    b"FORM": _aiff,
    b"riff": _w64,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
}
