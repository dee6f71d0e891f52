"""Many threads call everything at once; each must get the bits that one thread gets, and memory must stay flat.

    python -m tests.threads --threads 8 --calls 20000
    python -m tests.threads --minutes 60

The cases are few enough to know every answer beforehand (where torch's own operators compute, one for each number of
threads that the calls may set); each thread takes them in an order of its own. Memory is looked at while all threads
wait, after what is unused has gone back to the system: what is allocated then is in use, or lost.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import convolens as cl
from convolens.arrays import release_pool
from tests.memory import resident
from tests.threads.calls import CALLS, COUNTS, Shared, shared

MEGABYTE = 1 << 20
WARM = 0.25  # of the samples: caches and the allocator's arenas fill
ALLOWED_GROWTH = 24 * MEGABYTE  # between the means of what follows in halves


def digest(result: Any) -> bytes:
    """A fingerprint of a result's bits, kinds and shapes."""
    made = hashlib.blake2b(digest_size=16)

    def add(part: Any) -> None:
        if isinstance(part, torch.Tensor):
            part = part.detach().numpy()
        if isinstance(part, (list, tuple)):
            for inner in part:
                add(inner)
        elif isinstance(part, np.ndarray):
            made.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            made.update(part if isinstance(part, bytes) else repr(part).encode())

    add(result)
    return made.digest()


def do(case: int, given: Shared) -> bytes:
    """The fingerprint of a case's result."""
    return digest(CALLS[case % len(CALLS)](case, given))


class Stress:
    """Threads that do the same cases, each in an order of its own, in rounds between which memory is looked at."""

    def __init__(self, given: Shared, cases: int, threads: int) -> None:
        self.given, self.cases, self.threads = given, cases, threads
        self.expected: list[set[bytes]] = [set() for _ in range(cases)]
        for count in COUNTS:
            for case in range(cases):
                cl.threads(count)  # each time, as some of the cases set it
                self.expected[case].add(do(case, given))
        self.wrong: list[str] = []
        self.memory: list[int] = []
        self.allocated: list[int] = []
        self.done = 0

    def round(self, number: int, calls: int) -> None:
        """So many calls by every thread, then a look at memory."""
        workers = [threading.Thread(target=self._work, args=(number, at, calls)) for at in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.done += calls * self.threads
        self.memory.append(_in_use())
        self.allocated.append(allocated())

    def _work(self, number: int, at: int, calls: int) -> None:
        luck = random.Random(f"{number} {at}")
        for _ in range(calls):
            case = luck.randrange(self.cases)
            try:
                same = do(case, self.given) in self.expected[case]
                told = "other bits"
            except Exception as error:  # a finding, to be told with its case
                same, told = False, repr(error)
            if not same:
                self.wrong.append(f"{CALLS[case % len(CALLS)].__name__}, case {case}: {told}")
                print(f"wrong: {self.wrong[-1]}", flush=True)  # at once: an interrupted run says what it found

    def growth(self) -> int:
        """Bytes by which the second half of what was measured once warm exceeds the first."""
        measured = self.allocated if all(self.allocated) else self.memory
        warm = measured[int(len(measured) * WARM) :]
        half = len(warm) // 2
        return int(np.mean(warm[half:]) - np.mean(warm[:half])) if half else 0


def _in_use() -> int:
    gc.collect()
    release_pool()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's alone
        trim(0)
    return resident()


class _Allocated(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    )]  # fmt: skip


def allocated() -> int:
    """Bytes that were asked for by malloc and not given back; 0 where the C library does not say.

    What is resident beyond that are gaps between them, in the arena of each thread: these fill for long.
    """
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)  # of glibc from 2.33 on
    if ask is None:
        return 0
    ask.restype = _Allocated
    found = ask()
    return int(found.uordblks + found.hblkhd)


def main() -> int:
    """The exit code is 1 where bits differ, a call fails, or memory grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.threads", description=__doc__)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--calls", type=int, default=20_000, help="by each thread")
    parser.add_argument("--minutes", type=float, help="rather than a number of calls")
    parser.add_argument("--cases", type=int, default=700)
    parser.add_argument("--rounds", type=int, default=40, help="how often memory is looked at")
    options = parser.parse_args()
    sys.setswitchinterval(1e-4)  # threads take turns more often than by default
    with tempfile.TemporaryDirectory() as folder:
        stress = Stress(shared(Path(folder)), options.cases, options.threads)
        run(stress, options)
    print(f"{stress.done} calls by {options.threads} threads, {len(stress.wrong)} wrong")
    print("MB resident after each round:", *(size // MEGABYTE for size in stress.memory))
    print("MB allocated after each round:", *(round(size / MEGABYTE, 1) for size in stress.allocated))
    print(f"growth once warm: {stress.growth() / MEGABYTE:.1f} MB", flush=True)
    return int(bool(stress.wrong) or stress.growth() > ALLOWED_GROWTH)


def run(stress: Stress, options: argparse.Namespace) -> None:
    """Rounds until the calls are done, or the time is up."""
    begin, number = time.monotonic(), 0
    each = -(-options.calls // options.rounds) if options.minutes is None else 100
    while True:
        stress.round(number, each)
        number += 1
        minutes = (time.monotonic() - begin) / 60
        wrong, memory = len(stress.wrong), stress.memory[-1] // MEGABYTE
        print(f"{minutes:6.1f} min, {stress.done} calls, {wrong} wrong, {memory} MB", flush=True)
        if number >= options.rounds if options.minutes is None else minutes >= options.minutes:
            return
