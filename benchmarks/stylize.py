"""Restyling against the same losses and optimizer in plain PyTorch: a step's time, memory, and the way to a loss.

`python -m benchmarks stylize`, or one part: `python -m benchmarks.stylize speed`, `memory` or `way`. The way to a loss
takes half an hour and is timed by the process's own processor time on one thread, so that other work on the machine
hardly counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import convolens as cl
from benchmarks.harness import machine, replace_section
from benchmarks.plain_stylize import Plain, PlainRun
from convolens.stylization.losses import ContentTerm, StyleTerm
from convolens.stylization.memory import plan_memory
from convolens.stylization.objective import Objective, grams_of, maps_of
from convolens.stylization.optimizers import Lbfgs, optimize
from convolens.stylization.pictures import as_unit, resized
from convolens.tour.pictures import photo
from convolens.trunks import Trunk

CONTENT_TAP = "conv4_2"
STYLE_TAPS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
WEIGHTS = (1.0, 100.0, 5.0)  # content, style (twenty times the default), total variation
PLAIN_STEPS = 300
STEPS = (30, 40, 165)  # ours, at the three scales of 512²: about what a quarter of the plain run's time allows
NEAR = 1.05  # times the plain run's last loss: as good
GIGABYTES = 2.5  # the default of `stylize`
FORMATS = {"rows of channels": torch.channels_last, "planes": torch.contiguous_format}
SPEED_STEPS = 7
MEMORY_STEPS = 4  # a step's peak is there from the second on; what then still grows is the optimizer's history


def pictures(side: int) -> tuple[Tensor, Tensor]:
    """The content and the style, both of that size."""
    found = [
        resized(as_unit(photo(name), name), (side, side)).float().contiguous() for name in ("astronaut.png", "ihc.png")
    ]
    return found[0], found[1]


def random_vgg19() -> Trunk:
    """VGG19 with random weights: speed does not depend on them, and real ones are not to be had everywhere."""
    return cl.trunk("vgg19").requires_grad_(False)


def ours_at(trunk: Trunk, side: int) -> Objective:
    content, style = pictures(side)
    plan = plan_memory(trunk, (CONTENT_TAP, *STYLE_TAPS), (CONTENT_TAP,), (side, side), GIGABYTES)
    wanted = maps_of(trunk, (CONTENT_TAP,), content, plan.tiling)[CONTENT_TAP]
    grams = grams_of(trunk, STYLE_TAPS, style, plan.tiling)
    share = WEIGHTS[1] / len(STYLE_TAPS)
    terms = [ContentTerm(CONTENT_TAP, WEIGHTS[0], wanted)]
    styles = [StyleTerm(tap, 0, share, grams[tap], None) for tap in STYLE_TAPS]
    return Objective(trunk, [*terms, *styles], WEIGHTS[2], (side, side), plan.tiling)


def plain_at(trunk: Trunk, side: int, memory_format: torch.memory_format) -> PlainRun:
    content, style = pictures(side)
    plain = Plain(trunk, content, style, CONTENT_TAP, STYLE_TAPS, WEIGHTS, memory_format)
    return PlainRun(plain, content)


def speed(side: int = 512) -> str:
    """A step's time on both sides, in turn."""
    threads(2)
    trunk = random_vgg19()
    walking = optimize(pictures(side)[0], ours_at(trunk, side), Lbfgs(20), 10**6)
    calls: dict[str, Callable[[], Any]] = {"ours": lambda: next(walking)}
    calls |= {name: plain_at(trunk, side, layout).step for name, layout in FORMATS.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(SPEED_STEPS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    step = {name: statistics.median(found) for name, found in times.items()}
    best = min(step[name] for name in FORMATS)
    others = ", ".join(f"in {name} {step[name]:.2f} s" for name in FORMATS)
    return (
        f"A step of VGG19 to conv5_1 at {side}²: {step['ours']:.2f} s; plain PyTorch {others}: "
        f"**{best / step['ours']:.2f}×** as fast."
    )


def memory(side: int = 1024) -> str:
    """The most memory that a process of its own takes for some steps, and their time."""
    (ours, took), (plain, plain_took) = (in_a_process(which, side) for which in ("ours", "plain"))
    return (
        f"VGG19 to conv5_1 at {side}², {MEMORY_STEPS} steps in a process of its own: at most {ours:.2f} GB, plain "
        f"PyTorch {plain:.2f} GB: **{ours / plain:.2f}** of it. Allowed are the default {GIGABYTES:g} GB; a step "
        f"takes {took:.1f} s of processor time, plain PyTorch's {plain_took:.1f} s."
    )


def way(side: int = 512) -> str:
    """Coarse to fine against the plain run's last loss, from the same start, in processor time."""
    threads(1)
    trunk = cl.trunk("vgg16", weights="hed").requires_grad_(False)
    content, style = (picture[0].permute(1, 2, 0).numpy() for picture in pictures(side))
    reached: list[tuple[float, float]] = []

    def on_step(step: Any) -> None:
        if step.size == (side, side):
            reached.append((time.process_time() - start, step.loss))

    start = time.process_time()
    cl.stylize(content, style, style_weight=WEIGHTS[1], trunk=trunk, on_step=on_step, steps=STEPS)
    total = time.process_time() - start
    print(f"ours: {reached[-1][1]:.4f} after {total:.0f} s", flush=True)
    start = time.process_time()
    plain = plain_at(trunk, side, torch.channels_last)
    for number in range(PLAIN_STEPS):
        plain.step()
        if number % 20 == 0:
            print(f"plain: {plain.losses[-1]:.4f} after {time.process_time() - start:.0f} s", flush=True)
    plain_time, goal = time.process_time() - start, min(plain.losses)
    within = next((spent for spent, loss in reached if loss <= NEAR * goal), None)
    took = "never" if within is None else f"after {within:.0f} s, **{within / plain_time:.2f}** of its time"
    return (
        f"VGG16 with `hed`, {side}², from the same start, processor time of one thread. Plain PyTorch: a loss of "
        f"{goal:.3f} after {PLAIN_STEPS} steps, {plain_time:.0f} s. Ours, {', '.join(map(str, STEPS))} steps "
        f"coarse to fine, is within {NEAR - 1:.0%} of "
        f"that {took}; at its end, after {total:.0f} s, at {reached[-1][1]:.3f}."
    )


def in_a_process(which: str, side: int) -> tuple[float, float]:
    """The most memory of a process that does some steps, in gigabytes, and a step's processor time in seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stylize", which, str(side)], capture_output=True, text=True, check=True
    )
    peak, seconds = json.loads(done.stdout.splitlines()[-1])
    return peak, seconds


def some_steps(which: str, side: int) -> None:
    """What `in_a_process` runs."""
    import resource

    threads(2)
    trunk, times = random_vgg19(), [time.process_time()]
    if which == "ours":
        content, style = (picture[0].permute(1, 2, 0).numpy() for picture in pictures(side))
        cl.stylize(
            content,
            style,
            trunk=trunk,
            scales=1,
            steps=MEMORY_STEPS,
            on_step=lambda _: times.append(time.process_time()),
        )
    else:
        plain = plain_at(trunk, side, torch.channels_last)
        for _ in range(MEMORY_STEPS):
            plain.step()
            times.append(time.process_time())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([peak, times[-1] - times[-2]]))


def threads(count: int) -> None:
    """On both sides."""
    cl.threads(count)
    torch.set_num_threads(count)


PARTS: dict[str, Callable[[], str]] = {"speed": speed, "memory": memory, "way": way}


def run(*parts: str) -> None:
    """Measures the parts, all by default, each a section of its own."""
    for name in parts or PARTS:
        found = PARTS[name]()
        print(found, flush=True)
        title = f"Stylize: {name}"
        lines = [f"## {title}", "", machine(), "", f"`python -m benchmarks.stylize {name}`", "", found, ""]
        replace_section(title, "\n".join(lines))


if __name__ == "__main__":
    if sys.argv[1] in PARTS:
        run(*sys.argv[1:])
    else:
        some_steps(sys.argv[1], int(sys.argv[2]))
