"""Who was called: ours, or the peer where ours has no such thing. For the test that runs, and for all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

now: Counter[str] = Counter()
all_calls: Counter[tuple[str, str]] = Counter()  # by function, and by whose


def counted(ours: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Ours under the peer's name, counted; what is within it does not count again."""

    @wraps(ours)
    def call(*given: Any, **options: Any) -> Any:
        return _count("ours", name, ours, given, options)

    call.__name__ = name
    return call


def peer(function: Callable[..., Any], name: str, *given: Any, **options: Any) -> Any:
    """The peer's own, counted: for what ours has no name for."""
    now["peer"] += 1
    all_calls[name, "peer"] += 1
    all_calls[name, "ours"] -= 1
    now["ours"] -= 1
    return function(*given, **options)


def _count(whose: str, name: str, function: Callable[..., Any], given: Any, options: Any) -> Any:
    now[whose] += 1
    all_calls[name, whose] += 1
    return function(*given, **options)
