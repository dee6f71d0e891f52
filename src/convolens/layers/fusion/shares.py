"""What belongs to several ops, one behind the other, as each op's own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def shares(values: Sequence[T], counts: Sequence[int]) -> list[tuple[T, ...]]:
    """The first so many values, the next so many, and so on.

    >>> shares("abc", [2, 0, 1])
    [('a', 'b'), (), ('c',)]
    """
    left = iter(values)
    return [tuple(islice(left, count)) for count in counts]
