"""Times ours and its peers in turn, in one process, after comparing what they return.

Rounds are interleaved, so that a slow spell of the machine falls on everyone; before each timed call a short sleep lets
another library's spinning threads settle. A row holds medians; the ratio is the best peer's time over ours, above 1
where ours is faster.

    report = Report("convolve", "One convolution")
    report.row("1-D 1e6 by 16 taps", lambda: cl.convolve(x, k), {"numpy": lambda: np.convolve(x, k)}, tolerance=1e-5)
    report.write()
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from convolens import _core

Call = Callable[[], Any]

README = Path(__file__).parent / "README.md"
_SETTLE_SECONDS = 0.003
_PEERS = ("numpy", "scipy", "torch", "opencv-python-headless", "scikit-image")


def milliseconds(
    calls: Mapping[str, Call], *, seconds: float = 2.0, repeats: int = 1, least: int = 3
) -> dict[str, float]:
    """The median time of each call in milliseconds, measured in turn until `seconds` have passed a call.

    Args:
        calls: what is timed, by name.
        seconds: how long each of them is timed for.
        repeats: how many calls one timed sample makes, for calls of microseconds.
        least: how many samples there are at least; fewer than 3 only where one takes many seconds.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or len(next(iter(samples.values()))) < least:
        for name, call in calls.items():
            time.sleep(_SETTLE_SECONDS)
            samples[name].append(_one_sample(call, repeats))
    return {name: statistics.median(times) for name, times in samples.items()}


def _one_sample(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) * 1e3 / repeats


def largest_difference(a: Any, b: Any) -> float:
    """The largest difference between two results, relative to the largest value of the second."""
    first, second = (np.asarray(value).astype(np.result_type(np.asarray(value).dtype, np.float64)) for value in (a, b))
    if first.shape != second.shape:
        raise ValueError(f"peer: need the same shape as ours, {first.shape}, got {second.shape}")
    scale = float(np.abs(second).max(initial=0)) or 1.0
    return float(np.abs(first - second).max(initial=0)) / scale


def difference_in_all(a: Any, b: Any) -> float:
    """The Euclidean norm of two results' difference, relative to the second's.

    For gradients through many ReLUs and poolings: one value that rounds to the other side of 0 changes single partials
    by percents, in torch's own float32 against its float64 as much as in ours.
    """
    first, second = (np.asarray(value, np.float64) for value in (a, b))
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


@dataclass(frozen=True)
class Row:
    """One case: our time and every peer's, in milliseconds."""

    name: str
    ours: float
    peers: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """The best peer's time over ours."""
        return min(self.peers.values()) / self.ours

    def markdown(self) -> str:
        """The row, peers from fastest to slowest."""
        peers = ", ".join(f"{name} {_figure(ms)}" for name, ms in sorted(self.peers.items(), key=lambda item: item[1]))
        return f"| {self.name} | {_figure(self.ours)} | {self.ratio:.2f}× | {peers} |"


def _figure(ms: float) -> str:
    return f"{ms:.4f}" if ms < 0.1 else f"{ms:.2f}" if ms < 10 else f"{ms:.1f}"


@dataclass
class Report:
    """The rows of one benchmark, printed as they come and kept as a section of benchmarks/README.md."""

    name: str
    title: str
    note: str = ""
    rows: list[Row] = field(default_factory=list)

    def row(
        self,
        name: str,
        ours: Call,
        peers: Mapping[str, Call],
        *,
        tolerance: float,
        seconds: float = 1.0,
        repeats: int = 1,
        difference_of: Callable[[Any, Any], float] | None = None,
    ) -> Row:
        """Compares the outputs, by their largest difference or as `difference_of` does, then times everyone.

        Raises:
            ValueError: a peer's output differs from ours by more than `tolerance`, as a share of ours.
        """
        expected = ours()
        for peer, call in peers.items():
            difference = (difference_of or largest_difference)(call(), expected)
            if not difference <= tolerance:
                raise ValueError(f"{name}: need {peer} within {tolerance:g} of ours, got {difference:g}")
        times = milliseconds({"ours": ours, **peers}, seconds=seconds, repeats=repeats)
        row = Row(name, times.pop("ours"), times)
        self.rows.append(row)
        print(row.markdown(), flush=True)
        return row

    def geometric_mean(self) -> float:
        """Of the rows' ratios."""
        return float(np.exp(np.mean([np.log(row.ratio) for row in self.rows])))

    def markdown(self) -> str:
        """The section: the machine, the command, the table."""
        lines = [f"## {title_here(self.title)}", ""]
        if self.note:
            lines += [self.note, ""]
        lines += [machine(), "", f"`python -m benchmarks {self.name}`", ""]
        lines += ["| case | ours, ms | best peer ÷ ours | peers, ms |", "|---|---|---|---|"]
        lines += [row.markdown() for row in self.rows]
        return "\n".join([*lines, "", f"Geometric mean of the ratios: {self.geometric_mean():.2f}×.", ""])

    def write(self, path: Path = README) -> None:
        """Replaces this benchmark's section of the page, or adds it."""
        replace_section(title_here(self.title), self.markdown(), path)


def title_here(title: str) -> str:
    """The title of a section: those of AVX-512 have none but its own, other sets of instructions are named."""
    here, best = _core.instruction_set(), _core.instruction_sets().split(",")[-1]
    if here != best:
        return f"{title}: {here} alone"
    return f"{title}: {here}" if here == "amx" else title


def replace_section(title: str, markdown: str, path: Path = README) -> None:
    """Replaces one section of the page, or adds it; sections stand in alphabetical order."""
    head, *sections = (path.read_text() if path.exists() else _HEAD).split("\n## ")
    others = [section for section in sections if section.split("\n", 1)[0] != title]
    mine = markdown.removeprefix("## ")
    path.write_text("\n## ".join([head, *sorted([*(s.rstrip() + "\n" for s in others), mine])]))


_HEAD = """# Benchmarks

Ours and its peers in one process, in turn, medians, outputs compared first; whole networks (`engines`) in a process for
each engine, as theirs go on spinning. `python -m benchmarks [NAME ...]` runs them all, or those named, and rewrites
their sections here.
"""


def machine() -> str:
    """The processor, what of it is used, and the versions of everyone."""
    found = []
    for package in _PEERS:
        try:
            found.append(f"{package.removesuffix('-python-headless')} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {_core.threads()} threads, "
        f"{_core.instruction_set()} (of {_core.instruction_sets()}); Python {platform.python_version()}, "
        + ", ".join(found)
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or sys.platform
