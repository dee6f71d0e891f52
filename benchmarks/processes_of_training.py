"""How long a step of training takes by two processes of one thread, beside one process of two threads.

    python -m benchmarks.processes_of_training [--trunk resnet18] [--side 64] [--batch 32]

The same batch of all together, on as many cores: the command as anybody runs it, and the pace that its log gives for
the second epoch. Needs a machine of two processors that nobody else uses meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import convolens as cl

PICTURES, EPOCHS = 256, 2


def make(folder: Path, side: int) -> None:
    """Two classes."""
    random = np.random.default_rng(0)
    for name, level in (("dark", 100), ("light", 250)):
        (folder / name).mkdir(parents=True)
        for number in range(PICTURES // 2):
            cl.write_image(folder / name / f"{number}.png", random.integers(0, level, (side, side, 3)).astype(np.uint8))


def milliseconds(folder: Path, processes: int, threads: int, options: argparse.Namespace) -> float:
    """Of a step, by so many processes of so many threads."""
    out = folder / f"run-{processes}"
    start = [] if processes == 1 else ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [sys.executable, "-m", *start, "convolens", "train", "classify", str(folder / "data"), "--out", str(out),
               "--trunk", options.trunk, "--size", str(options.side), "--batch", str(options.batch),
               "--finetune", "all", "--epochs", str(EPOCHS), "--checkpoint-seconds", "1e9", "--device", "cpu",
               "--overwrite", "--quiet"]  # fmt: skip
    alone = {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, env=os.environ | alone, check=True, stdout=subprocess.DEVNULL)
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    pace = [one["pictures_per_second"] for one in events if one["event"] == "epoch"]
    return 1e3 * options.batch / float(pace[-1])


def main() -> None:
    """Makes, trains in turn, tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trunk", default="resnet18")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder / "data", wanted.side)
        one = milliseconds(folder, 1, 2, wanted)
        two = milliseconds(folder, 2, 1, wanted)
    print(f"{wanted.trunk}, {wanted.side} pixels, batch {wanted.batch}: a step takes {one:.0f} ms by a process of two "
          f"threads, {two:.0f} ms by two of one: {one / two:.2f} times the pace")  # fmt: skip


if __name__ == "__main__":
    main()
