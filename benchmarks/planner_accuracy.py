"""How well the planner chooses: `python -m benchmarks planner_accuracy`, or `… planner_accuracy layers` for a part.

Over random problems every method that can do one runs, in turn, and the planner's choice is held against the fastest:
convolutions, the sums that the gradient in a kernel is (a few outputs under a kernel as large as the signal), and
layers of networks. Candidates predicted to be hopeless (beyond 30 times the choice) are not waited for. A convolution
done in under 50 µs is judged by the whole call's time, as the difference between methods is lost in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

import convolens as cl
from benchmarks.harness import machine, replace_section

PROBLEMS, GRADIENTS, LAYERS = 300, 150, 100
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


def run(*parts: str) -> None:
    """Judges all parts, or those named, and writes them into the README."""
    verdicts = {part: list(PARTS[part]()) for part in parts or PARTS}
    lines = [f"Measured at a system load of {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores.", ""]
    for part, found in verdicts.items():
        ratios = np.array([verdict.ratio for verdict in found])
        lines += [
            f"Over {len(found)} random {part} the choice was within 1.25× of the fastest method's time in "
            f"{(ratios <= 1.25).mean():.1%} and within 2× in {(ratios <= 2).mean():.1%}. The worst:",
            "",
            "| problem | chosen | fastest | times longer |",
            "|---|---|---|---|",
            *(
                f"| {v.problem} | {v.chosen} | {v.fastest} | {v.ratio:.2f} |"
                for v in sorted(found, key=lambda v: -v.ratio)[:8]
            ),
            "",
        ]
    print("\n".join(lines))
    head = ["## The planner's choices", "", machine(), "", "`python -m benchmarks planner_accuracy`", ""]
    if not parts:
        replace_section("The planner's choices", "\n".join([*head, *lines]))


def convolutions() -> Iterator[Verdict]:
    """Random convolutions."""
    random = np.random.default_rng(0)
    return (judge(*problem(random)) for _ in range(PROBLEMS))


def gradients() -> Iterator[Verdict]:
    """Random sums of the gradient in a kernel: the signal under what comes from above, which is nearly as large."""
    random = np.random.default_rng(1)
    for _ in range(GRADIENTS):
        x, kernel, _ = problem(random, dense=True)
        above = draw(random, [n - k + 1 for n, k in zip(x.shape, kernel.shape, strict=True)], x.dtype.name)
        yield judge(x, above, "valid")


def layers() -> Iterator[Verdict]:
    """Half of the layers of known networks and as many random ones, in both orders in memory."""
    import torch

    from benchmarks.calibrate_layers import geometries, random_geometries

    known = list(geometries(count=0))[::2]
    for at, geometry in enumerate([*known, *random_geometries(Random(1), LAYERS - len(known))]):
        with torch.no_grad():
            yield judge_layer(geometry, channels_last=at % 2 == 0)


def judge_layer(geometry: Any, *, channels_last: bool) -> Verdict:
    """One layer with the ReLU that follows it, whose weights stay as they are."""
    import torch

    from convolens.layers import core, methods
    from convolens.layers.planner import LayerSpec, plan_for

    x, weight, bias = (torch.randn(s) for s in (geometry.x_shape, geometry.weight_shape, geometry.weight_shape[:1]))
    x = x.contiguous(memory_format=core.LAST) if channels_last else x
    plan = plan_for(LayerSpec(geometry, channels_last=channels_last))
    able = [c.name for c in plan.candidates if c.cost and c.cost.seconds < _HOPELESS * plan.cost.seconds]
    times = in_turn({name: lambda name=name: methods.output(name, x, weight, bias, geometry) for name in able})
    fastest = min(times, key=times.__getitem__)
    order = "channels-last" if channels_last else "planes"
    words = f"{geometry.x_shape} × {geometry.weight_shape} step {geometry.stride[0]}, {order}"
    return Verdict(words, plan.method, fastest, times[plan.method] / times[fastest])


PARTS = {"convolutions": convolutions, "gradients": gradients, "layers": layers}


def problem(random: np.random.Generator, *, dense: bool = False) -> tuple[Any, Any, str]:
    """A signal and a kernel of sizes over several decades, with structure or without."""
    ndim = int(random.choice([1, 1, 2, 2, 2, 3]))
    most, widest = {1: (6.3, 4.7), 2: (3.2, 2.0), 3: (2.0, 1.2)}[ndim]
    shape = [int(10 ** random.uniform(1, most)) for _ in range(ndim)]
    kernel_shape = [min(n, int(10 ** random.uniform(0.2, widest))) for n in shape]
    dtype = random.choice(["float32", "float32", "float64", "complex64", "complex128"])
    x, kernel = (draw(random, size, dtype) for size in (shape, kernel_shape))
    form = "dense" if dense else random.choice(["dense", "dense", "sparse", "product"])
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


if __name__ == "__main__":
    run(*sys.argv[1:])
