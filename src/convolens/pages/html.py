"""A plain page about something that was measured or looked at: a heading, a few sentences, parts with figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convolens import __version__
from convolens.errors import printable
from convolens.pages.figures import table
from convolens.pages.fragments import filled, own_text

# Control characters but for line breaks and tabs, what turns the direction of writing, bytes that are not UTF-8.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MOST_SKIPPED = 100  # files that a page names


@dataclass(frozen=True)
class Part:
    """A part of a page: its title, a sentence or two as plain text, and figures as `figures.py` makes them.

    A figure that is no `Markup` is taken for text, and escaped.
    """

    title: str
    text: str = ""
    figures: Sequence[Markup] = ()


def report(title: str, lead: str, parts: Sequence[Part]) -> str:
    """The page as HTML. Title, lead and the parts' words are plain text.

    What no reader sees in names, such as control characters and bytes that are not UTF-8, is shown as escapes.
    """
    page = filled("report.html", title=title, lead=lead, style=page_style(), version=__version__, parts=parts)
    return visible(page)


def visible(page: str) -> str:
    """The text with what no reader sees, such as control characters and bytes that are not UTF-8, as escapes."""
    return _UNSEEN.sub(lambda found: printable(found[0]), page)


def skipped_part(files: Sequence[tuple[str, str]]) -> list[Part]:
    """Which files could not be used, each with the sentence that says why; nothing where all could.

    >>> skipped_part([])
    []
    """
    rows = [(path, reason.removeprefix(f"{path}: ")) for path, reason in files[:MOST_SKIPPED]]
    text = f"{len(files):,} files could not be used."
    return [Part("Skipped", text, [table(("file", "reason"), rows, "")])] if files else []


def page_style() -> Markup:
    """The style sheet that all pages have: the colors and letters of the studio's too, and what is of pages alone."""
    return own_text("convolens.pages", "static/look.css") + own_text("convolens.pages", "page.css")
