"""Tar shards in WebDataset's layout: the files of one sample lie together and share their name up to the first dot.

A shard is read from its headers on, member by member: nothing is unpacked, no member's name becomes a path, links are
not followed, and no header makes more than `MOST_HEADER` bytes be read at once. Memory: a header, and 8 bytes a name.
What is wrong with a member or with the end of a shard is `Unreadable`, after which what is sound goes on.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import cast

from convolens.errors import UNREADABLE, ConvolensError, FileError
from convolens.sources.addresses import as_address, shown_address
from convolens.sources.blocks import Window, read_range
from convolens.sources.names import Names
from convolens.sources.stored import MAX_BYTES, Stored, Unreadable

SUFFIX = ".tar"
MOST_HEADER = 1 << 20  # bytes of one header; long names and extended ones take some thousand
_ANEW = "make the shard anew"


@dataclass(frozen=True, eq=False, slots=True)
class Member(Stored):
    """A file in a tar shard.

    Attributes:
        shard_at: the shard's path or address.
        shard_size: in bytes.
        offset: of the file's first byte in the shard.
    """

    shard_at: str = ""
    shard_size: int = 0
    offset: int = 0

    @property
    def shard(self) -> str:
        """The shard that it lies in."""
        return shown_address(self.shard_at)

    @property
    def is_far(self) -> bool:
        """Whether its bytes come over a network."""
        return as_address(self.shard_at) is not None

    def _fetched(self) -> bytes:
        assert self.size is not None
        if self.is_far:
            return read_range(self.shard_at, self.shard_size, self.offset, self.size)
        return _read_local(Path(self.shard_at), self.offset, self.size)


def members_of(shard: str, size: int) -> Iterator[Stored]:
    """The regular files in a shard, in order, and what of it cannot be used.

    Args:
        shard: its path or address.
        size: its bytes.
    """
    shown, names = shown_address(shard), Names()
    try:
        for member in _headers(shard, size):
            where = f"{shown}/{member.name}"
            if member.isdir():
                continue
            if why := _why_not(shown, member, names):
                yield Unreadable(names.another(where, member.offset), why=f"{shown}: {why}")
            elif member.offset_data + member.size > size:
                end = f"{member.name!r} goes on to {member.offset_data + member.size:,}"
                yield _of_whole(shown, f"need a whole shard, got one that is cut short at {size:,} bytes, where {end}")
                return
            else:
                yield Member(where, member.size, None, shard, size, member.offset_data)
    except UNREADABLE as error:
        yield _of_whole(shown, str(error).removeprefix(f"{shown}: "))


def _of_whole(shown: str, why: str) -> Unreadable:
    return Unreadable(shown, why=f"{shown}: {why}", of_shard=True)


def _why_not(shown: str, member: tarfile.TarInfo, names: Names) -> str:
    """In words, why a member cannot be used; nothing where it can."""
    if member.issparse() or not member.isreg():
        kind = "a link" if member.islnk() or member.issym() else "a device or a sparse file"
        return f"need regular files, got {member.name!r}, {kind}, which is not followed"
    if member.size > MAX_BYTES:
        return f"need files of at most {MAX_BYTES:,} bytes, got {member.name!r} of {member.size:,}"
    return names.fault(member.name)


def _headers(shard: str, size: int) -> Iterator[tarfile.TarInfo]:
    """Every member's header; raises a `FileError` where one is damaged or the end is missing."""
    shown = shown_address(shard)
    with ExitStack() as stack:
        try:
            window = Window(_reader(shard, size, stack), size, MOST_HEADER)
            tar = stack.enter_context(tarfile.open(fileobj=cast(BufferedReader, window), mode="r:"))
            kept: list[tarfile.TarInfo] = tar.members  # type: ignore[attr-defined]
            while (member := tar.next()) is not None:
                if member.size < 0:  # numbers of the long kind have a sign; the next header would lie before this one
                    raise FileError(f"{shown}: damaged shard: {member.name!r} has a size of {member.size:,}; {_ANEW}")
                yield member
                kept.clear()  # of which it keeps all
            window.seek(tar.offset)
            end = window.read(tarfile.BLOCKSIZE)
        except ConvolensError:
            raise
        except Exception as error:  # damaged headers raise all kinds
            raise FileError(f"{shown}: {_damage(error, size)}") from error
        if len(end) < tarfile.BLOCKSIZE:
            short = f"one that is cut short at {size:,} bytes, without a tar's end"
            raise FileError(f"{shown}: need a whole shard, got {short}; {_ANEW}")
        if any(end):
            raise FileError(f"{shown}: damaged shard: no header at byte {tar.offset:,}; {_ANEW}")


def _damage(error: Exception, size: int) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    told = " ".join(str(error).split()) or type(error).__name__
    if "unexpected end" in told or "truncated" in told:
        return f"need a whole shard, got one that is cut short at {size:,} bytes; {_ANEW}"
    return f"need a tar that is not compressed, got a file that is none or damaged: {told}"


def _reader(shard: str, size: int, stack: ExitStack) -> Callable[[int, int], bytes]:
    """What reads from the shard: from an offset, so many bytes."""
    address = as_address(shard)
    if address is not None:
        return lambda begin, count: read_range(address, size, begin, count)
    stream = stack.enter_context(Path(shard).open("rb"))  # noqa: SIM115

    def read(begin: int, count: int) -> bytes:
        stream.seek(begin)
        return stream.read(count)

    return read


def _read_local(shard: Path, offset: int, count: int) -> bytes:
    try:
        with shard.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(count)
    except OSError as error:
        raise FileError(f"{shard}: cannot be read: {error.strerror or error}") from error
    if len(data) < count:
        raise FileError(f"{shard}: need a whole shard, got one that became shorter while it was read")
    return data
