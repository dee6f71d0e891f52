"""Parquet tables with a column of encoded pictures, as Hugging Face's data sets have it. Needs the extra `tables`.

Rows are read in groups as the file has them, some at a time. Memory: the columns that matter of one row group, which
are stated before they are read (`cl.memory_limit`); writers make groups of a hundred to a thousand pictures. What
stands in many rows stays what the file has of it, once (Parquet's dictionaries): 500 bytes may say that 10,000 rows
hold the same picture of 4 MB.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from convolens.errors import UNREADABLE, ConvolensError, FileError, FormatError, need_package
from convolens.memory import need_memory
from convolens.sources.addresses import as_address, shown_address
from convolens.sources.blocks import Window, read_range
from convolens.sources.names import Names
from convolens.sources.parquet_pages import Readable, unpacked_bytes
from convolens.sources.stored import MAX_BYTES, Stored, Unreadable
from convolens.sources.table_layout import Layout, layout_in

SUFFIX = ".parquet"
ROWS = 16  # read at a time
MOST_LETTERS = 4096  # of a name: as of a path


@dataclass(frozen=True, eq=False, slots=True)
class Cell(Stored):
    """A picture in a table.

    Attributes:
        table_at: the table's path or address.
        table_size: in bytes.
        group: the row group that it is in.
        row: its place there.
    """

    table_at: str = ""
    table_size: int = 0
    group: int = 0
    row: int = 0

    @property
    def shard(self) -> str:
        """The table that it lies in."""
        return shown_address(self.table_at)

    def _fetched(self) -> bytes:
        with _decoding(shown_address(self.table_at)):
            value = _cell(_group(self.table_at, self.table_size, self.group, os.getpid()), self.row)
        if not isinstance(value, bytes):
            raise FormatError(f"{self}: need an encoded picture, got an empty cell")
        return value


class Row(NamedTuple):
    """A picture, and what its row says of its class, if anything."""

    file: Stored
    label: object


def rows_of(table: str, size: int, *, hold: bool = True) -> Iterator[Row]:
    """The pictures of a table, in order, and what of it cannot be used.

    Args:
        table: its path or address.
        size: its bytes.
        hold: whether pictures come along with their bytes. Without, they are read again, by row groups.
    """
    shown, names = shown_address(table), Names()
    try:
        with _decoding(shown), _opened(table, size) as (file, layout):
            number = 0
            for group in range(file.num_row_groups):
                _need_few(shown, number + file.metadata.row_group(group).num_rows, size)
                wanted = layout.columns[0 if hold else 1 :]
                _need_room(table, size, file, group, wanted)
                for row, (picture, name, label) in enumerate(_cells(file, group, layout, wanted)):
                    found, why = _named(name, number)
                    where, number = f"{shown}/{found}", number + 1
                    if why := (why or names.fault(found) or _why_not(found, picture, hold)):
                        yield Row(Unreadable(names.another(where, number), why=f"{shown}: {why}"), label)
                    else:
                        count = len(picture) if picture is not None else None
                        yield Row(Cell(where, count, picture, table, size, group, row), label)
    except UNREADABLE as error:
        told = str(error).removeprefix(f"{shown}: ")
        yield Row(Unreadable(shown, why=f"{shown}: {told}", of_shard=True), None)


def layout_of(table: str, size: int) -> Layout:
    """The columns of a table that matter.

    Raises:
        FileError: it is none, or has no column of encoded pictures.
        MissingExtraError: pyarrow is not installed.
    """
    shown = shown_address(table)
    with _decoding(shown), _opened(table, size) as (_, layout):
        return layout


def _need_few(shown: str, rows: int, size: int) -> None:
    """Refuses rows without end: of nothing, or of the same few bytes again and again."""
    if rows > size:
        raise FormatError(f"{shown}: need a picture in each row, got {rows:,} rows in a file of {size:,} bytes")


def _why_not(name: str, picture: bytes | None, hold: bool) -> str:
    if hold and not isinstance(picture, bytes):
        return f"need an encoded picture in each row, got none in that of {name!r}"
    if picture is not None and len(picture) > MAX_BYTES:
        return f"need files of at most {MAX_BYTES:,} bytes, got {name!r} of {len(picture):,}"
    return ""


def _named(name: object, number: int) -> tuple[str, str]:
    """A row's name, or its number where it says none that can be used, and why not; an absolute path's last part."""
    plain = f"row-{number:08}"
    if name is None or isinstance(name, float | bool | bytes):
        return plain, ""
    text = str(name)
    if len(text) > MOST_LETTERS:
        return plain, f"need names of at most {MOST_LETTERS:,} letters, got one of {len(text):,} in row {number:,}"
    return (text.rstrip("/").rpartition("/")[2] if text.startswith("/") else text or plain), ""


def _cells(file: Any, group: int, layout: Layout, wanted: list[str]) -> Iterator[tuple[bytes | None, object, object]]:
    hold = layout.pictures in wanted
    if not wanted:
        yield from ((None, None, None) for _ in range(file.metadata.row_group(group).num_rows))
        return
    for batch in file.iter_batches(batch_size=ROWS if hold else 4096, row_groups=[group], columns=wanted):
        rows = batch.num_rows
        pictures = _column(batch, layout.pictures) if hold else None
        named = _column(batch, layout.names) if layout.names else None
        labels = _column(batch, layout.labels) if layout.labels else None
        for row in range(rows):
            yield (
                None if pictures is None else pictures[row].as_py(),
                None if named is None else named[row].as_py(),
                None if labels is None else labels[row].as_py(),
            )


def _column(batch: Any, name: str) -> Any:
    """A column, or a part of one that has parts: `image.bytes`."""
    whole, _, part = name.partition(".")
    column = batch.column(whole) if whole in batch.schema.names else batch.column(name)
    return column.field(part) if part and whole in batch.schema.names and name not in batch.schema.names else column


@lru_cache(maxsize=2)
def _group(table: str, size: int, group: int, process: int) -> Any:
    """The pictures of a row group."""
    with _opened(table, size) as (file, layout):
        _need_room(table, size, file, group, [layout.pictures])
        read = file.read_row_group(group, columns=[layout.pictures])
        return [_column(batch, layout.pictures) for batch in read.to_batches()]


def _cell(chunks: list[Any], row: int) -> object:
    for chunk in chunks:
        if row < len(chunk):
            return chunk[row].as_py()
        row -= len(chunk)
    raise IndexError(f"no row {row:,}")


def _need_room(table: str, size: int, file: Any, group: int, wanted: list[str]) -> None:
    """Refuses columns of a row group that take too much: their pages unpacked, and each value once."""
    told = file.metadata.row_group(group)
    columns = (told.column(at) for at in range(told.num_columns))
    with ExitStack() as stack:
        source = _source(table, size)
        stream = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        taken = sum(_unpacked(stream, one) for one in columns if one.path_in_schema in wanted)
    need_memory(2 * taken, shown_address(table), "write the table anew with smaller row groups")


def _unpacked(stream: Readable, column: Any) -> int:
    begin = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
    found = unpacked_bytes(stream, begin, begin + column.total_compressed_size)
    return max(int(column.total_uncompressed_size), found)


@contextmanager
def _opened(table: str, size: int) -> Iterator[tuple[Any, Layout]]:
    """A table, and what of it matters."""
    if find_spec("pyarrow") is None:
        raise need_package("pyarrow", "tables", "Parquet")
    from pyarrow.parquet import ParquetFile

    with ParquetFile(_source(table, size)) as file:
        layout, metadata = layout_in(shown_address(table), file.schema_arrow), file.metadata
    with ParquetFile(_source(table, size), metadata=metadata, read_dictionary=list(layout.texts)) as file:
        yield file, layout


def _source(table: str, size: int) -> Path | Window:
    address = as_address(table)
    if address is None:
        return Path(table)
    return Window(lambda begin, count: read_range(address, size, begin, count), size, MAX_BYTES)


@contextmanager
def _decoding(shown: str) -> Iterator[None]:
    try:
        yield
    except (ConvolensError, MemoryError):
        raise
    except Exception as error:  # a damaged file raises all kinds
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            raise FileError(f"{shown}: cannot be read: {error.strerror}") from error
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise FormatError(
            f"{shown}: need a Parquet file, got one that is none, damaged or cut short: {told}"
        ) from error
