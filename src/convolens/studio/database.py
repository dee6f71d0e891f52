"""What the studio remembers: one SQLite file in the project's folder, in WAL mode.

Its tables are made by the files of `migrations/`, in the order of their numbers: `user_version` says how many were
applied. Whoever needs a table adds a file with the next number, and never changes one that is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from convolens.errors import ArgumentError, FileError

NAME = "studio.db"
KEPT = 16  # connections that wait for whoever reads next
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
        self._idle: list[sqlite3.Connection] = []
        try:
            with self.writing() as connection:
                _migrate(connection, self.path)
        except sqlite3.Error as error:
            raise FileError(
                f"{self.path}: need the studio's database, got {error}; move it away to begin anew"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else has meanwhile, whose rows have names. A query sees all that is committed.

        It is kept for the next who reads: opening one means reading the schema, which takes longer than most queries.

        Raises:
            ArgumentError: a number is asked for that no row can have.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connected()
        try:
            with _numbers_fit():
                yield connection
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < KEPT:
            self._idle.append(connection)
        else:
            connection.close()

    def _connected(self) -> sqlite3.Connection:
        # One thread has it at a time, but not always the same.
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def close(self) -> None:
        """Lets go of the file. What is read afterwards opens it anew."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """As `reading`, in a transaction that is committed at the end, or undone where an error comes out of it."""
        with closing(self._connected()) as connection, _numbers_fit():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last decision, nothing else
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


@contextmanager
def _numbers_fit() -> Iterator[None]:
    try:
        yield
    except OverflowError as error:
        raise ArgumentError("number: need one of at most 64 bits, got a larger one") from error


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
