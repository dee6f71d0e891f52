"""How much memory is free: what the system says, and no more than a container's limit leaves.

Linux says it in /proc/meminfo, and of a group of processes that is limited (cgroup, version 1 or 2: a container, a job
of a cluster) in files below /sys/fs/cgroup. Its pages of files that the system can drop at once count as free, as they
do in /proc/meminfo. Where nothing says what is free, half of what is built in is taken for it. Less than 1 ms.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
# In a group's folder: its limit, what it holds, and of that in `memory.stat` what can be dropped. Version 2, and 1.
_UNIFIED = ("memory.max", "memory.current", "inactive_file")
_FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_bytes(root: Path = _ROOT) -> int:
    """Bytes that this process may still take without swapping or being ended.

    Args:
        root: the folder that holds `proc` and `sys`.
    """
    return max(0, min([_free_of_machine(root), *_free_of_groups(root)]))


def _free_of_machine(root: Path) -> int:
    for name, value in _numbers(root / "proc/meminfo"):
        if name == "MemAvailable":
            return value * 1024
    return _built_in() // 2


def _built_in() -> int:
    if sys.platform == "win32":
        return _built_in_windows()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _built_in_windows() -> int:
    import ctypes

    kilobytes = ctypes.c_ulonglong()
    ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))  # type: ignore[attr-defined]
    return kilobytes.value * 1024


def _free_of_groups(root: Path) -> Iterator[int]:
    """What is left to each limited group that this process is in; groups lie in one another."""
    for folder, (limit, usage, droppable) in _groups(root):
        most, held = _number(folder / limit), _number(folder / usage)
        if most is not None and held is not None:  # none is the word "max"; version 1's is a huge number
            yield most - held + dict(_numbers(folder / "memory.stat")).get(droppable, 0)


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            top, names = root / "sys/fs/cgroup", _UNIFIED
        elif "memory" in controllers.split(","):
            top, names = root / "sys/fs/cgroup/memory", _FIRST
        else:
            continue
        folder = top / path.lstrip("/")  # within a container the path may be the host's, and nothing be there
        yield from ((each, names) for each in (folder, *folder.parents) if each.is_relative_to(top))


def _number(path: Path) -> int | None:
    text = next(_lines(path), "")
    return int(text) if text.isdecimal() else None


def _numbers(path: Path) -> Iterator[tuple[str, int]]:
    """The lines of a name and a number."""
    for line in _lines(path):
        words = line.split()
        if len(words) > 1 and words[1].isdecimal():
            yield words[0].rstrip(":"), int(words[1])


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text().splitlines()
    except OSError:
        return
