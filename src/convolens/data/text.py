"""What writers of text share: numbers that read back as they were, and names that text can hold."""

from __future__ import annotations

import re

from convolens.arrays import Real
from convolens.errors import DataError

DECIMALS = 6  # of a pixel that readers keep where they compute: a millionth
# What XML cannot write, and lines of text are cut by; and halves of letters, which names that are not UTF-8 have.
_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]|^\s|\s$")


def tidy(value: Real) -> float:
    """A coordinate that was computed from decimals, without what doubles add to them: 0.1 + 0.2 is 0.3.

    >>> tidy(0.1 + 0.2)
    0.3
    """
    return round(float(value), DECIMALS)


def number(value: Real) -> str:
    """A number in the fewest letters that read back as it.

    >>> number(12.0), number(0.1)
    ('12', '0.1')
    """
    plain = float(value)
    return str(int(plain)) if plain.is_integer() else repr(plain)


def need_plain(name: str, what: str, where: object) -> str:
    """The name, if a cell or an element can hold it.

    Raises:
        DataError: it has line breaks or other control characters, spaces at an end, or is not UTF-8.
    """
    if not name or _NOT_PLAIN.search(name):
        raise DataError(
            f"{where}: need the name of {what} in UTF-8, without control characters and spaces at its ends, "
            f"got {name!r}; rename it first"
        )
    return name
