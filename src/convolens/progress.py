"""How far a piece of work is, on the error stream: a bar on a terminal, a plain line every few seconds elsewhere.

Within 80 columns: what it is, the bar, how many are done, a few words, the time gone and the time left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from convolens.quiet import is_quiet

Item = TypeVar("Item")
LOGGER = logging.getLogger("convolens")

FIRST_LINE = 5.0  # seconds until the first plain line: what is done sooner needs none
GROWTH = 0.05  # of the time gone so far: how far apart plain lines are later, so that a night's log can be read
NAME_WIDTH, LEAST_BAR, MOST_BAR = 16, 6, 40  # columns
NARROW = 60  # columns: in fewer, a bar with its words would be broken into two lines again and again
WORDS_WIDTH = 64  # columns beside name and bar: "epoch 99/100 loss 10.53 best 0.812 6400/s 0:01:12, 0:05:33 left"


class Watched:
    """Work that somebody watches, on a terminal or in a log.

    Args:
        what: what is done.
        total: how much there is to do; None where that is not known.
        console: where it is shown.
        bar: draws the bar; None writes plain lines.
        counted: whether steps are shown as `3/40`, or only as a share.
    """

    def __init__(
        self, what: str, total: float | None, console: Console, bar: Progress | None, *, counted: bool
    ) -> None:
        self.what, self.total, self.console, self.bar, self.counted = what, total, console, bar, counted
        self.started = self.spoken = time.monotonic()
        self.task = bar.add_task(what, total=total, words="") if bar else None
        self.done = 0.0

    def say(self, sentence: str) -> None:
        """Says something beside the bar; where the error stream takes no more, the work is done nonetheless."""
        LOGGER.info(sentence)
        with suppress(OSError):
            self.console.print(
                sentence,
                markup=False,
                highlight=False,
                soft_wrap=not (self.console.is_terminal or self.console.is_jupyter),
            )

    def advance(self, more: float) -> None:
        """So much more is done."""
        self.update(self.done + more)

    def update(self, done: float, words: str = "", *, total: float | None = None) -> None:
        """So much is done now, with a few words on how it goes; `total` changes how much there is."""
        self.done, self.total = done, self.total if total is None else total
        of = "" if self.total is None else f"/{self.total:.0f}"
        count = f"{done:.0f}{of}" if self.counted else ""
        if self.bar and self.task is not None:
            shown = " ".join(filter(None, (count, words)))
            most = done if self.total is None else self.total
            self.bar.update(self.task, completed=min(done, most), total=self.total, words=shown)
            return
        now = time.monotonic()
        gone = now - self.started
        if gone < FIRST_LINE or now - self.spoken < max(FIRST_LINE, GROWTH * gone):
            return
        self.spoken = now
        share = done / self.total if self.total else 0.0
        parts = (count or f"{share:.0%}", words, times(gone, share))
        with suppress(OSError):  # as in `say`
            self.console.out(f"{self.what}: {'  '.join(filter(None, parts))}", highlight=False)


@contextmanager
def watching(what: str, total: float | None, *, show: bool = True, counted: bool = True) -> Iterator[Watched]:
    """Shows work while it lasts.

    Args:
        what: what is done, in a word or two.
        total: how much there is to do; None where that is not known.
        show: False shows nothing.
        counted: whether steps are shown as `3/40`.
    """
    console = terminal()
    if not show or is_quiet():
        yield Watched(what, total, Console(quiet=True), None, counted=counted)
    elif not (_has_room(console) or _is_notebook(console)):
        yield Watched(what, total, console, None, counted=counted)
    else:
        name = what if len(what) <= NAME_WIDTH else f"{what[: NAME_WIDTH - 1]}…"
        width = min(max(console.width - WORDS_WIDTH - len(name) - 2, LEAST_BAR), MOST_BAR)
        columns = (TextColumn("{task.description}"), BarColumn(width), TextColumn("{task.fields[words]}"), _Times())
        with Progress(*columns, console=console) as bar:
            yield Watched(name, total, console, bar, counted=counted)


def _has_room(console: Console) -> bool:
    """Whether it is a terminal that can draw over a line, and a bar with its words fits into one."""
    return console.is_terminal and not console.is_dumb_terminal and console.width >= NARROW


def _is_notebook(console: Console) -> bool:
    """Whether it is one that can show a bar, which rich draws into a widget of ipywidgets."""
    return console.is_jupyter and find_spec("ipywidgets") is not None


def say(sentence: str, *, show: bool = True) -> None:
    """Says something of the work, beside its bars.

    Args:
        sentence: what to say.
        show: False says nothing.
    """
    with watching("", 0.0, show=show, counted=False) as watched:
        watched.say(sentence)


def track(items: Iterable[Item], what: str, total: int | None, *, show: bool = True) -> Iterator[Item]:
    """The items as they come, counted.

    Args:
        items: anything that gives one item at a time.
        what: what is counted.
        total: how many there will be; None where that is not known.
        show: False shows nothing.
    """
    with watching(what, total, show=show) as watched:
        for number, item in enumerate(items, 1):
            yield item
            watched.update(number)


def times(gone: float, share: float) -> str:
    """The time gone, and the time left at this pace.

    >>> times(72, 0.25)
    '0:01:12, 0:03:36 left'
    """
    return f"{clock(gone)}, {clock(gone * (1 - share) / share)} left" if share > 0 else clock(gone)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(3672.4)
    '1:01:12'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class _Times(ProgressColumn):
    """The time gone and the time left."""

    def render(self, task: Task) -> Text:
        return Text(times(task.elapsed or 0.0, (task.percentage or 0.0) / 100))


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read the error stream has gone: rich would end the process, and the answers with it."""
        self.quiet = True


@cache
def terminal() -> Console:
    """The error stream. One for all bars, so that one that runs within another is drawn below it."""
    return _Terminal(stderr=True)
