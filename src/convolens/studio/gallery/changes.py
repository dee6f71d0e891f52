"""Decisions as the file that `convolens apply` takes: `labels.changes.csv`, or `.jsonl` for boxes and several classes.

It is written anew soon after each decision, as one of thousands of lines takes longer than a key may. The command that
makes a new data set of it is the one that anybody would type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from convolens.data.formats import FORMATS
from convolens.labels.change_files import write_changes
from convolens.labels.changes import FIX, RELABEL, Change, Object
from convolens.media.files import make_folder
from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery

SOON = 0.5  # seconds


def changes_file(home: Path, data: Gallery) -> Path:
    """Where the decisions on a data set are, in the studio's folder."""
    return home / "changes" / str(data.id) / f"labels.changes.{'csv' if data.kind == 'label' else 'jsonl'}"


def write_decisions(database: Database, data: Gallery, home: Path) -> Path:
    """Writes the file. Errors as of `media.files.writing`."""
    file = changes_file(home, data)
    make_folder(file.parent)
    query = "SELECT * FROM pictures WHERE data = ? AND decision > '' ORDER BY number"
    with database.reading() as connection:
        rows = connection.execute(query, (data.id,)).fetchall()
    write_changes(file, list((_changes if data.kind == "label" else _object_changes)(rows, data)))
    return file


class Keeper:
    """Writes the files of decisions soon after decisions were made, in the background.

    Args:
        database: the project's.
        home: the studio's folder.
    """

    def __init__(self, database: Database, home: Path) -> None:
        self.database, self.home = database, home
        self._due: dict[int, Gallery] = {}
        self._lock = Lock()
        self._timer: Timer | None = None

    def note(self, data: Gallery) -> None:
        """Has the file of this data written soon."""
        with self._lock:
            self._due[data.id] = data
            if self._timer is None:
                self._timer = Timer(SOON, self.write)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Writes what is due, at once."""
        with self._lock:
            due, self._due = self._due, {}
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for data in due.values():
            write_decisions(self.database, data, self.home)


def apply_command(data: Gallery, file: Path, target: Path, form: str) -> list[str]:
    """The command line, without `convolens`, that writes the data anew with the decisions applied."""
    return ["apply", str(file), data.path, "--to", str(target), "--format", form]


def formats_for(data: Gallery) -> tuple[str, ...]:
    """The formats that hold what the data has, its own first."""
    found = [one.name for one in FORMATS if one.write is not None and data.kind in one.carries]
    return tuple(sorted(found, key=lambda name: name != data.format))


def _changes(rows: list[Any], data: Gallery) -> Iterator[Change]:
    for row in rows:
        label = _names(row["labels"], data)[0]
        fixed = row["decision"] == RELABEL
        new = _names(row["new_labels"], data)[0] if fixed else row["suggested"] or label
        probability = f"{row['wrong']:.4f}" if row["wrong"] >= 0 else ""
        decision = FIX if fixed else row["decision"]
        yield Change(row["name"], decision, (Object(label),), (Object(new),), probability)


def _object_changes(rows: list[Any], data: Gallery) -> Iterator[Change]:
    for row in rows:
        after: tuple[Object, ...] = ()
        if row["new_boxes"] is not None:
            after = _boxes(row["new_boxes"], data)
        elif row["new_labels"] is not None:
            after = tuple(map(Object, _names(row["new_labels"], data)))
        before = _boxes(row["boxes"], data) if data.kind == "boxes" else tuple(map(Object, _names(row["labels"], data)))
        decision = FIX if after or row["decision"] in (FIX, RELABEL) else row["decision"]
        yield Change(row["name"], decision, before, after, whole=True)


def _names(text: str, data: Gallery) -> tuple[str, ...]:
    return tuple(data.classes[label] for label in json.loads(text))


def _boxes(text: str, data: Gallery) -> tuple[Object, ...]:
    return tuple(Object(data.classes[label], (x1, y1, x2, y2)) for label, x1, y1, x2, y2, _ in json.loads(text))
