"""What has a name and bytes and is no file of this machine: in a store, in a tar shard, in a table."""

from __future__ import annotations

import os.path
import posixpath
from dataclasses import dataclass, field
from functools import total_ordering
from typing import Any

from convolens.errors import FormatError
from convolens.sources.addresses import name_in, place_of, shown_address
from convolens.sources.retries import ShortRead, patiently

MAX_BYTES = 2 << 30  # of one file in a store, a shard or a table: as of a picture file
_PART = 4 << 20


@total_ordering
@dataclass(frozen=True, eq=False, slots=True)
class Stored:
    """A file that is read whole from where it is. It can be given wherever a picture's path can.

    Attributes:
        where: the file as results and messages call it: `s3://bucket/a.jpg`, `shards/0.tar/a.jpg`.
        size: its bytes; None where that is known only once it is read.
        held: its bytes, where they came along with its name.
    """

    where: str
    size: int | None = None
    held: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.where

    def __hash__(self) -> int:
        return hash(self.where)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stored) and self.where == other.where

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other)

    @property
    def name(self) -> str:
        """The last part of its name."""
        return posixpath.basename(self.where)

    @property
    def suffix(self) -> str:
        """As of a path: `.jpg`."""
        return os.path.splitext(self.name)[1]  # noqa: PTH122

    @property
    def stem(self) -> str:
        """As of a path: the last part of its name without the suffix."""
        return os.path.splitext(self.name)[0]  # noqa: PTH122

    @property
    def folder(self) -> str:
        """The name of what it lies in: of `s3://bucket/cats/a.jpg`, `cats`."""
        return posixpath.basename(posixpath.dirname(self.where))

    @property
    def shard(self) -> str:
        """The shard or table that it lies in; empty for a single object."""
        return ""

    @property
    def is_far(self) -> bool:
        """Whether its bytes come over a network."""
        return False

    @property
    def is_light(self) -> bool:
        """Whether it is known to take little memory to decode, so that nobody need look at its header first."""
        return False

    def read(self, size: int = -1, /) -> bytes:
        """All of its bytes, or the first so many.

        Raises:
            FileError: they cannot be had.
        """
        if self.size is not None and self.size > MAX_BYTES:
            raise FormatError(f"{self}: need a file of at most {MAX_BYTES:,} bytes, got {self.size:,}")
        data = self.held if self.held is not None else self._fetched()
        return data if size < 0 else data[:size]

    def _fetched(self) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True, eq=False, slots=True)
class Object(Stored):
    """An object of a store.

    Attributes:
        address: what it is asked for by.
    """

    address: str = ""

    @property
    def name(self) -> str:
        """The last part of its address."""
        return name_in(self.where)

    @property
    def is_far(self) -> bool:
        """It is."""
        return True

    def _fetched(self) -> bytes:
        return patiently(self.address, "a file", self._once)

    def _once(self) -> bytes:
        files, path = place_of(self.address)
        if self.size is None or self.address.startswith(("http://", "https://")):
            with files.open(path, "rb", block_size=0) if path.startswith("http") else files.open(path, "rb") as stream:
                data = _all_of(stream, self)  # which may be compressed on its way: no more is taken than may be
        else:
            data = bytes(files.cat_file(path, start=0, end=self.size) if self.size else b"")  # S3's asks the size else
        if self.size is not None and len(data) != self.size:
            raise ShortRead(f"got {len(data):,} bytes of {self.size:,}")
        return data


@dataclass(frozen=True, eq=False, slots=True)
class Unreadable(Stored):
    """What was found and cannot be used: reading it says why.

    Attributes:
        why: the sentence.
        of_shard: whether it is about a shard or table as a whole, rather than one file in it.
    """

    why: str = ""
    of_shard: bool = False

    def read(self, size: int = -1, /) -> bytes:
        """Raises the `FormatError`."""
        raise FormatError(self.why)


def object_at(address: str, size: int | None = None) -> Object:
    """The object of an address; the size, where it is known."""
    return Object(shown_address(address), size, None, address)


def _all_of(stream: Any, name: object) -> bytes:
    """All that a stream gives, which may be less at each time than was asked for."""
    parts, count = [], 0
    while part := stream.read(_PART):
        parts.append(part)
        count += len(part)
        if count > MAX_BYTES:
            raise FormatError(f"{name}: need a file of at most {MAX_BYTES:,} bytes, got more")
    return b"".join(parts)
