"""Bytes from anywhere in a large object of a store, read in blocks: what is read in order is fetched once, ahead.

Memory: `KEPT_BYTES` of blocks in all, the least recently used let go first. A piece of `DIRECT` bytes or more is
fetched by itself and not kept.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from io import RawIOBase

from convolens.forks import lock_that_forks
from convolens.sources.addresses import place_of
from convolens.sources.retries import ShortRead, patiently

BLOCK = 4 << 20
DIRECT = 8 << 20
KEPT_BYTES = 256 << 20
_THREADS = 4  # that fetch ahead

_changing = lock_that_forks()
_kept: OrderedDict[tuple[str, int, int], Future[bytes]] = OrderedDict()
_pools: dict[int, ThreadPoolExecutor] = {}  # by process: a forked child has none of its parent's threads

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)  # blocks that only the parent's threads would bring


def read_range(address: str, size: int, begin: int, count: int) -> bytes:
    """So many bytes of an object from some offset on; fewer only behind its end.

    Args:
        address: of the object.
        size: of the object, in bytes.
        begin: the offset.
        count: how many.

    Raises:
        FileError: they cannot be had.
    """
    end = min(begin + count, size)
    if end <= begin:
        return b""
    if end - begin >= DIRECT:
        return _fetched(address, begin, end)
    first, last = begin // BLOCK, (end - 1) // BLOCK
    parts = [_block(address, size, number) for number in range(first, last + 1)]
    offset = first * BLOCK
    return parts[0][begin - offset : end - offset] if first == last else b"".join(parts)[begin - offset : end - offset]


class Window(RawIOBase):
    """An object of a store as a file that is open for reading, of which no single read is larger than `most`."""

    def __init__(self, read: Callable[[int, int], bytes], size: int, most: int) -> None:
        super().__init__()
        self._read, self._size, self._most, self._at = read, size, most, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes there."""
        self._at = max({0: 0, 1: self._at, 2: self._size}[whence] + offset, 0)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; raises a `ValueError` for more than may be read at once."""
        wanted = max(self._size - self._at, 0) if size is None or size < 0 else size
        if wanted > self._most:
            raise ValueError(f"a header that claims {wanted:,} bytes")
        data = self._read(self._at, wanted)
        self._at += len(data)
        return data


def _block(address: str, size: int, number: int) -> bytes:
    """A block; the one behind it is asked for too, where this one was not there yet."""
    key, following = (address, size, number), (address, size, number + 1)
    with _changing:
        found = _kept.get(key)
        if found is None:
            found = _asked(key)
        _kept.move_to_end(key)
        if following not in _kept and (number + 1) * BLOCK < size and _in_order(key):
            _asked(following)
        while len(_kept) * BLOCK > KEPT_BYTES:
            _kept.popitem(last=False)
    try:
        return found.result()
    except BaseException:
        with _changing:  # the next who needs it asks again
            if _kept.get(key) is found:
                del _kept[key]
        raise


def _in_order(key: tuple[str, int, int]) -> bool:
    address, size, number = key
    return number == 0 or (address, size, number - 1) in _kept


def _asked(key: tuple[str, int, int]) -> Future[bytes]:
    address, size, number = key
    if os.getpid() not in _pools:
        _pools[os.getpid()] = ThreadPoolExecutor(_THREADS, thread_name_prefix="blocks")
    _kept[key] = _pools[os.getpid()].submit(_fetched, address, number * BLOCK, min((number + 1) * BLOCK, size))
    return _kept[key]


def _fetched(address: str, begin: int, end: int) -> bytes:
    def once() -> bytes:
        files, path = place_of(address)
        data = bytes(files.cat_file(path, start=begin, end=end))
        if len(data) != end - begin:
            raise ShortRead(f"got {len(data):,} bytes of {end - begin:,}")
        return data

    return patiently(address, "a shard", once)
