"""Whole networks in every engine, each in a process of its own, in turn: inference at 224×224, batch 1 and 8.

Engines keep threads that spin for a while after each call; in one process those would spin into the next one's time.
Here each engine sleeps on a pipe until it is its turn, is warmed by one call, and is then timed for a moment.

`python -m benchmarks engines` runs all; `python -m benchmarks.engines resnet50 1` one case.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Report, Row, largest_difference

# Not torch.compile, nor PyTorch in its usual order of memory: neither was the best of the peers on any processor.
ENGINES = ("ours", "PyTorch channels-last", "ONNX Runtime", "OpenVINO", "ncnn")
CASES = [(name, batch) for name in ("vgg16", "resnet50", "resnet18") for batch in (1, 8)]
TOLERANCE = 5e-5
ROUNDS = 9
SECONDS = 0.4  # of each turn
TITLE = "Networks, inference"
NOTE = (
    "Each engine in a process of its own, sleeping while it is another's turn; medians of nine turns. Each uses what "
    "instructions it finds, with as many threads as ours."
)


def run() -> None:
    chosen = [(sys.argv[1], int(sys.argv[2]))] if __name__ == "__main__" and len(sys.argv) > 2 else CASES
    report = Report("engines", TITLE, NOTE)
    for name, batch in chosen:
        report.rows.append(case(name, batch))
        print(report.rows[-1].markdown(), flush=True)
    if chosen is CASES:
        report.write()


def case(
    name: str,
    batch: int,
    names: Sequence[str] = ENGINES,
    tolerance: float = TOLERANCE,
    difference_of: Callable[[Any, Any], float] = largest_difference,
) -> Row:
    """One network at one batch size, in every engine that is installed, ours first; outputs compared before."""
    engines = {engine: found for engine in names if (found := Engine.start(engine, name, batch)) is not None}
    try:
        expected = engines[names[0]].output
        for engine in engines.values():
            difference = difference_of(engine.output, expected)
            if not difference <= tolerance:
                raise ValueError(f"{name}: need {engine.name} within {tolerance:g} of ours, got {difference:g}")
        samples: dict[str, list[float]] = {engine: [] for engine in engines}
        for _ in range(ROUNDS):
            for engine in engines.values():
                samples[engine.name].append(engine.turn())
        times = {engine.removeprefix(STEP): statistics.median(found) for engine, found in samples.items()}
        return Row(f"{name}, batch {batch}", times.pop(names[0].removeprefix(STEP)), times)
    finally:
        for engine in engines.values():
            engine.process.kill()
            engine.process.wait()


class Engine:
    """A process that holds one network in one engine and runs it when told to."""

    def __init__(self, name: str, process: subprocess.Popen[str], output: np.ndarray) -> None:
        self.name, self.process, self.output = name, process, output

    @classmethod
    def start(cls, name: str, network: str, batch: int) -> Engine | None:
        """The engine, with the output that it gave; None where it is not installed or does not run such a batch."""
        path = Path(tempfile.mkdtemp()) / "output.npy"
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.engines", "engine", name, network, str(batch), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:  # engines print of their own; ours is the last word
            if line.strip() == "ready":
                return cls(name, process, np.load(path))
        if process.wait() != ABSENT:
            raise RuntimeError(f"{name}: ended with {process.returncode} before it was ready")
        return None

    def turn(self) -> float:
        """Milliseconds of one call, the median of this turn's."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


ABSENT = 3
STEP = "a step by "  # an engine's name, where it takes training steps


def engine_process(name: str, network_name: str, batch: int, path: str) -> None:
    """What the child does: it makes the network, keeps its output, and is timed once for each line that it is sent."""
    call = made(name, network_name, batch)
    if call is None:
        sys.exit(ABSENT)
    np.save(path, np.asarray(call()))
    print("ready", flush=True)
    for _ in sys.stdin:
        call()
        print(statistics.median(timed(call)), flush=True)


def timed(call: Callable[[], Any]) -> list[float]:
    """Milliseconds of the calls of one turn."""
    found, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or not found:
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1e3)
    return found


def made(name: str, network_name: str, batch: int) -> Callable[[], Any] | None:
    """The call, or None where the engine is not installed or takes one picture at a time."""
    import torch

    import convolens as cl
    from benchmarks.layers import network, of_torch
    from benchmarks.network_peers import in_int8, peer, without_gradients

    torch.set_num_threads(cl.threads())
    if name.startswith(STEP):
        return training_step(name.removeprefix(STEP), network_name, batch)
    model = network(network_name)
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    if name in ("ours", "bfloat16"):
        cl.precision("fast" if name == "ours" else "bfloat16")
        fused = cl.fuse(model)
        return without_gradients(lambda: fused(x).numpy())
    if name.endswith("int8"):
        return in_int8(name, model, x)
    return peer(name, of_torch(model), x)


def training_step(engine: str, network_name: str, batch: int) -> Callable[[], Any]:
    """Forward, backward and one SGD step, which gives the first convolution's gradient."""
    import torch

    from benchmarks.layers import LastMap, a_trunk, in_a_row, of_torch, step

    trunk = a_trunk(network_name).train()
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    last = torch.channels_last
    if engine == "ours":
        return step(LastMap(trunk), x.contiguous(memory_format=last))
    model = of_torch(in_a_row(trunk))
    if engine == "PyTorch":
        return step(model, x)
    return step(model.to(memory_format=last), x.contiguous(memory_format=last))


if __name__ == "__main__":
    if sys.argv[1:2] == ["engine"]:
        engine_process(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        run()
