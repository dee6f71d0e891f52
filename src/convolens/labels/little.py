"""How little can be told: intervals, and classes that are often predicted as one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 20  # of a class, below which little can be told of it
ALIKE = 0.2  # fraction of a class that is predicted as one other, from which the two are named
CLOSE = 1.96  # standard deviations of an interval of 95%


def wilson(fraction: float, count: int) -> tuple[float, float]:
    """The interval of 95% for a fraction of a count, at least 1 (Wilson, 1927).

    >>> wilson(1.0, 4)[0] < 0.52
    True
    """
    middle = fraction + CLOSE**2 / (2 * count)
    spread = CLOSE * (fraction * (1 - fraction) / count + CLOSE**2 / (4 * count**2)) ** 0.5
    whole = 1 + CLOSE**2 / count
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def mistaken_pairs(
    mistaken: NDArray[Any], counts: NDArray[Any], names: Sequence[str]
) -> tuple[tuple[str, str, int], ...]:
    """`(said, likely, number)` of the pairs of classes of which `ALIKE` of the one is predicted as the other.

    >>> mistaken_pairs(np.array([[7, 3], [0, 5]]), np.array([10, 5]), ("cat", "dog"))
    (('cat', 'dog', 3),)
    """
    wrong = mistaken - np.diag(np.diag(mistaken))
    pairs = np.argwhere(wrong >= ALIKE * counts[:, None])
    found = ((names[a], names[b], int(wrong[a, b])) for a, b in pairs if wrong[a, b])
    return tuple(sorted(found, key=lambda one: -one[2]))
