"""Data that is looked through, as the database has it.

`pictures` has everything that a grid filters and sorts by in one row, with an index for each order, so that a page of
a hundred thousand pictures is read from where the last one ended. What a user's files say is never changed: decisions
are rows of their own, and the columns that show them are derived from these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from convolens.errors import ArgumentError
from convolens.studio.database import Database

_COLUMNS = "id, path, format, kind, classes, state, problem, total"


@dataclass(frozen=True, slots=True)
class Gallery:
    """A data set that is looked through.

    Attributes:
        id: its number in the database.
        path: where it was read from.
        format: its format's name.
        kind: `label`, `labels` or `boxes`, as of `convolens.data.DataSet`.
        classes: their names.
        state: `waiting`, `reading`, `measuring`, `ready` or `failed`.
        problem: why it failed, in a sentence.
        total: how many pictures it has; 0 until it was read.
    """

    id: int
    path: str
    format: str
    kind: str
    classes: tuple[str, ...]
    state: str
    problem: str
    total: int

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.rstrip("/").rpartition("/")[2]


def galleries(database: Database) -> list[Gallery]:
    """All data that was opened, the last first."""
    with database.reading() as connection:
        return [_gallery(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM data ORDER BY id DESC")]


def gallery(database: Database, number: int) -> Gallery:
    """The data of a number.

    Raises:
        ArgumentError: there is none.
    """
    with database.reading() as connection:
        row = connection.execute(f"SELECT {_COLUMNS} FROM data WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise ArgumentError(f"data: need the number of data that was opened, got {number}")
    return _gallery(row)


def _gallery(row: Any) -> Gallery:
    id_, path, form, kind, classes, state, problem, total = row
    return Gallery(id_, path, form, kind, tuple(json.loads(classes)), state, problem, total)
