"""The sets of instructions that the kernels are compiled for, each to be tested where the processor has it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from convolens import _core

BUILT = {"x86_64": ("baseline", "avx2", "avx512"), "aarch64": ("neon",)}
HERE = _core.instruction_sets().split(",")
EACH = [
    pytest.param(name, marks=() if name in HERE else pytest.mark.skip(f"not run: this processor has no {name}"))
    for name in BUILT.get(platform.machine(), HERE)
]
each_instruction_set = pytest.mark.parametrize("instruction_set", EACH)


CHOOSING = "layers.methods", "layers.planner", "layers.fusion.convolution"


@contextmanager
def using(name: str) -> Iterator[None]:
    """Within it the kernels are those of that set, and layers choose among them anew."""
    before = _core.instruction_set()
    assert _core.use_instruction_set(name)
    forget_choices()
    try:
        yield
    finally:
        _core.use_instruction_set(before)
        forget_choices()


def forget_choices() -> None:
    """So that layers choose their methods anew."""
    modules = [sys.modules[f"convolens.{name}"] for name in CHOOSING if f"convolens.{name}" in sys.modules]
    for one in (value for module in modules for value in vars(module).values()):
        if hasattr(one, "cache_clear"):
            one.cache_clear()
