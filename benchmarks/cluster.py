"""How fast two workers of a cluster are beside one, and beside two plain processes of which each does a share.

    python -m benchmarks.cluster [--pictures 8000] [--rounds 1]

All on this machine, each with one thread: `--cluster local --workers 1`, the same with 2, and two processes with
`--shard 1/2` and `2/2`. The pace is that between the first quarter of the pictures and nine tenths of them, so that
starting and ending are not in it; processor time is that of everybody who takes part, Ray's own processes too. Needs
Ray, and a machine that nobody else uses meanwhile.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

import convolens as cl
from benchmarks.processes import NOT_NICE, below, processor_seconds

FIRST, LAST = 0.25, 0.9  # of the pictures: between these the pace is taken


class Pace(NamedTuple):
    """Pictures a second, and milliseconds of processor time a picture."""

    rate: float
    processor_ms: float


def make(folder: Path, pictures: int) -> None:
    """Pictures as small photos' crops are, and a model that takes some milliseconds each."""
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(pictures):
        rough = random.integers(0, 255, (8, 8, 3)).astype(np.uint8)
        cl.write_image(folder / "pictures" / f"{number:05}.png", rough.repeat(8, 0).repeat(8, 1))
    trunk = cl.trunk("resnet18", width=0.5, device="cpu")
    cl.classifier(trunk, classes=["light", "dark"]).save(folder / "model.safetensors")


def command(folder: Path, out: Path, *options: str) -> list[str]:
    """To predict for all of them."""
    return [sys.executable, "-m", "convolens", "predict", str(folder / "model.safetensors"), str(folder / "pictures"),
            "--out", str(out), "--no-pictures", "--device", "cpu", "--quiet", *options]  # fmt: skip


def pace(commands: Sequence[list[str]], done: Callable[[], int], pictures: int) -> Pace:
    """Runs commands side by side and gives their pace, together."""
    with ExitStack() as stack:
        alone = {"OMP_NUM_THREADS": "1"} | NOT_NICE
        runs = [stack.enter_context(subprocess.Popen(one, env=os.environ | alone)) for one in commands]
        seen = [_reached(runs, done, round(pictures * fraction)) for fraction in (FIRST, LAST)]
        for run in runs:
            if run.wait():
                sys.exit(f"predict: exit code {run.returncode}")
    count, seconds, processor = (later - earlier for earlier, later in zip(*seen, strict=True))
    return Pace(count / seconds, 1e3 * processor / count)


def _reached(
    runs: Sequence[subprocess.Popen[bytes]], done: Callable[[], int], wanted: int
) -> tuple[float, float, float]:
    """Waits until so many are done: how many are, when, and the processor time that was taken by then."""
    while (count := done()) < wanted:
        if all(run.poll() is not None for run in runs):
            sys.exit(f"predict: ended when {count:,} pictures of {wanted:,} were seen done; give it more pictures")
        time.sleep(0.02)
    return count, time.monotonic(), sum(processor_seconds(one) for run in runs for one in below(run.pid))


def by_workers(folder: Path, workers: int, pictures: int) -> Pace:
    """Of a cluster on this machine, whose blocks are lines when they are done."""
    out = Path(tempfile.mkdtemp(dir=folder))
    counted: dict[Path, int] = {}

    def done() -> int:
        for one in set((out / "blocks").glob("*.jsonl")) - counted.keys():
            counted[one] = one.read_bytes().count(b"\n")
        return sum(counted.values())

    options = ("--cluster", "local", "--workers", str(workers))
    return pace([command(folder, out, *options)], done, pictures)


def by_shards(folder: Path, pictures: int) -> Pace:
    """Of two processes that know nothing of each other."""
    outs = [Path(tempfile.mkdtemp(dir=folder)) for _ in range(2)]

    def done() -> int:
        return sum(one.read_bytes().count(b"\n") for out in outs for one in out.glob("predictions*.jsonl"))

    commands = [command(folder, out, "--shard", f"{number}/2") for number, out in enumerate(outs, 1)]
    return pace(commands, done, pictures)


def main() -> None:
    """Makes, runs in turn, tells medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where pictures and a model were made before; made if missing")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = wanted.folder or Path(place)
        if not (folder / "model.safetensors").exists():
            folder.mkdir(exist_ok=True)
            make(folder, wanted.pictures)
        found: dict[str, list[Pace]] = {"1 worker": [], "2 workers": [], "2 shards": []}
        for _ in range(wanted.rounds):
            found["1 worker"].append(by_workers(folder, 1, wanted.pictures))
            found["2 workers"].append(by_workers(folder, 2, wanted.pictures))
            found["2 shards"].append(by_shards(folder, wanted.pictures))
            for name, paces in found.items():
                print(f"{name}: {paces[-1].rate:.0f} pictures a second, {paces[-1].processor_ms:.2f} ms of processor "
                      "time each", flush=True)  # fmt: skip
        one, two, shards = (statistics.median(pace.rate for pace in paces) for paces in found.values())
        print(
            f"2 workers: {two / one / 2:.1%} of twice 1 worker, {two / shards:.1%} of 2 shards; rounds: {wanted.rounds}"
        )


if __name__ == "__main__":
    main()
