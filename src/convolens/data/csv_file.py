"""Tables in text: separated by commas, semicolons, tabs or bars.

A line `sep=;` in front, which spreadsheets write and obey, says which; lines in front that begin with `#` and have no
separator are remarks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from convolens.data.files import encoding_of, ends_of_file, read_text
from convolens.errors import FormatError

FIRST = 50  # lines by which a table is known
MARKS = ",;\t|"  # between cells; of those in the head line the most frequent
SUFFIXES = (".csv", ".tsv")

Lines = list[tuple[int, list[str]]]  # each with its number in the file


def read_lines(path: Path) -> Lines:
    """The lines that are not empty, as cells without blanks around them.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no such table.
    """
    try:
        return list(_lines(read_text(path, "a table")))
    except csv.Error as error:
        raise FormatError(f"{path}: need a CSV table, got {error}") from error


def first_lines(path: Path) -> Lines:
    """The first of a table's lines, without reading more than the file's head; none where it is no table."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return []
    ends = ends_of_file(path)
    text = ends.decode(encoding_of(ends), "replace")
    try:
        return list(islice(_lines(text), FIRST))
    except csv.Error:
        return []


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    mark, skipped, rest = "", 0, text
    while (line := rest.partition("\n")[0]).startswith(("#", "sep=")):
        if line.startswith("#") and any(one in line for one in MARKS):
            break  # VIA's head line
        mark = line[4:5] if line.startswith("sep=") else mark
        rest, skipped = rest.partition("\n")[2], skipped + 1
    mark = mark if mark in tuple(MARKS) else max(MARKS, key=line.count)
    # Not by lines: a quoted cell may hold several.
    reader = csv.reader(io.StringIO(rest, newline=""), delimiter=mark, skipinitialspace=True)
    return ((skipped + reader.line_num, [cell.strip() for cell in line]) for line in reader if any(line))
