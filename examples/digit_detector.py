r"""The small detector of digits that comes with the tour, from nothing: pictures, training, measuring, a small file.

    python -m examples.digit_detector runs/digits

Writes `runs/digits/data` (see `many_digits_on_photos.py`), the training's run folder `runs/digits/run`, and what the
tour shows, `runs/digits/tour`: `digits.safetensors`, the best model with its weights in half precision, and a few of
the pictures to test on. That file is measured on all of those: backgrounds and digits that training never saw, and that
nothing was chosen by.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from itertools import islice
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

import convolens as cl
from convolens.evaluation.evaluate import evaluate
from convolens.media.images import write_image
from convolens.training.train import train
from examples.many_digits_on_photos import pictures, write_coco, write_many_digits

SIDE, SIZE = 128, 192  # pixels of a picture, and of what the network sees of it: the finest map has 24² cells
WIDTH = 0.375  # features of ResNet18, as a share of the published numbers
ENOUGH = 8  # of the sixteen epochs that the rate is planned for: by then it finds more than the tour needs
SHOWN, DIGITS_SHOWN = 4, 4  # pictures in the tour, and how many digits each has at least
# A high rate, averaged weights, neither zooming out nor crops: the time is for learning digits of the sizes that occur.
# And a loss of boxes that pulls as hard on small errors as on large ones.
RECIPE = {
    "trunk": "resnet18", "width": WIDTH, "size": SIZE, "fit_boxes": True, "flip": False, "zoom_out": 1.0, "crop": False,
    "box_loss": "l1", "epochs": 16, "batch": 16, "lr": 4e-3, "ema": 0.998, "validation": 0.02,
    "checkpoint_seconds": 120.0,
}  # fmt: skip


def make(out: Path, *, enough: int = ENOUGH, train_on: int = 12000, test_on: int = 500) -> dict[str, float]:
    """Makes pictures, trains, writes the small file; gives its figures on the test pictures."""
    if not (out / "data").exists():
        write_many_digits(out / "data", train=train_on, test=test_on, side=SIDE)
    with suppress(KeyboardInterrupt):  # so it ends, where a listener says that it is enough
        train("detect", out / "data", weights=None, out=out / "run", overwrite=True,
              on_epoch=lambda row: row["epoch"] < enough, **RECIPE)  # fmt: skip
    write_tour(out / "run" / "best.safetensors", out / "tour")
    model = cl.load(out / "tour" / "digits.safetensors")
    found = evaluate(model, out / "data", split="test", html=out / "digits.html")
    print({name: round(found[name], 3) for name in ("ap", "ap50", "ap75", "voc07", "voc10")})
    return found


def write_tour(model: Path, out: Path) -> None:
    """The model, and the first pictures to test on that have several digits, as they were before they became JPEGs."""
    out.mkdir(parents=True, exist_ok=True)
    halve(model, out / "digits.safetensors")
    crowded = (one for one in pictures("test", 100, side=SIDE) if len(one.digits) >= DIGITS_SHOWN)
    shown = list(islice(crowded, SHOWN))
    for number, one in enumerate(shown):
        write_image(out / f"{number}.png", one.pixels)
    write_coco(out, [one.digits for one in shown], SIDE, name="{}.png")


def halve(model: Path, out: Path) -> None:
    """The same model with weights of 16 bits, computed with in 32."""
    with safe_open(model, framework="pt") as file:
        names = file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
        metadata = file.metadata()
    halved = {name: value.to(torch.float16) if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(halved, out, metadata=metadata)
    out.chmod(0o644)  # safetensors lets only the owner read what it writes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--enough", type=int, default=ENOUGH, help="epochs; 16 go on to where the rate is 0")
    asked = parser.parse_args()
    make(asked.out, enough=asked.enough)
