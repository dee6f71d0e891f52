"""What holds for the whole process: how many threads the inner loops use."""

from __future__ import annotations

import sys

from convolens import _core
from convolens.errors import ArgumentError


def threads(count: int | None = None) -> int:
    """Sets how many threads Convolens computes with, and returns the number in force.

    The core's loops, its Fourier transforms and, where it is loaded, torch's CPU operators use it. The default is the
    number of cores this process may run on, or the environment variable `CONVOLENS_THREADS`. Results do not depend
    on it.

    Args:
        count: at least 1; `None` only asks.

    >>> threads() >= 1
    True
    """
    if count is not None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ArgumentError(f"threads: need a whole number of at least 1, got {count!r}")
        _core.set_threads(count)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(_core.threads())
    return _core.threads()
