"""What a picture costs on its way through `convolens predict`, step by step: the table of the docs' page on scale.

    python -m benchmarks.picture_costs [--pictures 2000]

Photos of 640 × 480 pixels as JPEG, as single files and in a tar shard, all in the page cache. Processor time, so that
who else uses the machine matters little; the median of five rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as photos

import convolens as cl
from convolens.inference.predict import predictions
from convolens.media.found_pictures import find_pictures
from convolens.media.images import read_image
from convolens.media.picture_opening import contents
from tests.sources.making import write_tar

ROUNDS = 5
PASSES = 16  # pictures of the network's rounds


def make(folder: Path, count: int) -> float:
    """Crops of photos as files and as a shard; gives the mean of their kilobytes."""
    random = np.random.default_rng(0)
    sources = [photos.astronaut(), photos.coffee(), photos.chelsea()]
    (folder / "files").mkdir()
    for number in range(count):
        source = sources[number % len(sources)]
        top, left = (int(random.integers(0, side - 240)) for side in source.shape[:2])
        crop = Image.fromarray(source[top : top + 225, left : left + 300]).resize((640, 480), Image.Resampling.BICUBIC)
        grain = np.asarray(crop) + random.normal(0, 4, (480, 640, 3))  # as a camera's; smooth ones would be small files
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(folder / "files" / f"{number:05}.jpg", quality=80)
    files = sorted((folder / "files").iterdir())
    write_tar(folder / "shard.tar", ((one.name, one.read_bytes()) for one in files))
    return sum(one.stat().st_size for one in files) / count / 1e3


def milliseconds(work: Callable[[], int]) -> float:
    """Of processor time for each of what is done, whose number the work gives."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        count = work()
        found.append(1e3 * (time.process_time() - began) / count)
    return statistics.median(found)


def number_of(things: object) -> int:
    """Goes through all of them."""
    return sum(1 for _ in things)  # type: ignore[attr-defined]


def written(lines: list[dict[str, object]], path: Path) -> int:
    """Writes lines as `predict` does."""
    with path.open("w") as stream:
        for line in lines:
            stream.write(json.dumps(line) + "\n")
    return len(lines)


def main() -> None:
    """Makes, measures, prints the table's rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=2000)
    wanted = parser.parse_args()
    cl.threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        print(f"{make(folder, wanted.pictures):.0f} kB a photo")
        files, shard = list(find_pictures([folder / "files"])), [str(folder / "shard.tar")]
        some, members = files[:200], list(find_pictures(shard))[:200]
        model = cl.classifier(cl.trunk("resnet50", device="cpu"), classes=3)
        lines = [one.line() for one in predictions(model, some[:PASSES])]
        rows: dict[str, Callable[[], int]] = {
            "list a folder": lambda: number_of(find_pictures([folder / "files"])),
            "list a local tar shard (its headers)": lambda: number_of(find_pictures(shard)),
            "read a file": lambda: number_of(map(contents, files)),
            "read a member of a shard": lambda: number_of(map(contents, find_pictures(shard))),
            "decode": lambda: number_of(map(read_image, some)),
            "decode a member": lambda: number_of(map(read_image, members)),
            "write a line": lambda: written(lines * 100, folder / "lines"),
            "all of predict with a ResNet50": lambda: number_of(predictions(model, some[:PASSES])),
        }
        for name, work in rows.items():
            print(f"{name}: {milliseconds(work):.3f} ms", flush=True)
        print(f"{(folder / 'lines').stat().st_size / len(lines) / 100:.0f} bytes a line")


if __name__ == "__main__":
    main()
