"""Tables for spreadsheets and data frames: rows as CSV, or as Parquet, which needs the extra `tables` (pyarrow)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from convolens.errors import FormatError, need_package
from convolens.media.files import AnyPath, in_utf8, need_target, write_rows, writing

SUFFIXES = (".csv", ".parquet")


def need_table(path: AnyPath) -> Path:
    """The path, if a table can be written there: asked before work that takes long.

    Raises:
        FormatError: its suffix is not a table's.
        MissingExtraError: Parquet without pyarrow.
        FileError: nothing can be written there.
    """
    table = Path(path)
    if table.suffix.lower() not in SUFFIXES:
        raise FormatError(f"{table}: need a table's suffix, {' or '.join(SUFFIXES)}, got {table.suffix or 'none'}")
    if table.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise need_package("pyarrow", "tables", "Parquet")
    return need_target(table)


def write_table(path: AnyPath, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Writes rows with a column for each name that any has; where a row has none, the cell is empty.

    Args:
        path: with the suffix `.csv` or `.parquet`.
        rows: of texts and numbers.
        columns: that come first, and are there without any row.

    Errors as of `need_table`.
    """
    table = need_table(path)
    if table.suffix.lower() == ".csv":
        write_rows(table, rows, columns)
        return
    import pyarrow
    import pyarrow.parquet

    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    table_of = pyarrow.table({in_utf8(name): [in_utf8(row.get(name)) for row in rows] for name in names})
    with writing(table) as draft:
        pyarrow.parquet.write_table(table_of, draft)
