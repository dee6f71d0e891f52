"""Streams that are closed, full, or read by nobody: the work is done, and what could not be said is one sentence."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from functools import partial

from tests.faults.children import Run, run
from tests.faults.commands import COMMANDS
from tests.faults.looking import difference, half_written, leftovers, snapshot
from tests.faults.workplace import Record, Workplace

UNREAD, CANNOT = 141, 2


def closed(*numbers: int) -> Callable[[], None]:
    """Closes streams."""
    return lambda: [os.close(number) for number in numbers] and None


def on_full_disk(*numbers: int) -> Callable[[], None]:
    """Has streams lead to a disk that is full."""
    return lambda: [os.dup2(os.open("/dev/full", os.O_WRONLY), number) for number in numbers] and None


def unread(number: int) -> Callable[[], None]:
    """Has a stream lead into a pipe whose reader has gone."""

    def before() -> None:
        ours, theirs = os.pipe()
        os.close(ours)
        os.dup2(theirs, number)

    return before


def stuffed(number: int) -> Callable[[], None]:
    """Has a stream lead into a pipe that is full and does not wait for its reader."""

    def before() -> None:
        _, theirs = os.pipe()
        os.set_blocking(theirs, False)
        size = fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ)
        os.write(theirs, b" " * size)
        os.dup2(theirs, number)

    return before


# How the streams are, and the exit codes that a command may then have beside its own.
STREAMS: dict[str, tuple[Callable[[], None], tuple[int, ...]]] = {
    "stdin closed": (closed(0), ()),
    "stdout closed": (closed(1), ()),
    "stderr closed": (closed(2), ()),
    "all closed": (closed(0, 1, 2), ()),
    "stdout on a full disk": (on_full_disk(1), (CANNOT,)),
    "stderr on a full disk": (on_full_disk(2), ()),
    "both on a full disk": (on_full_disk(1, 2), (CANNOT,)),
    "stdout unread": (unread(1), (UNREAD,)),
    "stderr unread": (unread(2), ()),
    "stdout stuffed": (stuffed(1), (CANNOT,)),
    "stderr stuffed": (stuffed(2), ()),
}


def streams(workplace: Workplace, record: Record, names: list[str]) -> None:
    """Runs each command with each fault of its streams."""
    for name in names:
        for kind, (before, codes) in STREAMS.items():
            if f"{kind} {name}" not in record.done:
                workplace.undisturbed(name)
                workplace.clear()
                done = run(COMMANDS[name].line.split(), workplace.folder, partial(_with, before))
                record.add(case=f"{kind} {name}", command=name, wrong=_told(workplace, name, kind, codes, done))


def _with(before: Callable[[], None]) -> None:
    """Does it, and gives Python the streams that it would then have made."""
    before()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            setattr(sys, name, None)


def _told(workplace: Workplace, name: str, kind: str, codes: tuple[int, ...], done: Run) -> str:
    if done.code not in (COMMANDS[name].code, *codes):
        return f"exit code {done.code}: {done.err.strip()[-200:]}"
    if "Traceback" in done.err or "Exception ignored" in done.err:
        return f"traceback: {done.err.strip()[-200:]}"
    if done.code == CANNOT and "stdout: " not in done.err and kind.startswith("stdout"):
        return f"the stream is not named: {done.err.strip()[-200:]}"
    if cut := half_written(workplace.out):
        return f"half-written: {cut[0]}"
    if left := leftovers(workplace.folder):
        return f"leftover: {', '.join(left)}"
    if done.code != COMMANDS[name].code:  # that its answers could not be written ends a command
        return ""
    return difference(snapshot(workplace.out), workplace.undisturbed(name).files) and "the work is not done"
