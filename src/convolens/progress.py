"""A bar with the time left, on the terminal's error stream; silent where nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int, *, show: bool = True) -> Iterator[Item]:
    """The items as they come, with a bar that counts them.

    Args:
        items: anything that gives one item at a time.
        what: stands before the bar.
        total: how many there will be.
        show: False shows nothing; nor is anything shown where the error stream is no terminal.
    """
    console = terminal()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bar:
        yield from bar.track(items, total=total, description=what)


@cache
def terminal() -> Console:
    """The error stream. One for all bars, so that one that runs within another is drawn below it."""
    return Console(stderr=True)
