"""What the doctor finds: a kind of trouble, how often, and where for example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from convolens.data.doctor.next_steps import NEXT_STEPS

Corners = tuple[float, float, float, float]
MOST_INSTANCES = 8  # of one kind that are named in texts, pages and JSON


@dataclass(frozen=True, slots=True)
class Instance:
    """One place where it is so: the file, what is wrong with it, and a box or another file where there is one."""

    path: Path
    text: str = ""
    box: Corners | None = None
    other: Path | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble.

    Attributes:
        kind: in two or three words.
        level: a `fault` spoils a training or a measurement; a `note` is worth knowing.
        count: how often.
        sentence: what it is and what to do about it.
        instances: the first few.
        all_instances: every one, for tables.
    """

    kind: str
    level: Literal["fault", "note"]
    count: int
    sentence: str
    instances: tuple[Instance, ...] = ()
    all_instances: tuple[Instance, ...] = field(default=(), repr=False)

    @property
    def next_step(self) -> str:
        """What to do about it, in a line."""
        return NEXT_STEPS[self.kind]


def finding(
    kind: str, level: Literal["fault", "note"], sentence: str, instances: Sequence[Instance], count: int | None = None
) -> list[Finding]:
    """The finding as a list of one, or of none where there is nothing."""
    number = len(instances) if count is None else count
    return (
        [Finding(kind, level, number, sentence, tuple(instances[:MOST_INSTANCES]), tuple(instances))] if number else []
    )
