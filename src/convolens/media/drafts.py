"""Drafts: what is half-written, under a name that says which process writes it.

A process that is killed cannot remove its drafts; the next one that writes into the folder does. The name is
`.PLACE-PROCESS-START-RANDOM.part` and the target's suffix: the machine (or container) by a hash, the process's number,
and when that process was started, as numbers are given again. Where it cannot be known whether a process still runs, as
on another machine that shares the folder, a draft is left alone for a day after it was last written to.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from secrets import token_hex

OTHERS_SECONDS = 24 * 3600.0

_NAME = re.compile(r"\.([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.part(\.\w+)?")
_mine: set[Path] = set()  # files and folders that go when this process ends, however it is told to
_cleaned: set[tuple[int, Path]] = set()  # folders, by the process that cleaned them: a fork is another


def new_draft(target: Path, *, folder: bool = False) -> Path:
    """An empty file or folder beside the target, with its suffix. What killed processes left there is removed.

    Raises:
        OSError: it cannot be made.
    """
    remove_abandoned(target.parent)
    pid = os.getpid()
    draft = target.with_name(f".{_place()}-{pid}-{_started(pid) or 0}-{token_hex(4)}.part{target.suffix}")
    gone_at_the_end(draft)
    try:
        if folder:
            draft.mkdir()
        else:
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the umask decides, as for any file
    except OSError:
        _mine.discard(draft.absolute())
        raise
    return draft


def drop(draft: Path) -> None:
    """Removes a draft, if it still has its name."""
    _remove(draft)
    _mine.discard(draft.absolute())


def gone_at_the_end(path: Path) -> None:
    """Has a file removed by `remove_drafts` too, unless it is dropped before."""
    _mine.add(path.absolute())  # wherever the process works by then


def remove_drafts() -> None:
    """Removes what is half-written at this moment, for a process that ends without unwinding."""
    for draft in tuple(_mine):
        _remove(draft)


def remove_abandoned(folder: Path) -> None:
    """Removes the drafts in a folder whose process is gone; looks once for each folder and process."""
    here = (os.getpid(), folder.absolute())
    if here in _cleaned:
        return
    _cleaned.add(here)
    with suppress(OSError):  # it may take files and not be listed
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(".")]
        for name in names:
            found = _NAME.fullmatch(name)
            if found and _is_abandoned(folder / name, found[1], int(found[2]), int(found[3])):
                _remove(folder / name)


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)  # what another thread still writes into it, the next process removes
    else:
        draft.unlink(missing_ok=True)


def _is_abandoned(draft: Path, place: str, pid: int, started: int) -> bool:
    if place == _place() and started:
        return _started(pid) != started
    try:
        return time.time() - draft.stat().st_mtime > OTHERS_SECONDS
    except OSError:  # its process has just finished it
        return False


@cache
def _place() -> str:
    """The machine or container in which a process's number means that process."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """When a process was started, in ticks since the machine was; None if it has ended, or there is no /proc."""
    try:
        stated = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    state, *fields = stated.rpartition(b")")[2].split()  # behind the name, which may hold anything
    return None if state in (b"Z", b"X") else int(fields[18])  # one that was killed and nobody asked after
