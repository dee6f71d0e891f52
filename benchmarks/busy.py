"""What one other busy process costs: networks and effects alone, and beside it, on as many threads as there are cores.

Half of what two cores give goes to the other process on one of them, so that a fair price is 4/3 of the time alone for
work that is cut finely, and 2 for work whose parts wait for one another at every layer. `python -m benchmarks.busy 4`
has four others beside it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import convolens.layers  # isort: skip - first: it loads torch, as in a program that begins with Convolens
import numpy as np
import torch

import convolens as cl
from benchmarks.harness import machine, replace_section, title_here
from benchmarks.layers import LastMap, a_trunk, in_a_row, network, of_torch, step
from benchmarks.network_peers import without_gradients

ROUNDS = 3
SECONDS = 1.5  # of each half of a round


def run() -> None:
    others = int(sys.argv[1]) if __name__ == "__main__" and len(sys.argv) > 1 else 1
    lines = [f"| case | alone, ms | beside {others} busy | |", "|---|---|---|---|"]
    for name, call in cases():
        alone, beside = medians(call, others)
        lines.append(f"| {name} | {alone:.1f} | {beside:.1f} | {beside / alone:.2f}× |")
        print(lines[-1], flush=True)
    note = (
        "Medians of rounds in turn; other processes count in a loop. PyTorch, too, as Convolens loads it: its idle "
        "threads sleep soon."
    )
    table = "\n".join(lines)
    title = title_here("On a busy machine") + (f", {others} others" if others > 1 else "")
    command = f"python -m benchmarks{'.busy ' + str(others) if others > 1 else ' busy'}"
    head = f"## {title}\n\n"
    replace_section(title, f"{head}{note}\n\n{machine()}\n\n`{command}`\n\n{table}\n")


def cases() -> list[tuple[str, Callable[[], Any]]]:
    """What is timed, by name; torch's own beside ours."""
    picture, batch = torch.randn(1, 3, 224, 224), torch.randn(8, 3, 224, 224)
    last = batch.contiguous(memory_format=torch.channels_last)
    found: list[tuple[str, Callable[[], Any]]] = []
    for name in ("resnet18", "resnet50", "vgg16"):
        model = network(name)
        fused, theirs = cl.fuse(model), of_torch(model).to(memory_format=torch.channels_last)
        first = picture.contiguous(memory_format=torch.channels_last)
        found.append((f"{name}, batch 1", without_gradients(lambda fused=fused: fused(picture))))
        found.append((f"{name}, batch 1, PyTorch", without_gradients(lambda theirs=theirs, x=first: theirs(x))))
    for name in ("resnet18", "vgg16"):
        trunk = a_trunk(name).train()
        theirs = of_torch(in_a_row(trunk)).to(memory_format=torch.channels_last)
        found.append((f"training step, {name}, batch 8", step(LastMap(trunk), last)))
        found.append((f"training step, {name}, batch 8, PyTorch", step(theirs, last)))
    photo = np.random.default_rng(0).random((2160, 3840), np.float32)
    found.append(("Gaussian blur σ=5, 3840×2160 float32", lambda: cl.blur(photo, 5)))
    return found


def medians(call: Callable[[], Any], others: int = 1) -> tuple[float, float]:
    """Milliseconds alone, and beside busy processes."""
    call()
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone += samples(call)
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        try:
            time.sleep(0.2)
            beside += samples(call)
        finally:
            for other in busy:
                other.kill()
                other.wait()
    return statistics.median(alone), statistics.median(beside)


def samples(call: Callable[[], Any]) -> list[float]:
    """Milliseconds of calls one after the other."""
    found, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or not found:
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1e3)
    return found


if __name__ == "__main__":
    run()
