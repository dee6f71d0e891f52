"""Whether what is said of the work, bars and sentences, is to be said at all; answers and errors always are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """Whether nothing is to be said of the work."""
    return _quiet.get()


@contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Has nothing said of the work while it lasts; `False` changes nothing."""
    token = _quiet.set(quiet or _quiet.get())
    try:
        yield
    finally:
        _quiet.reset(token)
