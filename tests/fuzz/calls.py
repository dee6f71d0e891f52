"""Calls of every public function with arguments of which one or two are odd: a right result, or a typed error."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any

import numpy as np
import torch

import convolens as cl
from tests.fuzz import truths
from tests.fuzz.form import MEMORY
from tests.fuzz.odd import odd_value
from tests.fuzz.right import CALLS, SLOW, Arguments, place

SELDOM = 0.004
WRITING = ("write_image", "write_audio", "train", "convert", "export", "predict_files", "features_of_files")
LASTING = ("steps", "epochs", "noise_samples", "checkpoint_seconds")  # of which more takes longer, as it should
NOT_CALLED = ("__version__", "layers", "errors")
_NAMES = [name for name, (often, _) in CALLS.items() for _ in range(often)]


def call(luck: Random) -> str:
    """Calls a function with one or two arguments that are odd, or none, and looks at what it gives.

    Returns:
        The call, in words.
    """
    name = luck.choice(list(SLOW)) if luck.random() < SELDOM else luck.choice(_NAMES)
    right = (SLOW[name] if name in SLOW else CALLS[name][1])(luck)
    arguments = dict(right)
    changed = [luck.choice(list(right)) for _ in range(luck.choice((0, 1, 1, 1, 1, 2)))]
    for one in changed:
        arguments[one] = odd_value(right[one], luck)
        if one == "on_step" and callable(arguments[one]):  # what it raises is its own
            arguments[one] = None
        if one in LASTING and isinstance(arguments[one], int) and arguments[one] > right[one] + 1:
            arguments[one] = right[one] + 1
    if str(arguments.get("data")) == "/":  # all that there is takes as long as it does
        arguments["data"] = "/dev"
    before = set(place().iterdir()) if name in WRITING else None
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            result = _function(name)(**arguments)
        truths.check(name, arguments, result, is_right=not changed)
    except BaseException as error:
        if not (_speaks_of_memory(error) and any(map(truths.is_claim, arguments.values()))):  # what no machine has
            error.add_note(shown(name, arguments))
            raise
    finally:
        _as_before(before)
    return shown(name, arguments)


def _speaks_of_memory(error: BaseException) -> bool:
    """Whether it is how Python, NumPy or torch say that there is not so much memory."""
    words = ("memory", "bad_alloc", "allocate", "too big", "too large", "overflow", "Maximum allowed")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _function(name: str) -> Callable[..., Any]:
    function: Any = cl
    for part in name.split("."):
        function = getattr(function, part)
    return function


def _as_before(before: set[Path] | None) -> None:
    """Takes back what holds for the whole process, and files."""
    cl.precision("fast")
    cl.threads(1)
    cl.memory_limit(MEMORY)
    for path in set(place().iterdir()) - before if before is not None else ():
        rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


def shown(name: str, arguments: Arguments) -> str:
    """The call, in words."""
    return f"cl.{name}({', '.join(f'{key}={_brief(value)}' for key, value in arguments.items())})"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{type(value).__name__} {value.dtype} {value.shape} strides {value.strides}>"
    if isinstance(value, torch.Tensor):
        return f"<{value.dtype} {tuple(value.shape)} {value.layout} {value.device}>"
    try:
        return f"{value!r:.60}"
    except Exception as error:  # a value that cannot be shown
        return f"<{type(value).__name__}: {error}>"
