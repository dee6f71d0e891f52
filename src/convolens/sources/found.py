"""What an address or a shard stands for: a lazy, ordered sequence of stored files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from convolens.errors import FileError
from convolens.sources.addresses import as_address, name_in, need_usable, shown_address
from convolens.sources.listing import kind_of, objects_below
from convolens.sources.stored import Object, Stored, object_at
from convolens.sources.tables import SUFFIX as TABLE
from convolens.sources.tables import rows_of
from convolens.sources.tar_shards import SUFFIX as SHARD
from convolens.sources.tar_shards import members_of

SHARDS = (SHARD, TABLE)
_MAGIC = re.compile(r"[*?[]")


class Found(NamedTuple):
    """An object, and what it is called below the folder that was given."""

    file: Object
    name: str


def is_shard(name: str | os.PathLike[str]) -> bool:
    """Whether a name ends as a tar shard's or a table's does.

    >>> is_shard("s3://bucket/train-0001.tar"), is_shard("photos/a.jpg")
    (True, False)
    """
    address = as_address(name)
    return is_shard_name(name_in(address) if address else os.fspath(name))


def is_shard_name(name: str) -> bool:
    """The same of the last part of a name, which is no address."""
    return name.endswith(SHARDS) or name.lower().endswith(SHARDS)


def name_of(shard: str) -> str:
    """The last part of a shard's path or address."""
    return name_in(shard) if as_address(shard) else os.path.basename(shard)  # noqa: PTH119


def is_pattern(address: str) -> bool:
    """Whether an address stands for several by `*`, `?` or `[…]`; those of the web have no patterns."""
    return not address.startswith(("http://", "https://")) and _MAGIC.search(address) is not None


def folder_of(address: str) -> str:
    """The folder that an address lies in, or that a pattern begins with.

    >>> folder_of("s3://bucket/photos/*/a.jpg"), folder_of("s3://bucket/photos/a.jpg")
    ('s3://bucket/photos', 's3://bucket/photos')
    """
    plain = _MAGIC.split(address, maxsplit=1)[0] if is_pattern(address) else shown_address(address)
    return plain.rpartition("/")[0]


def objects_of(address: str) -> Iterator[Found]:
    """The objects that an address stands for: itself, all below a folder, or those that fit a pattern; lazily.

    Raises:
        FileError: nothing is there, or the store does not answer.
    """
    need_usable(address)
    found: Iterator[Object]
    if is_pattern(address):
        base, fits = folder_of(address), _pattern(address)
        if base.endswith((":/", ":")):  # nothing but the scheme before the pattern
            raise FileError(f"{address}: need a bucket's name before the pattern")
        found = (one for one in objects_below(base) if fits.fullmatch(one.where))
    else:
        kind, size = ("file", None) if _is_plainly_a_file(address) else kind_of(address)
        if kind == "file":
            yield Found(object_at(address, size), name_in(address))
            return
        base, found = address.rstrip("/"), objects_below(address)
    for one in found:
        yield Found(one, one.where[len(base) :].lstrip("/") if one.where.startswith(base) else one.name)


def in_shard(shard: str, size: int | None = None) -> Iterator[Stored]:
    """The files in a tar shard, or the pictures in a table, in order.

    Args:
        shard: its path or address.
        size: its bytes, where they are known.

    Raises:
        FileError: it is not there.
    """
    if size is None:
        size = size_of(shard)
    if name_in(shard).lower().endswith(TABLE):
        yield from (row.file for row in rows_of(shard, size))
    else:
        yield from members_of(shard, size)


def size_of(shard: str) -> int:
    """The bytes of a shard or table. Errors as of `in_shard`."""
    address = as_address(shard)
    if address is None:
        try:
            return Path(shard).stat().st_size
        except OSError as error:
            raise FileError(f"{shard}: need a shard, cannot look at it: {error.strerror or error}") from error
    kind, size = kind_of(address)
    if kind == "folder":
        raise FileError(f"{shown_address(address)}: need a shard, got a folder; give 'FOLDER/*{SHARD}'")
    if size is None:
        raise FileError(f"{shown_address(address)}: need a shard of a size that the server says, got none; download it")
    return size


def _is_plainly_a_file(address: str) -> bool:
    """Whether nothing needs to be asked: the web has no folders."""
    return address.startswith(("http://", "https://"))


def _pattern(address: str) -> re.Pattern[str]:
    from fsspec.utils import glob_translate

    return re.compile(glob_translate(address))
