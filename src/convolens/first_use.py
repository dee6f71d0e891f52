"""What is loaded on first use, by one thread at a time.

Modules of SciPy and torch import one another in circles. Python lets a second thread into such a circle before all of
it is there, to keep both from waiting for ever; what it wants then may be missing.
"""

from __future__ import annotations

import os
from importlib import import_module
from threading import RLock
from typing import Any

_lock = RLock()
_whole: dict[str, Any] = {}  # whole, where `sys.modules` also has those that are half loaded


def loaded(name: str) -> Any:
    """A module, such as `scipy.fft`.

    Raises:
        ImportError: there is none, or one that it imports.
    """
    if name in _whole:
        return _whole[name]
    with _lock:
        module = import_module(name)
        if not getattr(module.__spec__, "_initializing", False):  # as it is where it is loaded by itself
            _whole[name] = module
    return module


def _new_lock() -> None:
    """In a forked child, where the thread that held it is no more."""
    global _lock
    _lock = RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_new_lock)
