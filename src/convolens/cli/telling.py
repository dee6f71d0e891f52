"""What commands print, by one rule: stdout has the answer that was requested, stderr all about the work.

So `convolens predict … > answers.txt` and `… --json | jq` hold answers alone, and what was written where, what was
skipped and how long it takes stands on the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


def tell(sentence: str) -> None:
    """Says something of the work, on stderr."""
    typer.echo(sentence, err=True)


def tell_written(path: Path, what: str = "") -> None:
    """Says what was written, and where."""
    tell(f"wrote {path}{f': {what}' if what else ''}")


@contextmanager
def telling_what_is_kept() -> Iterator[None]:
    """Says what the work that was interrupted has to say of what it kept; typer would end without a word of it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop):
            tell(str(stop))
        raise
