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
_LINE = re.compile(r"^(?P<what>[\w ]+): (?P<words>.*?)\s+(?P<gone>\d+:\d\d:\d\d)(?:, (?P<left>\d+:\d\d:\d\d) left)?$")
_SPEED = re.compile(r"(\d+)/s\b")


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        words: the last line that its bar wrote.
        left: the time left, as `0:01:12`; empty where that is not known.
        pictures_per_second: of a training; None where that is not known.
        rows: of a training, the epochs (of a head, steps) so far, with their metrics by name.
        events: of a training, what its log notes.
    """

    words: str = ""
    left: str = ""
    pictures_per_second: int | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def progress_of(said: str, folder: Path | None) -> Progress:
    """What is known of a job from what it said and the folder that it writes into."""
    found = [match for line in said.splitlines() if (match := _LINE.match(line))]
    words, left = (found[-1]["words"], found[-1]["left"] or "") if found else ("", "")
    speed = _SPEED.search(words)
    return Progress(
        words, left, int(speed[1]) if speed else None, *(([], []) if folder is None else (rows(folder), events(folder)))
    )


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
