"""What holds for the whole process: how many threads the inner loops use, and how exact networks compute."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Literal, get_args

from convolens import _core
from convolens.errors import ArgumentError, need_one_of

Precision = Literal["exact", "fast"]

_precision: Precision = "fast"


def precision(mode: Precision | None = None) -> Precision:
    """Sets how exact a network's float32 convolutions on the CPU are, and returns the mode in force.

    `"fast"`, the default, may err by 5e-5 of a layer's largest output (Winograd's F(4×4, 3×3)); `"exact"` errs no more
    than 5e-6, or no more than PyTorch where that errs more (many channels). Other dtypes, devices and layers do not
    change.

    Args:
        mode: `"exact"` or `"fast"`; `None` only asks.

    Raises:
        ArgumentError: another word.

    >>> precision()
    'fast'
    """
    global _precision
    if mode is not None:
        need_one_of("precision", mode, get_args(Precision))
        _precision = mode
    return _precision


@cache
def cores() -> int:
    """How many cores this process may run on: what choices depend on, where `threads` changes nothing but the time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(count: int | None = None) -> int:
    """Sets how many threads Convolens computes with, and returns the number in force.

    The core's loops, its Fourier transforms and, where it is loaded, torch's CPU operators use it. The default is the
    environment variable `CONVOLENS_THREADS`, else `OMP_NUM_THREADS`, else the number of cores this process may run on.
    Results do not depend on it.

    Args:
        count: at least 1; `None` only asks.

    Raises:
        ArgumentError: not a whole number, or less than 1.

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
