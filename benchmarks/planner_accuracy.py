"""How well the planner chooses: `python -m benchmarks planner_accuracy`.

Over random problems every method that can do one runs, in turn, and the planner's choice is held against the fastest.
Candidates predicted to be hopeless (beyond 30 times the choice) are not waited for. A problem done in under 50 µs is
judged by the whole call's time, as the difference between methods is lost in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import reduce
from time import perf_counter
from typing import Any

import numpy as np

import convolens as cl
from benchmarks.harness import machine, replace_section

PROBLEMS = 300
_SHORT_SECONDS = 50e-6
_HOPELESS = 30.0

Arrays = tuple[Any, Any]


@dataclass(frozen=True)
class Verdict:
    """One problem: its description, the choice, the fastest, and how many times longer the choice took."""

    problem: str
    chosen: str
    fastest: str
    ratio: float


def run(problems: int = PROBLEMS) -> None:
    random = np.random.default_rng(0)
    verdicts = [judge(*problem(random)) for _ in range(problems)]
    ratios = np.array([verdict.ratio for verdict in verdicts])
    lines = [
        f"Measured at a system load of {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores.",
        "",
        f"Over {problems} random problems the planner's choice was within 1.25× of the fastest method's time in "
        f"{(ratios <= 1.25).mean():.1%} and within 2× in {(ratios <= 2).mean():.1%}. The worst:",
        "",
        "| problem | chosen | fastest | times longer |",
        "|---|---|---|---|",
        *(
            f"| {v.problem} | {v.chosen} | {v.fastest} | {v.ratio:.2f} |"
            for v in sorted(verdicts, key=lambda v: -v.ratio)[:8]
        ),
    ]
    print("\n".join(lines))
    head = ["## The planner's choices", "", machine(), "", "`python -m benchmarks planner_accuracy`", ""]
    replace_section("The planner's choices", "\n".join([*head, *lines, ""]))


def problem(random: np.random.Generator) -> tuple[Any, Any, str]:
    """A signal and a kernel of sizes over several decades, with structure or without."""
    ndim = int(random.choice([1, 1, 2, 2, 2, 3]))
    most, widest = {1: (6.3, 4.7), 2: (3.2, 2.0), 3: (2.0, 1.2)}[ndim]
    shape = [int(10 ** random.uniform(1, most)) for _ in range(ndim)]
    kernel_shape = [min(n, int(10 ** random.uniform(0.2, widest))) for n in shape]
    dtype = random.choice(["float32", "float32", "float64", "complex64", "complex128"])
    x, kernel = (draw(random, size, dtype) for size in (shape, kernel_shape))
    form = random.choice(["dense", "dense", "sparse", "product"])
    if form == "sparse":
        taps = int(10 ** random.uniform(0, np.log10(kernel.size) * 0.7))
        keep = np.zeros(kernel.size, bool)
        keep[random.choice(kernel.size, taps, replace=False)] = True
        kernel = kernel * keep.reshape(kernel.shape)
    elif form == "product" and ndim > 1:
        kernel = sum(product(random, kernel_shape, dtype) for _ in range(int(random.choice([1, 1, 2]))))
    return x, kernel.astype(dtype), str(random.choice(["full", "same", "valid"]))


def draw(random: np.random.Generator, shape: list[int], dtype: str) -> Any:
    values = random.normal(size=shape)
    return (values + 1j * random.normal(size=shape) if dtype.startswith("complex") else values).astype(dtype)


def product(random: np.random.Generator, shape: list[int], dtype: str) -> Any:
    lines = [draw(random, [size], dtype) for size in shape]
    return reduce(np.multiply.outer, lines)


def judge(x: Any, kernel: Any, mode: str) -> Verdict:
    plan = cl.plan(x, kernel, mode)
    rivals = [
        c.name
        for c in plan.candidates
        if c.cost and plan.method != c.name and c.cost.seconds < _HOPELESS * plan.cost.seconds
    ]
    names = [plan.method, *rivals]
    times = in_turn({name: lambda name=name: cl.convolve(x, kernel, mode, method=name) for name in names})
    if min(times.values()) < _SHORT_SECONDS:
        times[plan.method] = in_turn({"auto": lambda: cl.convolve(x, kernel, mode)})["auto"]
    fastest = min(times, key=times.__getitem__)
    ratio = times[plan.method] / times[fastest]
    return Verdict(f"{x.shape} × {kernel.shape} {x.dtype} {mode}", plan.method, fastest, ratio)


def in_turn(calls: dict[str, Any], rounds: int = 5) -> dict[str, float]:
    """The least time of each, measured in turn; the least, as a busy machine only ever adds to it."""
    best = dict.fromkeys(calls, np.inf)
    for round_ in range(rounds + 1):
        for name, call in calls.items():
            start = perf_counter()
            call()
            taken = perf_counter() - start
            if round_:  # the first plans, and warms the caches
                best[name] = min(best[name], taken)
    return best
