"""The queue of jobs: one runs at a time, each is a command line of the package's, and what became of it is remembered.

A job is `waiting`, `running`, `stopping` (told to, as by Ctrl-C) and then `done`, `stopped`, `failed`, or `cut`: its
process is gone without a word, as by a power cut. Whoever starts the studio again finds a job that runs still running.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from sqlite3 import OperationalError, Row
from types import TracebackType
from typing import TypeVar

from filelock import FileLock, Timeout

from convolens.errors import ArgumentError, printable
from convolens.studio.database import Database
from convolens.studio.jobs.worker import ALIVE, ENDED, PID, SAID
from convolens.studio.project import Project

OVER = ("done", "stopped", "failed", "cut")
INTERRUPTED = (130, -signal.SIGINT, 143, -signal.SIGTERM)  # exit codes of what was told to stop
REFUSED = 2  # of what the user can mend
FOUND, FINDING = 1, ("doctor", "labels")  # the exit code of those that found something, and their kinds
LOOK_EVERY = 0.2  # seconds
STOPPING = 20.0  # seconds that a job may take to keep what it has, when the studio ends
MOST_SAID = 64 << 10  # bytes of what a job said that are read

Found = TypeVar("Found")


@dataclass(frozen=True)
class Job:
    """A job as it is remembered.

    Attributes:
        id: its number.
        kind: what its page shows of it: `train`, `stylize`, `export`, …
        title: in a few words.
        arguments: of the command line, after `convolens`.
        again: those that resume it; None where that is not possible.
        folder: what it writes, relative to the project's folder.
        state: see above.
        message: how it ended, in a sentence.
        made: when it was asked for, in seconds since 1970, as are `started` and `ended`.
    """

    id: int
    kind: str
    title: str
    arguments: list[str]
    again: list[str] | None
    folder: str | None
    state: str
    message: str
    made: float
    started: float | None
    ended: float | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in OVER

    @property
    def can_resume(self) -> bool:
        """Whether it was ended before it was done, and can go on."""
        return self.again is not None and self.state in ("stopped", "cut", "failed")


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
        return _job(row)

    def jobs(self, kind: str | None = None, most: int = 100) -> list[Job]:
        """The latest, the newest first; of one kind, or all."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM job WHERE ? IS NULL OR kind = ? ORDER BY id DESC LIMIT ?", (kind, kind, most)
            ).fetchall()
        return [_job(row) for row in rows]

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
            _tell_to_stop(self.folder_of(job.id))
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
                return None if row is None else _job(row)
            connection.execute("UPDATE job SET state = 'running', started = ? WHERE id = ?", (time.time(), row["id"]))
        job = self.get(row["id"])
        self._start(job)
        return job

    def _start(self, job: Job) -> None:
        folder = self.folder_of(job.id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        worker = [sys.executable, "-m", "convolens.studio.jobs.worker", str(folder), *job.arguments]
        with (folder / SAID).open("ab") as said:
            process = subprocess.Popen(
                worker, cwd=self.project.folder, start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip
        while process.poll() is None and not (folder / PID).exists():  # from then on its lock says whether it lives
            time.sleep(0.01)
        threading.Thread(target=process.wait, daemon=True).start()  # its end is taken note of, or it stays as a zombie

    def _run(self, job: Job) -> tuple[str, str]:
        """Waits for a job's end, or ends it with the studio; gives the state and the sentence."""
        folder, left = self.folder_of(job.id), None
        while _is_alive(folder):
            if self.ended.is_set() and left is None:
                left = time.monotonic() + STOPPING
                _tell_to_stop(folder)
            if left is not None and time.monotonic() > left:
                return "running", ""  # the next studio finds it
            time.sleep(LOOK_EVERY)
        try:
            code = int((folder / ENDED).read_text())
        except (OSError, ValueError):
            return "cut", "its process is gone, without a word: killed, or the machine went down"
        if code == 0 or (code == FOUND and job.kind in FINDING):
            return "done", ""
        early = code == 1 and self.said(job.id).rstrip().endswith("KeyboardInterrupt")  # Python was still beginning
        if code in INTERRUPTED or early:
            ended = self.ended.is_set()
            return "stopped", "stopped as the studio was ended" if ended else "stopped as you asked"
        return "failed", _reason(self.said(job.id), code)

    def _end(self, job: Job, state: str, message: str) -> None:
        if state not in OVER:
            return
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE job SET state = ?, message = ?, ended = ? WHERE id = ?", (state, message, time.time(), job.id)
            )


def _is_alive(folder: Path) -> bool:
    """Whether the process around a job lives: it holds a lock as long."""
    if not (folder / ALIVE).exists():
        return False
    try:
        with FileLock(folder / ALIVE, timeout=0):
            return False
    except Timeout:
        return True


def _tell_to_stop(folder: Path) -> None:
    if not _is_alive(folder):
        return  # its number may be another process's by now
    with suppress(OSError, ValueError):
        os.kill(int((folder / PID).read_text()), signal.SIGINT)


def _reason(said: str, code: int) -> str:
    """Why a job failed: the sentence of its error, or the last line of a crash."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if code == REFUSED and errors:
        return errors[-1]
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        return f"ended by {name}" + (", which the system sends when memory runs out" if name == "SIGKILL" else "")
    return f"crashed (exit code {code}): {lines[-1] if lines else 'it said nothing'}"


def _job(row: Row) -> Job:
    values = dict(row)
    values["arguments"] = json.loads(values["arguments"])
    values["again"] = values["again"] and json.loads(values["again"])
    return Job(**values)
