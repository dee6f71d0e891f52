"""What holds for the whole process: threads of the inner loops, how exact networks compute, the budget of memory."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import Literal, cast, get_args

from convolens import _core
from convolens.errors import ArgumentError, need_one_of
from convolens.forks import torch_is_alone
from convolens.free_memory import free_bytes

Precision = Literal["exact", "fast", "bfloat16"]

# Bytes; those of "GiB" are powers of two.
_UNITS = {"": 1, "b": 1, **{f"{letter}{end}": factor for at, letter in enumerate("kmgt", 1)
          for end, factor in (("", 1000**at), ("b", 1000**at), ("ib", 1024**at))}}  # fmt: skip
_LEAST_LIMIT = 1_000_000  # bytes; less is a number meant in gigabytes

_BFLOAT16_SETS = frozenset({"avx512_bf16", "amx"})

_precision: Precision | None = None  # not asked for yet
_memory_limit: int | None = None


def precision(mode: Precision | None = None) -> Precision:
    """Sets how exact a network's float32 convolutions on the CPU are, and returns the mode in force.

    `"fast"`, the default, may err by 5e-5 of a layer's largest output (Winograd's F(4×4, 3×3); with AMX products of
    bfloat16, three for one of float32); `"exact"` errs no more than 5e-6, or no more than PyTorch where that errs more
    (many channels). `"bfloat16"` may err by 1e-2 of it: inputs and weights are rounded to 8 bits and summed in float32,
    where no gradient follows; with one, it is as `"fast"`. Other dtypes, devices and layers do not change. The
    environment variable `CONVOLENS_PRECISION` says what is in force before the first call, on the command line too.

    Args:
        mode: `"exact"`, `"fast"` or, on a processor with AVX-512 BF16 or AMX, `"bfloat16"`; `None` only asks.

    Raises:
        ArgumentError: another word; `"bfloat16"` on a processor that does not multiply it, where it would bring
            nothing.

    >>> precision()
    'fast'
    """
    global _precision
    if mode is not None:
        _precision = _able(mode, "precision")
    elif _precision is None:
        _precision = _able(os.environ.get("CONVOLENS_PRECISION") or "fast", "CONVOLENS_PRECISION")
    return _precision


def _able(mode: str, name: str) -> Precision:
    need_one_of(name, mode, get_args(Precision))
    if mode == "bfloat16" and not multiplies_bfloat16():
        raise ArgumentError(
            f"{name}: need a processor that multiplies bfloat16 (AVX-512 BF16 or AMX), and this one does not, or "
            "CONVOLENS_ISA leaves it out: 'fast' is the fastest here"
        )
    return cast(Precision, mode)


def multiplies_bfloat16() -> bool:
    """Whether the instruction set in use multiplies bfloat16."""
    return _core.instruction_set() in _BFLOAT16_SETS


def multiplies_tiles() -> bool:
    """Whether it multiplies tiles of them, so fast that three products take less time than one of float32."""
    return bool(_core.instruction_set() == "amx")


@cache
def cores() -> int:
    """How many cores this process may run on: what choices depend on, where `threads` changes nothing but the time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(count: int | None = None) -> int:
    """Sets how many threads Convolens computes with, and returns the number in force.

    The core's loops, its Fourier transforms and, where it is loaded, torch's CPU operators use it. The default is the
    environment variable `CONVOLENS_THREADS`, else `OMP_NUM_THREADS`, else the number of cores this process may run on.
    What Convolens computes itself does not depend on it; the last bits of torch's own operators may. In a forked child
    torch computes with one thread, as its others did not come along.

    Args:
        count: at least 1; `None` only asks.

    Raises:
        ArgumentError: not a whole number, or less than 1.

    >>> threads() >= 1
    True
    """
    if count is not None:
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count < 1 << 31:
            raise ArgumentError(f"threads: need a whole number of at least 1, got {count!r}")
        _core.set_threads(count)
        torch = sys.modules.get("torch")
        if torch is not None and not torch_is_alone():
            torch.set_num_threads(_core.threads())
    return _core.threads()


def memory_limit(limit: int | float | str | None = None) -> int:
    """Sets how much working memory an operation may take, and returns the bytes in force.

    Results, intermediate arrays and decoded files count; what the caller holds already does not, nor do the libraries
    themselves. What needs more is done by another method or in parts, or refused with `cl.errors.MemoryRefused` before
    anything is allocated. The default is half of what is free at the time of asking, where a container's limit counts.

    Args:
        limit: bytes, at least a million, or a text such as "2GB" or "500MB"; "auto" is the default again; `None` only
            asks.

    Raises:
        ArgumentError: not such a size.

    >>> memory_limit("1.5GB")
    1500000000
    >>> memory_limit("auto") > 0
    True
    """
    global _memory_limit
    if limit is not None:
        _memory_limit = None if isinstance(limit, str) and limit == "auto" else _bytes_of(limit)
    return free_bytes() // 2 if _memory_limit is None else _memory_limit


def stated_memory_limit() -> int | None:
    """The budget that was set, None where it is the default."""
    return _memory_limit


def _bytes_of(limit: int | float | str) -> int:
    size = None
    if isinstance(limit, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?(?:i?b)?)\s*", limit.lower())
        size = float(found[1]) * _UNITS.get(found[2], 0) if found else None
    elif isinstance(limit, int | float) and not isinstance(limit, bool):
        size = limit
    if size is None or not _LEAST_LIMIT <= size < float("inf"):
        raise ArgumentError(f"memory: need a size of at least a million bytes, such as 2GB or 500MB, got {limit!r:.80}")
    return int(size)
