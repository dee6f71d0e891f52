"""The smallest part of a file or text that still does the same: Zeller's ddmin, on bytes."""

from __future__ import annotations

import time
from collections.abc import Callable


def smallest(data: bytes, same: Callable[[bytes], bool], seconds: float = 20.0) -> bytes:
    """What stays of the data when all is taken out that can be, and what is left is made plain.

    Args:
        data: does it.
        same: whether others do it too.
        seconds: after which the smallest so far is taken.
    """
    end = time.monotonic() + seconds
    pieces = 2
    while len(data) > 1 and time.monotonic() < end:
        size = -(-len(data) // pieces)
        for at in range(0, len(data), size):
            rest = data[:at] + data[at + size :]
            if rest and same(rest):
                data, pieces = rest, max(pieces - 1, 2)
                break
            if time.monotonic() > end:
                return data
        else:
            if size == 1:
                return data
            pieces = min(2 * pieces, len(data))
    return data
