"""Do the maps find the object? A classifier that was never shown a box says where the digit on a photo is.

    python -m benchmarks.explain_digits [FOLDER]

It learns *digit* or *none* from pairs: a crop of a photo, and the same with a handwritten digit on it
(`examples/digits_on_photos.py`). It is measured on other photos and other writers' digits, whose boxes are known;
where a map's box ends is chosen for each method on pictures of the photos that it learned from. Writes the table into
`docs/what-the-network-looked-at.md`. A folder that holds the trained classifier from an earlier call is only measured.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import convolens as cl
from convolens.media.images import write_image
from convolens.workflows.measure_explanations import BASELINES, box_thresholds, measure_explanations
from examples.digits_on_photos import with_digit

PAGE = Path(__file__).parents[1] / "docs" / "what-the-network-looked-at.md"
TITLE = "## Measured: digits on photos"
SIDE = 128  # of a picture in pixels
TURNS = 8  # ways to turn and mirror a square
PAIRS = {"train": 6000, "validation": 100, "test": 200}
MINUTES = 9
MEASURED, CHOOSING = 60, 30  # pictures, and those on which a threshold is chosen
# Those that take one pass of the network, or two; `convolens explain --measure` has the others too.
QUICK = ("cam", "gradcam", "gradcam++", "hirescam", "layercam", "eigencam", "guided_backprop")
TRAINING: dict[str, Any] = {
    "trunk": "vgg16", "weights": "hed", "taps": "conv3_3", "learn": "all", "size": 64, "batch": 32, "rate": 7e-4,
    "layer_decay": 0.8, "average": 0.99, "colour": 0.4, "zoom": (1.0, 1.0), "ratio": 1.0, "flip": True,
}  # fmt: skip


def train(folder: Path) -> None:
    """The pictures, and a classifier of them, in `folder`."""
    for number, (part, count) in enumerate(PAIRS.items()):
        write_pairs(folder / part, "val" if part == "test" else "train", count, seed=number, turned=part == "train")
    cl.train("classify", folder / "train", validation=folder / "validation", out=folder / "run",
             minutes=MINUTES, progress=False, **TRAINING)  # fmt: skip


def measure(folder: Path) -> str:
    """The section of the page."""
    model = cl.load(folder / "run" / "best.safetensors")
    accuracy = cl.evaluate(model, folder / "test")["top1"]
    epochs = int((folder / "run" / "metrics.csv").read_text().splitlines()[-1].split(",")[0])
    thresholds = box_thresholds(model, folder / "validation.csv", QUICK, count=CHOOSING)
    measured = measure_explanations(
        model, folder / "test.csv", QUICK, count=MEASURED, thresholds=thresholds, faithful=False
    )
    return section(accuracy, epochs, thresholds, measured)


def write_pairs(folder: Path, photos: str, count: int, *, seed: int, turned: bool = False) -> None:
    """`folder/none`, `folder/digit`, and beside the folder, unless they are turned, a CSV with the digits' boxes.

    Pictures to learn from are turned and mirrored: a network that has seen digits from one side only may fire beside
    them, always on the same side, and still be right about every picture.
    """
    rows = ["path,label,x1,y1,x2,y2"]
    for kind in ("digit", "none"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        background, shown = with_digit(photos, SIDE, random)
        turn = random.integers(TURNS) if turned else 0
        write_image(folder / "none" / f"{number:05}.jpg", _turned(background, turn))
        write_image(folder / "digit" / f"{number:05}.jpg", _turned(shown.pixels, turn))
        assert shown.box is not None
        rows.append(f"{folder.name}/digit/{number:05}.jpg,digit," + ",".join(map(str, shown.box)))
    if not turned:
        folder.with_suffix(".csv").write_text("\n".join(rows) + "\n")


def _turned(pixels: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """One of the eight."""
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if turn >= 4 else pixels, turn % 4))


def section(
    accuracy: float, epochs: int, thresholds: Mapping[str, float], measured: Mapping[str, Mapping[str, float]]
) -> str:
    """The table, and what it was measured on."""
    columns = ("points into the box", "box IoU ≥ 0.5", "mean box IoU", "box from", "shuffled")
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for method, found in measured.items():
        alike = found.get("same_when_shuffled")
        shuffled = "" if method in BASELINES else "no map" if alike is None else f"{alike:.2f}"
        cells = (
            f"{found['pointing']:.1%}", f"{1 - found['box_error']:.1%}", f"{found['box_iou']:.2f}",
            f"{thresholds[method]:.0%}", shuffled,
        )  # fmt: skip
        lines.append(f"| {method if method in BASELINES else f'`{method}`'} | {' | '.join(cells)} |")
    words = (
        f"VGG16 up to `conv3_3` (a 16×16 map of pictures brought to 64 pixels) from `hed` weights, {MINUTES} minutes "
        f"at most, in which it saw each of {2 * PAIRS['train']:,} pictures {epochs}×: crops of photos with a "
        f"handwritten digit and the same without. It is right about {accuracy:.1%} of {2 * PAIRS['test']} pictures of "
        f"other photos and other writers. Nobody told it where the digits are. Below, on {MEASURED} with a digit: *box "
        f"from* is the share of the maximum from which on a pixel is in the box, chosen on {CHOOSING} pictures "
        "of the photos it learned from; *shuffled*, how alike the map is to that of the network with shuffled weights."
    )
    return "\n".join([TITLE, "", *_wrapped(words), "", "`python -m benchmarks.explain_digits`", "", *lines, ""])


def _wrapped(words: str) -> Sequence[str]:
    return textwrap.wrap(words, 120, break_long_words=False, break_on_hyphens=False)


def write_section(text: str, page: Path = PAGE) -> None:
    """Puts the section in the page's place for it, or at its end."""
    before, _, rest = page.read_text(encoding="utf-8").partition(TITLE)
    _, marker, after = rest.partition("\n## ")
    page.write_text(before.rstrip() + "\n\n" + text + (f"\n## {after}" if marker else ""), encoding="utf-8")


def run(folder: Path) -> None:
    """Trains where that has not been done, measures, and writes the section."""
    if not (folder / "run" / "best.safetensors").exists():
        train(folder)
    made = measure(folder)
    print(made)
    write_section(made)


if __name__ == "__main__":
    torch.set_num_threads(cl.threads())
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary))
