"""The budget of working memory: what is about to be allocated is stated first, and refused where it is too much.

Whoever allocates in proportion to its input calls `need_memory` with the bytes that it is about to take, before it
takes them: results, intermediate arrays, decoded files. What is smaller than `SMALL` is not looked at, unless the
budget itself is, as asking what is free takes up to 1 ms.
"""

from __future__ import annotations

from convolens import settings
from convolens.errors import MemoryRefused

SMALL = 64e6  # bytes: any machine has them


def fits(size: float) -> bool:
    """Whether so many bytes are within the budget."""
    least = settings.stated_memory_limit()
    return size <= (SMALL if least is None else least) or size <= settings.memory_limit()


def need_memory(size: float, subject: object, remedy: str = "") -> None:
    """States how many bytes are about to be allocated for the subject.

    Args:
        size: bytes.
        subject: what errors are about: a file, an argument.
        remedy: what takes less.

    Raises:
        MemoryRefused: more than the budget.
    """
    if not fits(size):
        budget = shown(settings.memory_limit())
        raise MemoryRefused(
            f"{subject}: need {shown(size)} of memory, got a budget of {budget}; "
            f"{f'{remedy}, or ' if remedy else ''}allow more by cl.memory_limit"
        )


def shown(size: float) -> str:
    """Bytes in words.

    >>> shown(1_234_000_000), shown(64e6)
    ('1.24 GB', '64 MB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{-(-size // (unit / 100)) / 100:g} {name}"  # rounded up: what is asked for will do
    return f"{size:,.0f} bytes"
