"""How far a job is, read from what it writes anyway: the lines of its bar, a run's `log.jsonl` and `metrics.csv`."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convolens.media.result_folders import LOG

METRICS = "metrics.csv"
MOST_ROWS = 5_000
_LINE = re.compile(r"^(?P<what>[^:]+): (?P<words>.*?)\s+(?P<gone>\d+:\d\d:\d\d)(?:, (?P<left>\d+:\d\d:\d\d) left)?$")
_SPEED = re.compile(r"(\d+)/s\b")
_COUNTED = re.compile(r"(\d+)/(\d+)\b")
_PERCENT = re.compile(r"(\d+)%")
_ABOUT = re.compile(r"; about \d+:\d\d:\d\d; into ")
_MEASURED = re.compile(r"^([\d,]+) pictures?: top-1 ([\d.]+)%", re.MULTILINE)


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        words: the last line that its bar wrote.
        share: how much of that is done, from 0 to 1; None where that is not known.
        about: of a training, what it is, in its own words.
        left: the time left, as `0:01:12`; empty where that is not known.
        pictures_per_second: of a training; None where that is not known.
        rows: of a training, the epochs (of a head, steps) so far, with their metrics by name.
        events: of a training, what its log notes.
    """

    words: str = ""
    share: float | None = None
    about: str = ""
    left: str = ""
    pictures_per_second: int | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def progress_of(said: str, folder: Path | None) -> Progress:
    """What is known of a job from what it said and the folder that it writes into."""
    found = [match for line in said.splitlines() if (match := _LINE.match(line))]
    last = found[-1] if found else None
    words, left = ("", "") if last is None else (f"{last['what']}: {last['words']}", last["left"] or "")
    speed = _SPEED.search(words)
    about = next((line.partition("; into ")[0] for line in said.splitlines() if _ABOUT.search(line)), "")
    told = ([], []) if folder is None else (rows(folder), events(folder))
    return Progress(words, _share(words), about, left, int(speed[1]) if speed else None, *told)


def verdict_of(said: str) -> str:
    """How good a classifier became, in a sentence; empty where that was not measured.

    >>> verdict_of("8 pictures: top-1 75.0%, macro-F1 0.7")
    'Of 8 validation pictures, which it did not learn from, it classified 6 correctly.'
    """
    found = _MEASURED.findall(said)
    if not found:
        return ""
    count, share = int(found[-1][0].replace(",", "")), float(found[-1][1])
    right = round(count * share / 100)
    return f"Of {count:,} validation pictures, which it did not learn from, it classified {right:,} correctly."


def _share(words: str) -> float | None:
    if percent := _PERCENT.search(words):
        return min(1.0, int(percent[1]) / 100)
    counted = _COUNTED.search(words)
    return None if counted is None else min(1.0, int(counted[1]) / max(1, int(counted[2])))


def rows(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics, the last where there are many."""
    try:
        with (folder / METRICS).open(newline="", encoding="utf-8") as file:
            return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)][
                -MOST_ROWS:
            ]
    except (OSError, ValueError, TypeError):  # not there yet, or a table of something else
        return []


def events(folder: Path) -> list[dict[str, Any]]:
    """What a run's log notes; a last line that is still being written is left out."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-MOST_ROWS:]
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [one for one in found if isinstance(one, dict)]
