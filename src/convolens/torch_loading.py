"""Torch is loaded here first, so that it does so with threads that do not wait at other programs' cost."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from convolens.errors import need_package
from convolens.first_use import loaded

# How often torch's idle threads look for work before they sleep, some 10 µs: the next of a network's layers comes
# sooner. OpenMP's own 300,000 are milliseconds, for which they hold a core that another program, or the next of our
# layers, could have. Beside one busy process a training step of ResNet18 takes 2.0 times as long instead of 3.6
# (python -m benchmarks busy); alone it takes no longer.
_SPINS = "GOMP_SPINCOUNT", "2000"


def need_networks(why: str = "network") -> None:
    """Loads torch, and looks for what else networks need.

    Raises:
        MissingExtraError: it is not installed.
    """
    for name in ("torch", "safetensors"):
        if find_spec(name) is None:
            raise need_package(name, "networks", why)
    _load_torch()


def _load_torch() -> None:
    name, count = _SPINS
    if "torch" in sys.modules:  # if another thread is loading it, we wait for that
        loaded("torch")
        return
    ours = not {name, "OMP_WAIT_POLICY"} & os.environ.keys()  # what the user has chosen stays
    if ours:
        os.environ[name] = count  # read by OpenMP when it is loaded, once
    try:
        loaded("torch")
    finally:
        if ours:
            os.environ.pop(name, None)
