"""Restyling against the same losses and optimizer in plain PyTorch: a step's time, the way to a loss, and memory.

`python -m benchmarks stylize`. Times are the process's own processor time where a run is long, so that other work
on the machine does not count; both sides use the same two threads.
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
from convolens.tasks.stylize.losses import ContentTerm, StyleTerm
from convolens.tasks.stylize.memory import room_for
from convolens.tasks.stylize.objective import Objective, grams_of, maps_of
from convolens.tasks.stylize.optimizers import Lbfgs, walk
from convolens.tasks.stylize.pictures import as_unit, resized
from convolens.tour.pictures import photo
from convolens.trunks import Trunk

CONTENT_TAP = "conv4_2"
STYLE_TAPS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
WEIGHTS = (1.0, 100.0, 5.0)
PLAIN_STEPS = 300
FORMATS = {"rows of channels": torch.channels_last, "planes": torch.contiguous_format}
SPEED_STEPS = 7
MEMORY_STEPS = 4


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
    room = room_for(trunk, (CONTENT_TAP, *STYLE_TAPS), (CONTENT_TAP,), (side, side), 4.0)
    wanted = maps_of(trunk, (CONTENT_TAP,), content, room.tile)[CONTENT_TAP]
    grams = grams_of(trunk, STYLE_TAPS, style, room.tile)
    share = WEIGHTS[1] / len(STYLE_TAPS)
    terms = [ContentTerm(CONTENT_TAP, WEIGHTS[0], wanted)]
    styles = [StyleTerm(tap, 0, share, grams[tap], None) for tap in STYLE_TAPS]
    return Objective(trunk, [*terms, *styles], WEIGHTS[2], (side, side), room.tile)


def plain_at(trunk: Trunk, side: int, memory_format: torch.memory_format) -> PlainRun:
    content, style = pictures(side)
    plain = Plain(trunk, content, style, CONTENT_TAP, STYLE_TAPS, WEIGHTS, memory_format)
    return PlainRun(plain, content)


def speed(side: int = 512) -> str:
    """A step's time on both sides, in turn."""
    trunk = random_vgg19()
    walking = walk(pictures(side)[0], ours_at(trunk, side), Lbfgs(20), 10**6)
    calls: dict[str, Callable[[], Any]] = {"ours": lambda: next(walking)}
    calls |= {name: plain_at(trunk, side, layout).step for name, layout in FORMATS.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(SPEED_STEPS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    step = {name: statistics.median(found) for name, found in times.items()}
    best = min((name for name in step if name != "ours"), key=lambda name: step[name])
    others = ", ".join(f"{step[name]:.2f} s in {name}" for name in FORMATS)
    return f"| a step, VGG19 to conv5_1, {side}² | {step['ours']:.2f} s | {step[best] / step['ours']:.2f}× | {others} |"


def way(side: int = 512) -> str:
    """Coarse to fine against the plain run's last loss, from the same start, in processor time."""
    trunk = cl.trunk("vgg16", weights="hed").requires_grad_(False)
    plain = plain_at(trunk, side, torch.channels_last)
    start = time.process_time()
    for _ in range(PLAIN_STEPS):
        plain.step()
    plain_time = time.process_time() - start
    goal = min(plain.losses)
    reached: list[tuple[float, float]] = []
    content, style = (picture[0].permute(1, 2, 0).numpy() for picture in pictures(side))

    def on_step(step: Any) -> None:
        if step.size == (side, side):
            reached.append((time.process_time() - start, step.loss))

    start = time.process_time()
    cl.stylize(content, style, trunk=trunk, on_step=on_step)
    total = time.process_time() - start
    within = next((spent for spent, loss in reached if loss <= 1.05 * goal), None)
    loss = reached[-1][1]
    took = f"{within:.0f} s" if within is not None else "not reached"
    return (
        f"| to within 5 % of the plain run's {PLAIN_STEPS}-step loss, VGG16 hed, {side}² | {took} | "
        f"{plain_time / within if within else 0:.2f}× | {plain_time:.0f} s to {goal:.3f}; "
        f"ours at its end, {total:.0f} s: {loss:.3f} |"
    )


def memory(side: int = 1024) -> str:
    """The most memory that a process of its own takes for some steps."""
    ours, plain = (peak(which, side) for which in ("ours", "plain"))
    return (
        f"| most memory, VGG19, {side}², {MEMORY_STEPS} steps | {ours:.2f} GB | {plain / ours:.2f}× | {plain:.2f} GB |"
    )


def peak(which: str, side: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stylize", which, str(side)], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def some_steps(which: str, side: int) -> None:
    """Runs in a process of its own: a few steps, then the most memory that it had, in gigabytes."""
    import resource

    trunk = random_vgg19()
    if which == "ours":
        for _ in walk(pictures(side)[0], ours_at(trunk, side), Lbfgs(20), MEMORY_STEPS):
            pass
    else:
        run = plain_at(trunk, side, torch.channels_last)
        for _ in range(MEMORY_STEPS):
            run.step()
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))


def run() -> None:
    cl.threads(2)
    torch.set_num_threads(2)
    rows = [speed(), memory(), way()]
    lines = ["## Restyling", "", machine(), "", "`python -m benchmarks stylize`", ""]
    lines += ["| what | ours | plain ÷ ours | plain PyTorch |", "|---|---|---|---|", *rows, ""]
    print("\n".join(rows))
    replace_section("Restyling", "\n".join(lines))


if __name__ == "__main__":
    cl.threads(2)
    torch.set_num_threads(2)
    some_steps(sys.argv[1], int(sys.argv[2]))
