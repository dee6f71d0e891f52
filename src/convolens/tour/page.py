"""The tour's page: one HTML file that fetches nothing."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from convolens import __version__
from convolens.errors import ConvolensError
from convolens.pages import page_style
from convolens.settings import threads
from convolens.tour.guide import Visit
from convolens.tour.hero import hero


def page(visits: Sequence[Visit], *, seconds: float) -> str:
    """The whole page, in the order of the visits, which took `seconds` together."""
    count = threads()
    here = files("convolens.tour")
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        style=page_style(),
        hero=hero(),
        contents="".join(
            f'<li><a href="#{visit.section.name}">{escape(visit.section.title)}</a></li>' for visit in visits
        ),
        sections="".join(_section(visit) for visit in visits),
        version=escape(__version__),
        threads=f"{count} thread{'s' * (count != 1)}",
        seconds=f"{seconds:.0f}",
    )


def _section(visit: Visit) -> str:
    section = visit.section
    prose = "".join(f"<p>{paragraph}</p>" for paragraph in section.prose.strip().split("\n\n"))
    shown = "".join(visit.figures) if visit.failure is None else _failure(visit.failure)
    return (
        f'<section id="{section.name}"><h2>{escape(section.title)}</h2>'
        f'<div class="said"><div class="prose">{prose}</div>{_code(section.commands, section.python)}</div>'
        f'<div class="shown">{shown}</div><p class="clock">Computed in {visit.seconds:.1f} s.</p></section>'
    )


def _code(commands: Sequence[str], python: str) -> str:
    typed = [f'<span class="prompt">$ </span>{_unbroken(line)}' for line in commands]
    lines = [escape(line) or " " for line in python.strip().splitlines()]
    return f'<div class="code">{_listing("in a shell", typed)}{_listing("in Python", lines)}</div>'


def _unbroken(command: str) -> str:
    """The words of a command, which a narrow screen must not break at their hyphens."""
    return " ".join(f'<span class="word">{escape(word)}</span>' for word in command.split())


def _listing(label: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    listed = "".join(f'<span class="line">{line}</span>' for line in lines)
    return f'<div><span class="label">{label}</span><pre><code>{listed}</code></pre></div>'


def _failure(failure: Exception) -> str:
    reason = str(failure) if isinstance(failure, ConvolensError) else "".join(traceback.format_exception(failure))
    return f'<div class="failure"><strong>This section failed.</strong><pre>{escape(reason)}</pre></div>'
