"""Runs a section: its own Python lines, in the tour's folder, against its budget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from convolens.tour.section import Section


@dataclass(frozen=True)
class Visit:
    """What came of a section: its figures and time, or what went wrong."""

    section: Section
    seconds: float
    figures: Sequence[Markup] = ()
    failure: Exception | None = None

    @property
    def over_budget(self) -> bool:
        """Whether it took longer than it says."""
        return self.seconds > self.section.budget_seconds

    def summary(self) -> str:
        """One line for the terminal."""
        outcome = f"{self.section.title} ({self.seconds:.1f} s of {self.section.budget_seconds} s)"
        if self.failure is not None:
            return f"{outcome}: FAILED: {type(self.failure).__name__}: {self.failure}"
        return f"{outcome}: over its budget" if self.over_budget else outcome


def visit(section: Section, folder: Path) -> Visit:
    """Runs one section in `folder`. What it raises is kept in the visit, so that the other sections still run."""
    start = time.perf_counter()
    try:
        figures = _figures(section, folder)
    except Exception as failure:
        return Visit(section, time.perf_counter() - start, failure=failure)
    return Visit(section, time.perf_counter() - start, figures)


def _figures(section: Section, folder: Path) -> Sequence[Markup]:
    variables: dict[str, Any] = {}
    with chdir(folder):
        section.prepare()
        exec(compile(section.python, f"<tour, section {section.name}>", "exec"), variables)
        return section.show(variables)
