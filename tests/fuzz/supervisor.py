"""Watches over the process that does the cases, and starts another where it ends, hangs, or takes too much memory."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.fuzz import watch
from tests.fuzz.formats import FORMATS
from tests.fuzz.worker import BROKEN, BUSY, Outcome, made, work

LOOK_SECONDS = 0.5  # without a word, after which it is looked at
HANG_SECONDS = 10.0  # of processor time, of all its processes: however busy the machine is
HANG_WALL_SECONDS = 300.0  # of waiting for what never comes, in which it takes no processor time
MOST_MEMORY = 5 << 30  # bytes, beyond which the machine itself would be in danger
AT_ONCE = 500  # cases that are given to it; it starts anew sometimes, as what leaks would add up
RENEWED_AFTER = 50_000


class Supervisor:
    """Has the cases done."""

    def __init__(self, seed: int, mutators: str, keep: Path, kinds: list[str]) -> None:
        self.given = (seed, mutators, keep)
        self.kinds = kinds
        self.begin()

    def begin(self) -> None:
        """Starts the process, in a group of its own with its children."""
        context = multiprocessing.get_context("forkserver")  # which imports once, and starts another at once
        context.set_forkserver_preload(["tests.fuzz.worker"])
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, *self.given), daemon=False)
        self.process.start()
        other.close()
        self.pipe.recv()  # it has imported everything

    def outcomes(self, first: int, last: int, deadline: float) -> Iterator[tuple[int, Outcome]]:
        """Each case's number and outcome, until the last or the deadline."""
        number, renewed = first, first
        while number < last and time.monotonic() < deadline:
            end = min(number + AT_ONCE, last)
            self.pipe.send((number, end, self.kinds))
            while number < end and time.monotonic() < deadline:
                outcome = self.next()
                ended = outcome[0] in ("crash", "hang") or (outcome[0] == "memory" and not self.process.is_alive())
                if ended:
                    outcome = self.kept(number, outcome)
                yield number, outcome
                number += 1
                if ended:
                    self.begin()
                    break
            if number - renewed > RENEWED_AFTER:
                self.end()
                self.begin()
                renewed = number
        self.end()

    def next(self) -> Outcome:
        """What is told of the next case, or seen."""
        waited = 0.0  # looks without a word, as a machine that stands still does not look either
        begun: float | None = None
        latest = 0.0
        while True:
            try:
                if self.pipe.poll(LOOK_SECONDS):
                    told: Outcome = self.pipe.recv()
                    if told[0] == BROKEN:
                        raise RuntimeError(told[2])
                    if told[0] != BUSY:
                        return told
                    waited, begun = 0.0, None
                    continue
            except (EOFError, ConnectionResetError):
                self.process.join()
                return "crash", f"crash-{self.process.exitcode}", f"exit code {self.process.exitcode}"
            taken = watch.processor_seconds(self.process.pid or 0)
            begun = taken if begun is None else begun
            memory = watch.resident(self.process.pid or 0)
            if memory > MOST_MEMORY:
                return self.ended("memory", f"{memory:,} bytes")
            waited, latest = (0.0 if taken > latest else waited + LOOK_SECONDS), taken
            if taken - begun > HANG_SECONDS or waited > HANG_WALL_SECONDS:
                return self.ended("hang", f"{taken - begun:.0f} s of processor time")

    def ended(self, outcome: str, told: str) -> Outcome:
        """Ends the process."""
        for pid in watch.family(self.process.pid or 0):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.join()
        return outcome, outcome, told

    def kept(self, number: int, outcome: Outcome) -> Outcome:
        """Keeps the file of a case that ended the process: as it is, for it cannot be tried again here."""
        seed, mutators, keep = self.given
        kind = self.kinds[number % len(self.kinds)]
        name = f"{kind}-{outcome[1]}-{number}".replace(" ", "-")
        (keep / f"{name}.txt").write_text(f"seed {seed}, case {number}\n{outcome[2]}\n")
        if kind in FORMATS:
            data = made(kind, mutators, random.Random(f"{seed}/{number}"))
            (keep / f"{name}{Path(FORMATS[kind].name).suffix}").write_bytes(data)
        return outcome[0], f"{kind}-{outcome[1]}", outcome[2]

    def end(self) -> None:
        """Lets it end."""
        self.pipe.close()
        self.process.join(5)
        self.process.kill()
        self.process.join()
