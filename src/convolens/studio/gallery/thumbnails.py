"""Small pictures for grids, made when they are first asked for and kept: a JPEG of 2 to 8 kB each.

A JPEG is decoded at a half, a quarter or an eighth of its size, so that a photo of 12 megapixels takes some 15 ms.
They are in a file of their own, which may be thrown away: `thumbnails.db` beside the studio's database, of at most
`MOST_BYTES`. At most two are made at a time, whatever the number of those who ask.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore

from PIL import Image

from convolens.errors import UNREADABLE
from convolens.media.images import read_rgb8

SIDE = 224  # pixels of the longer side: sharp at 112 points on a screen of two pixels a point
QUALITY = 82
MOST_BYTES = 1 << 30
AT_ONCE = 2
CHECKED_EVERY = 500  # thumbnails, after which the file's size is looked at
NAME = "thumbnails.db"


class Thumbnails:
    """Thumbnails of a project's pictures.

    Args:
        home: the folder that they are kept in.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / NAME
        self._turn = BoundedSemaphore(AT_ONCE)
        self._made = 0
        with closing(self._open()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS thumbnails (path TEXT PRIMARY KEY, stamp TEXT, made INTEGER, jpeg BLOB)"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS thumbnails_made ON thumbnails (made)")

    def jpeg(self, path: Path) -> tuple[bytes, str] | None:
        """A picture's thumbnail, and what tells it from one of the file's other contents; None if it is no picture."""
        stamp = stamp_of(path)
        if stamp is None:
            return None
        with closing(self._open()) as connection:
            found = connection.execute("SELECT stamp, jpeg FROM thumbnails WHERE path = ?", (str(path),)).fetchone()
            if found is not None and found[0] == stamp:
                return found[1], stamp
            with self._turn:
                jpeg = _made(path)
            if jpeg is None:
                return None
            connection.execute(
                "INSERT OR REPLACE INTO thumbnails "
                "VALUES (?, ?, (SELECT coalesce(max(made), 0) + 1 FROM thumbnails), ?)",
                (str(path), stamp, jpeg),
            )
            self._made += 1
            if self._made % CHECKED_EVERY == 0:
                _make_room(connection, MOST_BYTES)
        return jpeg, stamp

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")  # what is lost is made again
        return connection


def stamp_of(path: Path) -> str | None:
    """What changes when the file does; None where there is none."""
    try:
        stated = path.stat()
    except (OSError, ValueError):
        return None
    return f"{stated.st_mtime_ns:x}-{stated.st_size:x}"


def _made(path: Path) -> bytes | None:
    try:
        pixels, _ = read_rgb8(path, at_least=SIDE)
    except (*UNREADABLE, OSError):
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX if min(image.size) > 4 * SIDE else Image.Resampling.LANCZOS)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def _make_room(connection: sqlite3.Connection, most: int) -> None:
    """Throws the oldest half away where they are too many."""
    pages, free, page = (connection.execute(f"PRAGMA {name}").fetchone()[0]
                         for name in ("page_count", "freelist_count", "page_size"))  # fmt: skip
    if (pages - free) * page > most:
        connection.execute("DELETE FROM thumbnails WHERE made <= (SELECT (min(made) + max(made)) / 2 FROM thumbnails)")
