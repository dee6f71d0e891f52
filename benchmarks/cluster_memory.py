"""The memory of a run on a cluster while it goes through a million tiny pictures, and the curve on the docs' page.

    python -m benchmarks.cluster_memory [--pictures 1000000] [--curve docs/pictures/memory-of-a-cluster.png]

Copies of one tar shard of 10,000 pictures of 8×8 pixels, a ResNet18 of a quarter's width, two workers of one thread,
the command as anybody runs it. Each second the resident memory of the driver and of each worker is read; in the end
each picture must be in the result once, in order. Needs Ray. A worker takes half a millisecond a picture.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot
from PIL import Image

import convolens as cl
from benchmarks.processes import NOT_NICE, resident_mb, titled_below
from tests.sources.making import write_tar

EACH = 10_000  # pictures of a shard
CURVE = Path(__file__).parents[1] / "docs" / "pictures" / "memory-of-a-cluster.png"
BLUE, ORANGE = "#3b6fb6", "#d9822b"  # of the docs' pictures


class Sample(NamedTuple):
    """What was seen at one time: pictures of blocks that are done, and resident megabytes."""

    seconds: float
    done: int
    driver: float
    workers: tuple[float, ...]


def make(folder: Path, pictures: int) -> None:
    """Shards and a model."""
    random, members = np.random.default_rng(0), []
    for number in range(EACH):
        encoded = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(encoded, "PNG")
        members.append((f"{number:05}.png", encoded.getvalue()))
    (folder / "shards").mkdir()
    first = write_tar(folder / "shards" / "0000.tar", members)
    for shard in range(1, pictures // EACH):
        shutil.copyfile(first, folder / "shards" / f"{shard:04}.tar")
    trunk = cl.trunk("resnet18", stem="small", width=0.25, device="cpu")
    cl.classifier(trunk, classes=["light", "dark"]).save(folder / "model.safetensors")


def watched(folder: Path) -> tuple[list[Sample], float]:
    """Runs the command and looks at it once a second; gives what was seen, and the most that the driver ever had."""
    command = [sys.executable, "-m", "convolens", "predict", folder / "model.safetensors", folder / "shards/*.tar",
               "--out", folder / "out", "--cluster", "local", "--workers", "2", "--no-pictures", "--batch", "256",
               "--device", "cpu", "--quiet"]  # fmt: skip
    began, samples, most = time.monotonic(), list[Sample](), 0.0
    with subprocess.Popen(list(map(str, command)), env=os.environ | NOT_NICE) as driver:
        while driver.poll() is None:
            time.sleep(1)
            most = max(most, resident_mb(driver.pid, "VmHWM"))
            done = EACH * sum(1 for _ in (folder / "out" / "blocks").glob("*.jsonl"))
            workers = tuple(map(resident_mb, titled_below(driver.pid, "ray::_Worker")))
            if len(workers) == 2 and done >= (samples[-1].done if samples else 0):
                samples.append(Sample(time.monotonic() - began, done, resident_mb(driver.pid), workers))
    if driver.returncode:
        sys.exit(f"predict: exit code {driver.returncode}")
    return samples, most


def need_each_once(folder: Path, pictures: int) -> None:
    """Ends this with a sentence unless the result has each picture's line, in order."""
    paths = chain.from_iterable(
        (f"{folder}/shards/{shard:04}.tar/{number:05}.png" for number in range(EACH))
        for shard in range(pictures // EACH)
    )
    with (folder / "out" / "predictions.jsonl").open() as lines:
        for line, path in zip(lines, paths, strict=True):
            found = json.loads(line)
            if found["path"] != path or "error" in found:
                sys.exit(f"{path}: need its line, got {line}")


def told(samples: list[Sample]) -> None:
    """Prints a row for each twentieth of the way, as the docs' table has them."""
    last = samples[-1].done
    for twentieth in range(1, 21):
        one = next(sample for sample in samples if sample.done >= last * twentieth / 20)
        workers = " ".join(f"{mb:.0f}" for mb in one.workers)
        print(f"{one.seconds:7.0f} s {one.done:9,} pictures: driver {one.driver:.0f} MB, workers {workers} MB")


def draw(samples: list[Sample], curve: Path) -> None:
    """The curve, from nothing on."""
    figure, axes = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
    done = [one.done / 1e3 for one in samples]
    axes.plot(done, [one.driver for one in samples], color=BLUE, label="driver")
    for number in range(2):
        axes.plot(done, [one.workers[number] for one in samples], color=ORANGE, linestyle=("-", "--")[number],
                  label=f"worker {number + 1}")  # fmt: skip
    axes.set(xlabel="thousand pictures done", ylabel="resident MB", ylim=(0, None), xlim=(0, None))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(curve, dpi=110, facecolor="white")


def main() -> None:
    """Makes, runs, looks, checks, tells and draws."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--curve", type=Path, default=CURVE)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, wanted.pictures)
        samples, most = watched(folder)
        need_each_once(folder, wanted.pictures)
    told(samples)
    print(f"the driver never had more than {most:.0f} MB, while it joined lines neither")
    draw(samples, wanted.curve)


if __name__ == "__main__":
    main()
