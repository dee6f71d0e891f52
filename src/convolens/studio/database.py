"""What the studio remembers: one SQLite file in the project's folder, in WAL mode.

Its tables are made by the files of `migrations/`, in the order of their numbers: `user_version` says how many were
applied. Whoever needs a table adds a file with the next number, and never changes one that is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from convolens.errors import ArgumentError, FileError

NAME = "studio.db"
PATIENCE = 10.0  # seconds that one writer waits for another


class Database:
    """The file, brought up to date when it is opened.

    Args:
        folder: where it is.

    Raises:
        FileError: it is no database, a newer studio's, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            with self.writing() as connection:
                _migrate(connection, self.path)
        except sqlite3.Error as error:
            raise FileError(
                f"{self.path}: need the studio's database, got {error}; move it away to begin anew"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, whose rows have names. It sees what was committed before it began to read.

        Raises:
            ArgumentError: a number is asked for that no row can have.
        """
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
        except OverflowError as error:
            raise ArgumentError("number: need one of at most 64 bits, got a larger one") from error
        finally:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """As `reading`, in a transaction that is committed at the end, or undone where an error comes out of it."""
        with self.reading() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last decision, nothing else
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def migrations() -> list[str]:
    """The steps, each a few statements of SQL, in their order."""
    folder = files("convolens.studio") / "migrations"
    names = sorted(one.name for one in folder.iterdir() if one.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    steps = migrations()
    [applied] = connection.execute("PRAGMA user_version").fetchone()
    if applied > len(steps):
        raise FileError(
            f"{path}: need a database of at most version {len(steps)}, got {applied}; a newer studio made it"
        )
    for step in steps[applied:]:
        for statement in step.split(";\n"):  # `executescript` would commit between them
            if statement.strip():
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(steps)}")
