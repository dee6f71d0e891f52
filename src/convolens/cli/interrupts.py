"""What Ctrl-C leaves behind, said before the command line ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def telling_what_is_kept() -> Iterator[None]:
    """Prints what the work that was interrupted has to say of what it kept; typer would end without a word of it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop):
            typer.echo(str(stop), err=True)
        raise
