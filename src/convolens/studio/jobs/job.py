"""A job as it is remembered: its command line, and what became of it.

A job is `waiting`, `running`, `stopping` (told to, as by Ctrl-C) and then `done`, `stopped`, `failed`, or `cut`: its
process is gone without a word, as by a power cut.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Row

OVER = ("done", "stopped", "failed", "cut")


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

    @classmethod
    def from_row(cls, row: Row) -> Job:
        """The job of a row of the table."""
        values = dict(row)
        values["arguments"] = json.loads(values["arguments"])
        values["again"] = values["again"] and json.loads(values["again"])
        return cls(**values)
