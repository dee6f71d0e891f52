"""Templates filled: everything is escaped, and what no reader sees in names is shown as escapes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from convolens.pages import fragments
from convolens.pages.html import visible
from convolens.progress import clock


@dataclass(frozen=True)
class Tab:
    """A screen in the navigation: its name, its address, and what it is for. Each screen's module has its `TABS`."""

    name: str
    address: str
    about: str


def page(request: Request, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """A template filled, as an answer.

    Args:
        request: what is answered; templates see its path.
        template: its name in `templates/`.
        status: of the answer.
        values: what the template names; one that it names and does not get is an error.
    """
    text = environment().get_template(template).render(path=request.url.path, tabs=request.app.state.tabs, **values)
    return HTMLResponse(visible(text), status)


@cache
def environment() -> Environment:
    """The studio's templates and those of pages, with what they may call."""
    made = fragments.environment("convolens.studio")
    made.filters["clock"] = clock
    made.filters["command"] = command
    made.filters["list_pair"] = lambda text: (text, text)
    made.filters["exact"] = repr
    made.filters["corner"] = lambda value: f"{value:.10g}"
    return made


def command(arguments: list[str]) -> str:
    """A command line as one types it.

    >>> command(["blur", "my photo.jpg", "soft.jpg"])
    "convolens blur 'my photo.jpg' soft.jpg"
    """
    return shlex.join(["convolens", *arguments])
