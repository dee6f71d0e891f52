"""What processes below another take, by `/proc`: of Linux alone."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

# Ray starts workers at a niceness of 15: where others use the machine too, that would be what is measured.
NOT_NICE = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
_TICKS = os.sysconf("SC_CLK_TCK")


def below(process: int) -> list[int]:
    """The process itself and all that it started, and those, and so on."""
    children = defaultdict[int, list[int]](list)
    for one in Path("/proc").iterdir():
        if one.name.isdigit() and (stat := _read(one / "stat")):
            children[int(stat.rpartition(")")[2].split()[1])].append(int(one.name))
    found = [process]
    for one in found:
        found += children[one]  # which are gone through too
    return found


def titled_below(process: int, title: str) -> list[int]:
    """Those below a process whose command line begins so, oldest first."""
    return sorted(one for one in below(process) if _read(Path(f"/proc/{one}/cmdline")).startswith(title))


def resident_mb(process: int, field: str = "VmRSS") -> float:
    """Resident megabytes, or by `VmHWM` the most that there ever were; 0 of one that is gone."""
    for line in _read(Path(f"/proc/{process}/status")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def processor_seconds(process: int) -> float:
    """Seconds of processors that it took so far, its children that were waited for included; 0 of one that is gone."""
    fields = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
