"""What commands print, by one rule: stdout has the answer that was requested, stderr all about the work.

So `convolens predict … > answers.txt` and `… --json | jq` hold answers alone, and what was written where, what was
skipped and how long it takes stands on the terminal.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import typer

from convolens.errors import FileError, FileNote, printable
from convolens.quiet import is_quiet

_NOTES_SHOWN = 5  # of one kind; a folder of animations would fill the terminal


class Answers(TextIOWrapper):
    """Stdout, which says its name where it cannot be written to; names that are not UTF-8 are written with escapes."""

    def __init__(self, stream: TextIO) -> None:
        encoding, by_line = stream.encoding, bool(stream.line_buffering)
        unbuffered = bool(getattr(stream, "write_through", False))
        bytes_of: Any = stream.detach()  # type: ignore[attr-defined]
        super().__init__(bytes_of, encoding, "backslashreplace", line_buffering=by_line, write_through=unbuffered)

    def write(self, text: str) -> int:
        """Writes. Raises a `FileError` where that fails, a `BrokenPipeError` where nobody reads."""
        with _naming_stdout():
            return super().write(text)

    def flush(self) -> None:
        """Writes what is kept. Raises as `write` does."""
        with _naming_stdout():
            super().flush()


@contextmanager
def _naming_stdout() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"stdout: cannot be written to: {error.strerror or error}") from error


_shown_as: ContextVar[Mapping[str, str] | None] = ContextVar("shown_as", default=None)


@contextmanager
def showing_as(names: Mapping[str, str]) -> Iterator[None]:
    """Has files that stand for streams called by the streams' names, while it lasts.

    Args:
        names: how the paths of such files begin, and what to say instead.
    """
    token = _shown_as.set(names)
    try:
        yield
    finally:
        _shown_as.reset(token)


def worded(text: str) -> str:
    """The text, printable, with files that stand for streams by the streams' names."""
    for path, name in (_shown_as.get() or {}).items():
        text = re.sub(rf"{re.escape(path)}(?:\.\w+)?", name, text)
    return "\n".join(map(printable, text.split("\n")))


def tell(sentence: str) -> None:
    """Says something of the work, on stderr, unless it is to be quiet; where that takes no more, the work is done."""
    if not is_quiet():
        tell_failure(sentence)


def tell_failure(sentence: str) -> None:
    """Says what went wrong, on stderr, also where all else is to be quiet."""
    with suppress(OSError):
        typer.echo(worded(sentence), err=True)


def answer(text: object) -> None:
    """Gives an answer, on stdout, its lines as they are; what a terminal would obey is escaped in each."""
    print(worded(str(text)), flush=True)


def answer_line(line: str) -> None:
    """Gives an answer of one line, which stays one whatever the names in it hold."""
    print(printable(worded(line)), flush=True)


@contextmanager
def telling_notes() -> Iterator[None]:
    """Says what readers and writers of files note, each once, on stderr; of many alike only the first and how many."""
    told: set[str] = set()
    alike: Counter[str] = Counter()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, FileNote):
            return shown(message, category, *where, **more)
        sentence = str(message)
        kind = re.sub(r"\d+", "", sentence.partition(": ")[2])
        alike[kind] += sentence not in told
        if sentence not in told and alike[kind] <= _NOTES_SHOWN:
            tell(f"note: {sentence}")
        told.add(sentence)
        return None

    with warnings.catch_warnings():
        shown = warnings.showwarning
        warnings.simplefilter("always", FileNote)
        warnings.showwarning = show
        try:
            yield
        finally:
            for kind, count in alike.items():
                if count > _NOTES_SHOWN:
                    tell(f"note: {count - _NOTES_SHOWN} more files: {kind}")


def tell_written(path: Path | str, what: str = "") -> None:
    """Says what was written, and where."""
    tell(f"wrote {printable(str(path))}{f': {what}' if what else ''}")


def tell_many(target: Path, done: int, failures: int, what: str) -> None:
    """Says what was written of many files, `what`, into a folder; the command ends here where some failed."""
    if done or not failures:
        tell_written(target, f"{done} {what}, {failures} skipped")
    else:
        tell_failure(f"nothing is written into {printable(str(target))}: all {failures} {what} were skipped")
    if failures:
        raise typer.Exit(2)


@contextmanager
def telling_what_is_kept() -> Iterator[None]:
    """Says what the work that was interrupted has to say of what it kept; typer would end without a word of it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop):
            tell(str(stop))
        raise
