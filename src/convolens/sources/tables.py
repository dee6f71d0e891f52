"""Parquet tables with a column of encoded pictures, as Hugging Face's data sets have it. Needs the extra `tables`.

Rows are read in groups as the file has them, some at a time. Memory: the pictures' column of one row group, which is
stated before it is read (`cl.memory_limit`); writers make groups of a hundred to a thousand pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
from convolens.sources.stored import MAX_BYTES, Stored, Unreadable

SUFFIX = ".parquet"
ROWS = 16  # read at a time
_PICTURES = ("image", "picture", "img", "photo", "jpg", "png", "bytes", "content", "data")
_NAMES = ("file_name", "filename", "path", "file", "__key__", "key", "image_id", "id")
_LABELS = ("label", "class", "class_name", "category", "labels", "cls")


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
            value = _group(self.table_at, self.table_size, self.group, os.getpid())[self.row].as_py()
        if not isinstance(value, bytes):
            raise FormatError(f"{self}: need an encoded picture, got an empty cell")
        return value


class Layout(NamedTuple):
    """The columns of a table that matter: of pictures, and where there are such, of names and classes."""

    pictures: str
    names: str | None
    labels: str | None
    class_names: tuple[str, ...]  # where the table numbers classes and says their names


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
        with _decoding(shown), _opened(table, size) as file:
            layout = _layout(shown, file)
            number = 0
            for group in range(file.num_row_groups):
                if hold:
                    _need_room(shown, file, group, layout)
                for row, (picture, name, label) in enumerate(_cells(file, group, layout, hold)):
                    found = _named(name, number)
                    where, number = f"{shown}/{found}", number + 1
                    if why := (names.fault(found) or _why_not(found, picture, hold)):
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
    with _decoding(shown), _opened(table, size) as file:
        return _layout(shown, file)


def _why_not(name: str, picture: bytes | None, hold: bool) -> str:
    if hold and not isinstance(picture, bytes):
        return f"need an encoded picture in each row, got none in that of {name!r}"
    if picture is not None and len(picture) > MAX_BYTES:
        return f"need files of at most {MAX_BYTES:,} bytes, got {name!r} of {len(picture):,}"
    return ""


def _named(name: object, number: int) -> str:
    """A row's name, or its number where it says none; an absolute path's last part."""
    if name is None or isinstance(name, float | bool | bytes):
        return f"row-{number:08}"
    text = str(name)
    return text.rstrip("/").rpartition("/")[2] if text.startswith("/") else text or f"row-{number:08}"


def _cells(file: Any, group: int, layout: Layout, hold: bool) -> Iterator[tuple[bytes | None, object, object]]:
    wanted = [name for name in (layout.names, layout.labels) if name is not None]
    if hold:
        wanted.append(layout.pictures)
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
    shown = shown_address(table)
    with _opened(table, size) as file:
        layout = _layout(shown, file)
        _need_room(shown, file, group, layout)
        return _column(file.read_row_group(group, columns=[layout.pictures]).combine_chunks().to_batches()[0],
                       layout.pictures)  # fmt: skip


def _need_room(shown: str, file: Any, group: int, layout: Layout) -> None:
    told = file.metadata.row_group(group)
    columns = (told.column(at) for at in range(told.num_columns))
    taken = sum(one.total_uncompressed_size for one in columns if one.path_in_schema == layout.pictures)
    need_memory(2 * taken, shown, "write the table anew with smaller row groups")


def _layout(shown: str, file: Any) -> Layout:
    from pyarrow import types

    schema = file.schema_arrow
    binary = [one.name for one in schema if types.is_binary(one.type) or types.is_large_binary(one.type)]
    nested = {
        one.name: [part.name for part in one.type if types.is_binary(part.type) or types.is_large_binary(part.type)]
        for one in schema
        if types.is_struct(one.type)
    }
    columns = [*(f"{name}.bytes" for name, parts in nested.items() if "bytes" in parts), *binary]
    if not columns:
        found = ", ".join(schema.names[:8]) or "none"
        raise FormatError(f"{shown}: need a column of encoded pictures (binary), found none among the columns {found}")
    by_name = [one for name in _PICTURES for one in columns if one.partition(".")[0].lower() == name]
    pictures = (by_name or columns)[0]
    whole = pictures.partition(".")[0]
    names = _first(schema.names, _NAMES, but=whole)
    if names is None and pictures != whole and any(part.name == "path" for part in schema.field(whole).type):
        names = f"{whole}.path"
    labels = _first(schema.names, _LABELS, but=whole)
    return Layout(pictures, names, labels, _class_names(schema.metadata or {}, labels))


def _first(columns: list[str], known: tuple[str, ...], but: str) -> str | None:
    return next((one for name in known for one in columns if one.lower() == name and one != but), None)


def _class_names(metadata: dict[bytes, bytes], labels: str | None) -> tuple[str, ...]:
    """The names of numbered classes, as Hugging Face writes them beside the columns."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][labels]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


@contextmanager
def _opened(table: str, size: int) -> Iterator[Any]:
    if find_spec("pyarrow") is None:
        raise need_package("pyarrow", "tables", "Parquet")
    import pyarrow.parquet

    address = as_address(table)
    if address is None:
        source: Any = Path(table)
    else:
        source = Window(lambda begin, count: read_range(address, size, begin, count), size, MAX_BYTES)
    with pyarrow.parquet.ParquetFile(source) as file:
        yield file


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
