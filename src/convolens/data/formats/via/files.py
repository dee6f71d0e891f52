"""VIA's files: a project, its annotations alone, or a table whose cells hold JSON; and what is in a row of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.csv_file import SUFFIXES, first_lines, read_lines
from convolens.data.json_file import keys_in, read_json
from convolens.errors import FormatError

PROJECT = "_via_img_metadata"  # where a project has its pictures; in an export they are all there is
KEYS = (PROJECT, "filename", "regions", "file_attributes", "shape_attributes")
SHAPE, ATTRIBUTES = "region_shape_attributes", "region_attributes"  # a table's columns
COLUMNS = ("filename", SHAPE, ATTRIBUTES)


@dataclass
class Row:
    """What is said of one picture: its regions, each a shape and its attributes; where it stands, for messages."""

    where: str
    name: str
    attributes: Any
    regions: list[Any] = field(default_factory=list)


def looks_right(path: Path) -> bool:
    """Whether it is such a file, by its keys or its head line."""
    if path.suffix.lower() in SUFFIXES:
        lines = first_lines(path)
        return bool(lines) and set(COLUMNS) <= set(_head(lines[0][1]))
    keys = keys_in(path, "{", KEYS)
    return PROJECT in keys or {"filename", "regions"} <= keys


def rows_in(path: Path) -> Iterator[Row | str]:
    """The pictures of a file; in the place of one that cannot be read, what is wrong with it.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no such file.
    """
    yield from _of_table(path) if path.suffix.lower() in SUFFIXES else _of_json(path)


def _of_json(path: Path) -> Iterator[Row | str]:
    content = read_json(path, "VIA's annotations")
    rows = content.get(PROJECT, content) if isinstance(content, dict) else content
    if not isinstance(rows, dict):
        raise FormatError(f"{path}: need VIA's pictures by their keys, got a {type(rows).__name__}")
    for key, row in rows.items():
        if not isinstance(row, dict) or not isinstance(row.get("filename"), str) or not row["filename"]:
            yield f"{path}: {key}: need an object with a filename, got {short(row)}"
            continue
        regions = row.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # of version 1, by their numbers
        if not isinstance(regions, list):
            yield f"{path}: {key}: need a list of regions, got {short(regions)}"
            continue
        yield Row(f"{path}: {row['filename']}", row["filename"], row.get("file_attributes"), regions)


def _of_table(path: Path) -> Iterator[Row | str]:
    (_, first), *lines = read_lines(path)
    head = _head(first)
    rows: dict[str, Row] = {}
    for at, line in lines:
        cells = dict(zip(head, line, strict=False))
        name = cells.get("filename", "")
        try:
            if len(line) != len(head) or not name:
                raise ValueError(f"need {len(head)} columns with a filename, got {line!r:.60}")
            shape, attributes, of_file = (_cell(cells, one) for one in (SHAPE, ATTRIBUTES, "file_attributes"))
        except (ValueError, RecursionError) as error:
            yield f"{path}: line {at}: {error}"
            continue
        row = rows.setdefault(name, Row(f"{path}: line {at}", name, of_file))
        if shape:
            row.regions.append({"shape_attributes": shape, "region_attributes": attributes})
    yield from rows.values()


def _head(line: list[str]) -> list[str]:
    """Version 1 begins its head as a comment: `#filename`."""
    return [name.lstrip("#").strip() for name in line]


def _cell(cells: dict[str, str], name: str) -> Any:
    text = cells.get(name, "")
    try:
        return json.loads(text) if text else {}
    except ValueError:
        raise ValueError(f"need JSON in {name}, got {text!r:.60}") from None
