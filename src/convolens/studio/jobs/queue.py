"""The queue of jobs: one runs at a time, each is a command line of the package's, and what became of it is remembered.

Whoever starts the studio again finds a job that runs still running.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import OperationalError
from types import TracebackType
from typing import TypeVar

from convolens.errors import ArgumentError, printable
from convolens.studio.database import Database
from convolens.studio.jobs import process
from convolens.studio.jobs.job import OVER, Job
from convolens.studio.jobs.outcome import outcome
from convolens.studio.jobs.worker import SAID
from convolens.studio.project import Project

LOOK_EVERY = 0.2  # seconds
STOPPING = 20.0  # seconds that a job may take to keep what it has, when the studio ends
MOST_SAID = 64 << 10  # bytes of what a job said that are read

Found = TypeVar("Found")


class Queue:
    """The jobs of a project. Within a `with` they are run, one at a time.

    Args:
        project: where they write.
        database: where they are remembered.

    Attributes:
        on_done: called with each job that is done, before that is noted; each says in a sentence why the job is of no
            use nonetheless, or nothing.
    """

    def __init__(self, project: Project, database: Database) -> None:
        self.project, self.database = project, database
        self.ended = threading.Event()
        self.changed = threading.Event()
        self.on_done: list[Callable[[Job], str]] = []
        self.thread: threading.Thread | None = None

    def __enter__(self) -> Queue:
        self.ended.clear()
        self.thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.changed.set()
        if self.thread is not None:
            self.thread.join(STOPPING + 5)

    def add(
        self,
        kind: str,
        title: str,
        arguments: Sequence[str],
        *,
        again: Sequence[str] | None = None,
        folder: Path | None = None,
    ) -> int:
        """Puts a job at the end, and gives its number. What is given is as in `Job`, `folder` a path."""
        name = None if folder is None else self.project.name_of(folder)
        resuming = None if again is None else json.dumps(list(again))
        with self.database.writing() as connection:
            made = connection.execute(
                "INSERT INTO job (kind, title, arguments, again, folder, state, made) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, title, json.dumps(list(arguments)), resuming, name, "waiting", time.time()),
            )
        self.changed.set()
        return int(made.lastrowid or 0)

    def get(self, number: int) -> Job:
        """A job by its number.

        Raises:
            ArgumentError: there is none.
        """
        with self.database.reading() as connection:
            row = connection.execute("SELECT * FROM job WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise ArgumentError(f"job: need the number of one, got {number}")
        return Job.from_row(row)

    def jobs(self, kind: str | None = None, most: int = 100) -> list[Job]:
        """The latest, the newest first; of one kind, or all."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM job WHERE ? IS NULL OR kind = ? ORDER BY id DESC LIMIT ?", (kind, kind, most)
            ).fetchall()
        return [Job.from_row(row) for row in rows]

    def stop(self, number: int) -> Job:
        """Has a job end as Ctrl-C does, keeping what it has; one that waits is not begun."""
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE job SET state = CASE state WHEN 'waiting' THEN 'stopped' ELSE 'stopping' END,"
                " message = CASE state WHEN 'waiting' THEN 'was not begun' ELSE message END"
                " WHERE id = ? AND state IN ('waiting', 'running')",
                (number,),
            )
        job = self.get(number)
        if job.state == "stopping":
            process.tell_to_stop(self.folder_of(job.id))
        return job

    def resume(self, number: int) -> int:
        """Puts a job that was ended back into the queue, to go on where it was: a new job, whose number this gives.

        Raises:
            ArgumentError: it cannot be resumed.
        """
        job = self.get(number)
        if not job.can_resume or job.again is None:
            raise ArgumentError(f"job: need one that was stopped or cut and can be resumed; {job.title} is {job.state}")
        folder = None if job.folder is None else self.project.folder / job.folder
        with self.database.writing() as connection:  # it can be resumed once
            connection.execute("UPDATE job SET again = NULL WHERE id = ?", (number,))
        return self.add(job.kind, job.title, job.again, again=job.again, folder=folder)

    def folder_of(self, number: int) -> Path:
        """Where what a job said is kept."""
        return self.project.jobs / str(number)

    def said(self, number: int) -> str:
        """What a job said, its end where that is long; what a terminal would obey is escaped."""
        try:
            with (self.folder_of(number) / SAID).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_SAID))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(map(printable, text.splitlines()))

    def _work(self) -> None:
        """Until the studio ends: runs what waits, one after another, and first what an earlier studio left running."""
        while not self.ended.is_set():
            job = self._patiently(self._next)
            if job is None:
                self.changed.wait(5)
                self.changed.clear()
                continue
            state, message = self._run(job)
            if state == "done":
                problems = filter(None, [use(job) for use in self.on_done])
                state, message = next((("failed", problem) for problem in problems), (state, message))
            self._patiently(partial(self._end, job, state, message))

    def _patiently(self, act: Callable[[], Found]) -> Found | None:
        """What comes of something that writes, tried again while others write for longer than one waits.

        None where the studio ends meanwhile: the next one notes it.
        """
        while True:
            try:
                return act()
            except OperationalError:
                if self.ended.wait(1):
                    return None

    def _next(self) -> Job | None:
        with self.database.writing() as connection:
            row = connection.execute(
                "SELECT * FROM job WHERE state IN ('running', 'stopping', 'waiting') ORDER BY state = 'waiting', id"
            ).fetchone()
            if row is None or row["state"] != "waiting":
                return None if row is None else Job.from_row(row)
            connection.execute("UPDATE job SET state = 'running', started = ? WHERE id = ?", (time.time(), row["id"]))
        job = self.get(row["id"])
        process.begin(self.folder_of(job.id), job.arguments, self.project.folder)
        return job

    def _run(self, job: Job) -> tuple[str, str]:
        """Waits for a job's end, or ends it with the studio; gives the state and the sentence."""
        folder, left = self.folder_of(job.id), None
        while process.is_alive(folder):
            if self.ended.is_set() and left is None:
                left = time.monotonic() + STOPPING
                process.tell_to_stop(folder)
            if left is not None and time.monotonic() > left:
                return "running", ""  # the next studio finds it
            time.sleep(LOOK_EVERY)
        return outcome(job.kind, process.exit_code(folder), self.said(job.id), of_studio=self.ended.is_set())

    def _end(self, job: Job, state: str, message: str) -> None:
        if state not in OVER:
            return
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE job SET state = ?, message = ?, ended = ? WHERE id = ?", (state, message, time.time(), job.id)
            )
