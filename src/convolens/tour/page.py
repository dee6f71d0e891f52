"""The tour's page: one HTML file that fetches nothing."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from markupsafe import Markup

from convolens import __version__
from convolens.errors import ConvolensError
from convolens.pages import page_style
from convolens.pages.fragments import filled
from convolens.settings import threads
from convolens.tour.guide import Visit
from convolens.tour.hero import hero
from convolens.tour.section import Section


def page(visits: Sequence[Visit], *, seconds: float) -> str:
    """The whole page, in the order of the visits, which took `seconds` together."""
    count = threads()
    return filled(
        "tour.html", package="convolens.tour", style=page_style(), hero=hero(), visits=visits, prose=_prose,
        lines=_lines, reason=_reason, version=__version__, threads=f"{count} thread{'s' * (count != 1)}",
        seconds=f"{seconds:.0f}",
    )  # fmt: skip


def _prose(section: Section) -> list[Markup]:
    """A section's paragraphs, which are HTML of our own."""
    return [Markup(one) for one in section.prose.strip().split("\n\n")]


def _lines(section: Section) -> list[str]:
    return [line or " " for line in section.python.strip().splitlines()]


def _reason(failure: Exception) -> str:
    return str(failure) if isinstance(failure, ConvolensError) else "".join(traceback.format_exception(failure))
