"""How many bytes of samples the header of a sound file claims: libsndfile quietly plays what is there.

Only what is needed to find that one number; WAV, RF64, AIFF, W64, AU and CAF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from convolens.errors import FormatError

_STREAMED = 0x7FFF0000  # programs that write to a pipe put the largest size there is, or about half of it
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"

Order = Literal["little", "big"]


def check_length(file: Path) -> None:
    """Whether the samples that the header claims lie within the file.

    Raises:
        FormatError: it claims more bytes than the file holds.
    """
    with file.open("rb") as stream:
        claimed = _claimed(stream)
        held = file.stat().st_size - stream.tell()
    if claimed is None or claimed <= held:
        return
    reason = "the file was cut short or its header is wrong"
    if _STREAMED <= claimed <= 0xFFFFFFFF:
        reason = (
            "the file was cut short, or it was written to a pipe by a program that could not know its length: "
            "have that program write a file"
        )
    raise FormatError(f"{file}: need the {claimed} bytes of samples that its header claims, got {held}; {reason}")


def _claimed(stream: BinaryIO) -> int | None:
    """The size that the header gives its samples, the stream left at their start; `None` where it gives none."""
    magic = stream.read(4)
    reader = _READERS.get(magic)
    return reader(stream, magic) if reader else None


def _wav(stream: BinaryIO, magic: bytes) -> int | None:
    if stream.seek(8) != 8 or stream.read(4) != b"WAVE":
        return None
    order: Order = "big" if magic == b"RIFX" else "little"
    long_size = 0
    for name, size in _chunks(stream, order, pad=2):
        if name == b"data":
            return long_size if magic == b"RF64" and size == 0xFFFFFFFF else size
        if name == b"ds64":
            long_size = int.from_bytes(stream.read(16)[8:], "little")
    return None


def _aiff(stream: BinaryIO, magic: bytes) -> int | None:
    stream.seek(12)
    for name, size in _chunks(stream, "big", pad=2):
        if name == b"SSND":
            return size  # with 8 bytes of its own in front of the samples, of which the stream stands before
    return None


def _w64(stream: BinaryIO, magic: bytes) -> int | None:
    stream.seek(40)
    while len(head := stream.read(24)) == 24:
        size = int.from_bytes(head[16:], "little") - 24
        if head[:16] == _W64_DATA:
            return size
        if size < 0:
            return None
        stream.seek(-(-size // 8) * 8, 1)
    return None


def _au(stream: BinaryIO, magic: bytes) -> int | None:
    order: Order = "little" if magic == b"dns." else "big"
    start, size = (int.from_bytes(stream.read(4), order) for _ in range(2))
    stream.seek(start)
    return None if size == 0xFFFFFFFF else size  # which the format has for "up to the end"


def _caf(stream: BinaryIO, magic: bytes) -> int | None:
    stream.seek(8)
    while len(head := stream.read(12)) == 12:
        size = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            return None if size == -1 else size  # -1: up to the end
        if size < 0:
            return None
        stream.seek(size, 1)
    return None


def _chunks(stream: BinaryIO, order: Order, *, pad: int) -> Iterator[tuple[bytes, int]]:
    """Names and sizes; the stream stands at each chunk's content while it is looked at."""
    while len(head := stream.read(8)) == 8:
        size, start = int.from_bytes(head[4:], order), stream.tell()
        yield head[:4], size
        stream.seek(start + -(-size // pad) * pad)


_READERS: dict[bytes, Callable[[BinaryIO, bytes], int | None]] = {
    b"RIFF": _wav,
    b"RIFX": _wav,
    b"RF64": _wav,
    b"FORM": _aiff,
    b"riff": _w64,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
}
