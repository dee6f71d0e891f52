"""What a process takes: processor time of it and its children, and memory; from Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")


def processor_seconds(pid: int) -> float:
    """Of the process, its children that have ended, and those that live."""
    seconds = _of_one(pid)
    for child in _children(pid):
        seconds += processor_seconds(child)
    return seconds


def resident(pid: int) -> int:
    """Bytes of memory that the process and its children have now."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0
    return own + sum(resident(child) for child in _children(pid))


def forget_peak() -> None:
    """Lets this process's peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most bytes of memory that this process had since."""
    with open("/proc/self/status", "rb") as stream:  # noqa: PTH123 - done for each case
        line = next(line for line in stream if line.startswith(b"VmHWM"))
    return int(line.split()[1]) * 1024


def _of_one(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS  # utime, stime, and those of children that were waited for


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def family(pid: int) -> list[int]:
    """The process and all below it."""
    return [pid, *(one for child in _children(pid) for one in family(child))]
