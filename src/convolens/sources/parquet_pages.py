"""What pages of a Parquet file take once unpacked, as they themselves say.

The description at a file's end says it too, of each column, but whoever made the file may have written another number
there, and pages are unpacked into as much memory as their own headers claim. Source: Apache Parquet's format, whose
headers are structs of Thrift's compact protocol. Cost: one small read a page.
"""

from __future__ import annotations

from typing import Protocol

_UNPACKED, _PACKED = 2, 3  # fields of a page's header: bytes of the page behind it
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)  # kinds of values
_DEEPEST = 8  # structs in structs: a page's header has three


class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Goes there."""

    def tell(self) -> int:
        """Where the next byte is read."""


def unpacked_bytes(stream: Readable, begin: int, end: int) -> int:
    """The bytes of all pages between two offsets, once unpacked.

    Args:
        stream: the file.
        begin: where the first page's header begins.
        end: behind the last page.

    Raises:
        ValueError: there is something else than pages.
    """
    if begin < 0:
        raise ValueError(f"pages at byte {begin:,}")
    total, at = 0, begin
    while at < end:
        stream.seek(at)
        numbers = _struct(stream, 1)
        unpacked, packed = numbers.get(_UNPACKED, -1), numbers.get(_PACKED, -1)
        if unpacked < 0 or packed < 0:
            raise ValueError(f"no page at byte {at:,}")
        total += unpacked
        at = stream.tell() + packed
    return total


def _struct(stream: Readable, depth: int) -> dict[int, int]:
    """Reads a struct; its whole numbers by field."""
    if depth > _DEEPEST:
        raise ValueError("a page's header without end")
    field, numbers = 0, dict[int, int]()
    while head := _byte(stream):
        kind = head & 15
        field = field + (head >> 4) if head >> 4 else _signed(stream)
        if kind in (_I16, _I32, _I64):
            numbers[field] = _signed(stream)
        elif kind not in (_TRUE, _FALSE):  # which have no more than their kind
            _skip(stream, kind, depth)
    return numbers


def _skip(stream: Readable, kind: int, depth: int) -> None:
    if kind in (_I16, _I32, _I64):
        _varint(stream)
    elif kind in (_TRUE, _FALSE, _BYTE):
        stream.seek(1, 1)
    elif kind == _DOUBLE:
        stream.seek(8, 1)
    elif kind == _BINARY:
        stream.seek(_varint(stream), 1)
    elif kind == _STRUCT:
        _struct(stream, depth + 1)
    else:  # lists, sets and maps, of which a page's header has none
        raise ValueError(f"a page's header with a value of kind {kind}")


def _byte(stream: Readable) -> int:
    data = stream.read(1)
    if not data:
        raise ValueError("a page's header cut short")
    return data[0]


def _varint(stream: Readable) -> int:
    """Seven bits a byte, the lowest first."""
    number = 0
    for shift in range(0, 64, 7):
        byte = _byte(stream)
        number |= (byte & 127) << shift
        if byte < 128:
            return number
    raise ValueError("a number of more than 64 bits")


def _signed(stream: Readable) -> int:
    """A number with a sign: 0, -1, 1, -2 are written as 0, 1, 2, 3."""
    number = _varint(stream)
    return number >> 1 ^ -(number & 1)
