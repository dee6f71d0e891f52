"""A section of the tour: what it says, what it runs, and what it shows of the result.

The Python lines are kept as text, and that text is what is executed; the commands are text as well, and the tests run
them. So the page shows nothing that does not work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """One stop of the tour. Everything runs with the tour's folder as the working directory.

    Attributes:
        name: one short word, the section's address on the page.
        title: as printed on the page.
        prose: HTML, shown before the result; an empty line parts paragraphs.
        commands: one command line each, as typed in the tour's folder.
        python: the same in Python; its variables go to `show`.
        prepare: writes the files that commands and Python read.
        show: turns the variables of `python` into figures (see `pages.figures`).
        budget_seconds: what prepare, python and show may take together on two cores.
    """

    name: str
    title: str
    prose: str
    commands: Sequence[str]
    python: str
    prepare: Callable[[], None]
    show: Callable[[Mapping[str, Any]], Sequence[Markup]]
    budget_seconds: int
