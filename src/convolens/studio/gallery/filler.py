"""Data read in the background: a process for each data set, so that a large one holds up nobody."""

from __future__ import annotations

import subprocess
import sys
from threading import Lock, Thread

from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery

UNDER_WAY = ("waiting", "reading", "measuring")


class Filler:
    """The processes that read data into a database.

    Args:
        database: the project's.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = Lock()

    def start(self, number: int) -> None:
        """Reads the data of a number, or reads it anew; where that is under way already, nothing happens."""
        with self._lock:
            running = self._running.get(number)
            if running is not None and running.poll() is None:
                return
            reader = [sys.executable, "-m", "convolens.studio.gallery.filling", str(self.database.path.parent)]
            begun = self._running[number] = subprocess.Popen(
                [*reader, str(number)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            Thread(target=begun.wait, daemon=True).start()  # its end is taken note of, or it stays as a zombie

    def go_on(self, data: Gallery) -> None:
        """Reads data on whose reading was cut off, as by the end of an earlier studio."""
        if data.state in UNDER_WAY:
            self.start(data.id)

    def close(self) -> None:
        """Ends what still reads; the next studio goes on with it."""
        with self._lock:
            for one in self._running.values():
                if one.poll() is None:
                    one.terminate()
                one.wait()
            self._running.clear()
