"""Data read into the database in batches, so that its first pictures are there while the last are still read.

Reading takes about 35 µs a picture, the sizes from headers some 100 µs more, a second time over. Memory: what
`convolens.data` keeps, about 1 kB a picture; run in a process of its own (`python -m convolens.studio.gallery.filling
DATABASE NUMBER`), it is given back. A second round over the same data keeps what is known of pictures that are still
there, decisions too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

from convolens.data import Box, DataSet, Example, read_with_faults
from convolens.errors import UNREADABLE, ConvolensError
from convolens.labels.changes import path_in_data
from convolens.media.files import AnyPath
from convolens.media.images import read_header
from convolens.studio.database import Database

AT_ONCE = 2000  # pictures in a transaction: others write in between
Item = TypeVar("Item")


def opened(database: Database, path: AnyPath) -> int:
    """The number of the data at a path, which is noted if it is not yet; nothing is read."""
    whole = os.path.abspath(os.fspath(path))  # noqa: PTH100 - links stay as they are named
    with database.writing() as connection:
        connection.execute("INSERT INTO data (path) VALUES (?) ON CONFLICT DO NOTHING", (whole,))
        return int(connection.execute("SELECT id FROM data WHERE path = ?", (whole,)).fetchone()[0])


def fill(database: Database, number: int) -> None:
    """Reads the data of a number into the tables; what goes wrong is noted there as its problem.

    Args:
        database: the project's.
        number: as `opened` gave it.
    """
    with database.reading() as connection:
        path, round_ = connection.execute("SELECT path, round + 1 FROM data WHERE id = ?", (number,)).fetchone()
    _note(database, number, state="reading", problem="", round=round_)
    try:
        reading = read_with_faults(path)
        with database.reading() as held:  # the last connection that closes writes the log back: not after each batch
            held.execute("SELECT 1 FROM data").fetchone()
            _read(database, number, reading.data, reading.format, round_)
            _note(database, number, state="measuring")
            _measure(database, number)
        _note(database, number, state="ready")
    except ConvolensError as error:
        _note(database, number, state="failed", problem=str(error))
    except BaseException as error:
        _note(database, number, state="failed", problem=f"{path}: reading stopped: {type(error).__name__} {error}")
        raise


def as_text(boxes: Iterable[Box]) -> str:
    """Boxes as the database has them: class, corners, and what else there is to say of an object."""
    return json.dumps([[box.label, *map(float, box.xyxy), _words(box)] for box in boxes])


def _words(box: Box) -> str:
    said = (("crowd", box.crowd), ("difficult", box.difficult), ("truncated", box.truncated))
    return ", ".join(word for word, is_so in said if is_so)


def _read(database: Database, number: int, data: DataSet, form: str, round_: int) -> None:
    known = {"format": form, "kind": data.kind, "classes": json.dumps(data.class_names), "total": len(data)}
    _note(database, number, **known)
    for batch in _batches(enumerate(data.examples), AT_ONCE):
        with database.writing() as connection:
            connection.executemany(
                "INSERT INTO pictures (data, number, path, name, split, labels, boxes, width, height, side, round) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (data, path) DO UPDATE SET number = "
                "excluded.number, split = excluded.split, labels = excluded.labels, boxes = excluded.boxes, "
                "round = excluded.round WHERE round < excluded.round",
                (_row(number, at, example, data, round_) for at, example in batch),
            )
            _show(connection, number, batch[0][0], batch[-1][0])
    with database.writing() as connection:  # what is no longer there
        connection.execute("DELETE FROM pictures WHERE data = ? AND round < ?", (number, round_))


def _row(number: int, at: int, example: Example, data: DataSet, round_: int) -> tuple[Any, ...]:
    width, height = example.size or (0, 0)
    path = str(example.file)
    return (
        number, at, path, path_in_data(data.root, example.path), example.split, json.dumps(example.labels),
        as_text(example.boxes), width, height, min(width, height), round_,
    )  # fmt: skip


def _show(connection: Connection, number: int, first: int, last: int) -> None:
    """Which classes the pictures of a batch show."""
    which = (number, first, last)
    within = "SELECT id FROM pictures WHERE data = ? AND number BETWEEN ? AND ?"
    connection.execute(f"DELETE FROM shown WHERE picture IN ({within})", which)
    connection.execute(
        "INSERT OR IGNORE INTO shown (class, picture) SELECT each.value, pictures.id FROM pictures, "
        "json_each(pictures.labels) AS each WHERE data = ? AND number BETWEEN ? AND ?",
        which,
    )


def _measure(database: Database, number: int) -> None:
    """Sizes from headers, whatever annotations claimed; of a file that cannot be read none is known."""
    with database.reading() as connection:
        every = "SELECT id, path FROM pictures WHERE data = ? ORDER BY number"
        rows = connection.execute(every, (number,)).fetchall()
    with ThreadPoolExecutor(2) as pool:
        for batch in _batches(rows, AT_ONCE):
            sizes = list(pool.map(_size, (path for _, path in batch)))
            with database.writing() as connection:
                connection.executemany(
                    "UPDATE pictures SET width = ?, height = ?, side = ? WHERE id = ?",
                    ((*size, min(size), id_) for size, (id_, _) in zip(sizes, batch, strict=True)),
                )


def _size(path: str) -> tuple[int, int]:
    try:
        return read_header(path).size
    except (*UNREADABLE, OSError):
        return 0, 0


def _note(database: Database, number: int, **values: Any) -> None:
    columns = ", ".join(f"{name} = ?" for name in values)
    with database.writing() as connection:
        connection.execute(f"UPDATE data SET {columns} WHERE id = ?", (*values.values(), number))


def _batches(items: Iterable[Item], size: int) -> Iterator[Sequence[Item]]:
    waiting = iter(items)
    while some := list(islice(waiting, size)):
        yield some


if __name__ == "__main__":
    fill(Database(Path(sys.argv[1])), int(sys.argv[2]))
