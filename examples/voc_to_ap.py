r"""From a folder of Pascal VOC's XML to COCO's average precision: train a detector on a part, measure it on the rest.

    python -m examples.many_digits_on_photos digits-voc --format voc
    python examples/voc_to_ap.py digits-voc --out runs/digits-voc --minutes 10

The folder has XML files beside their pictures, or VOC's own `Annotations` and `JPEGImages`. The split `test` is
measured on (a folder of that name, or VOC's list in `ImageSets`); without one, the fifth of them that training kept
back.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import convolens as cl
from convolens.data import read_data


def average_precision(
    folder: Path, out: Path, *, minutes: float = 10.0, size: int = 128, width: float = 0.375
) -> dict[str, float]:
    """Trains a small detector from nothing, and gives COCO's numbers of its best state."""
    run = cl.train(
        "detect", folder, trunk="resnet18", weights=None, width=width, size=size, fit_boxes=True, zoom_out=1.5,
        batch=16, lr=4e-3, ema=0.998, minutes=minutes, out=out,
    )  # fmt: skip
    for one in run.skipped:
        print(f"skipped: {one.reason}")
    tested = "test" in read_data(folder).splits
    found = cl.evaluate(run.load(), folder, split="test", progress=False) if tested else run.metrics
    return {name: found[name] for name in ("count", "objects", "ap", "ap50", "ap75", "voc07", "voc10")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with XML files and pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model and the figures")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    parser.add_argument("--size", type=int, default=128, help="pixels that pictures are brought to")
    parser.add_argument("--width", type=float, default=0.375, help="features of ResNet18, of the published numbers")
    asked = parser.parse_args()
    found = average_precision(asked.folder, asked.out, minutes=asked.minutes, size=asked.size, width=asked.width)
    print(", ".join(f"{name} {value:.3g}" for name, value in found.items()))
