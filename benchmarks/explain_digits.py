"""Do the maps find the object? A classifier that was never shown a box says where the digit on a photo is.

    python -m benchmarks.explain_digits [FOLDER]

It learns *digit* or *none* from pairs: a crop of a photo, and the same with a handwritten digit on it
(`examples/digits_on_photos.py`). It is measured on other photos and other writers' digits, whose boxes are known, one
digit a picture or up to eight (`examples/many_digits_on_photos.py`); where a map's box ends is chosen for each method
on pictures of the photos that it learned from. Writes the table into `docs/what-the-network-looked-at.md`. What FOLDER
already holds, pictures or the trained classifier, is used as it is.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

import convolens as cl
from convolens.evaluation.explanations import BASELINES, box_thresholds, measure_explanations
from convolens.explanation import METHODS, Method
from convolens.explanation.cam import cam
from convolens.media.images import write_image
from convolens.media.result_folders import BEST
from examples.digits_on_photos import with_digit
from examples.many_digits_on_photos import with_digits

PAGE = Path(__file__).parents[1] / "docs" / "what-the-network-looked-at.md"
TITLE = "## Measured: digits on photos"
SIDE = 128  # of a picture in pixels
TURNS = 8  # ways to turn and mirror a square
PAIRS = {"train": 6000, "validation": 200, "test": 200}
CROWDED = 100  # pictures with several digits
# The taps that the head looks at in each round, which goes on from the trunk of the one before; a round's length.
ROUNDS, MINUTES = (("layer1.1", "layer2.1"), ("layer2.1",)), 12
# Dozens of passes of the network for a map; the other methods take one or two.
SLOW = ("scorecam", "ablationcam", "occlusion", "integrated_gradients")
# `cam` with `relu_weights=True`, among the methods under a name of its own.
POSITIVE = {
    "cam, relu_weights": Method(lambda view, target: cam(replace(view, relu_weights=True), target), rectified=False)
}
SHOWN = ("cam", *POSITIVE, *(method for method in METHODS if method != "cam"))
QUICK = tuple(method for method in SHOWN if method not in SLOW)
# Pictures with one digit, with several, and those on which a threshold is chosen.
MEASURED, MEASURED_SLOWLY = (200, 100, 100), (30, 20, 20)
TRAINING: dict[str, Any] = {
    "trunk": "resnet18", "width": 0.5, "finetune": "all", "layer_decay": 1.0, "size": SIDE, "batch": 32, "lr": 2e-3,
    "ema": 0.99, "color_jitter": 0.3, "scale": (0.8, 1.2), "ratio": (1 / 1.1, 1.1), "flip": True,
}  # fmt: skip


def prepare(folder: Path) -> None:
    """The pictures in `folder`."""
    for number, (part, count) in enumerate(PAIRS.items()):
        if not (folder / part).exists():
            write_pairs(folder / part, "val" if part == "test" else "train", count, seed=number, turned=part == "train")
    if not (folder / "crowded").exists():
        write_crowded(folder / "crowded", CROWDED, seed=len(PAIRS))


def train(folder: Path) -> None:
    """A classifier of the pictures in `folder`."""
    weights = None
    for run, taps in zip(rounds(folder), ROUNDS, strict=True):
        if not (run / BEST).exists():
            cl.train("classify", folder / "train", validation=folder / "validation", weights=weights, taps=taps,
                     out=run, minutes=MINUTES, progress=False, **TRAINING)  # fmt: skip
        weights = run / BEST


def rounds(folder: Path) -> list[Path]:
    """The run folders."""
    return [folder / f"round{number}" for number in range(1, len(ROUNDS) + 1)]


def measure(folder: Path) -> str:
    """The section of the page."""
    last = rounds(folder)[-1]
    accuracy = cl.evaluate(cl.load(last / BEST), folder / "test")["top1"]
    epochs = sum(int((run / "metrics.csv").read_text().splitlines()[-1].split(",")[0]) for run in rounds(folder))
    found = figures(folder, SLOW, MEASURED_SLOWLY) | figures(folder, QUICK, MEASURED)
    return section(accuracy, epochs, found)


def figures(folder: Path, methods: Sequence[str], counts: tuple[int, int, int]) -> dict[str, dict[str, float]]:
    """Of each method, on so many pictures with one digit, with several, and to choose a threshold on."""
    model, (one, several, choosing) = cl.load(rounds(folder)[-1] / BEST), counts
    with mock.patch.dict(METHODS, POSITIVE):
        chosen = box_thresholds(model, folder / "validation.csv", methods, count=choosing)
        options: dict[str, Any] = {"thresholds": chosen, "faithful": False}
        alone = measure_explanations(model, folder / "test.csv", methods, count=one, **options)
        crowded = measure_explanations(model, folder / "crowded.csv", methods, count=several, **options)
    return {
        name: found | {"box_from": chosen[name]} | {f"crowded_{key}": value for key, value in crowded[name].items()}
        for name, found in alone.items()
    }


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


def write_crowded(folder: Path, count: int, *, seed: int) -> None:
    """Pictures with several digits, and beside the folder a CSV with the boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["path,label,x1,y1,x2,y2"]
    for number in range(count):
        _, shown = with_digits("val", SIDE, np.random.default_rng([seed, number]))
        write_image(folder / f"{number:05}.jpg", shown.pixels)
        rows += [f"{folder.name}/{number:05}.jpg,digit,{','.join(map(str, digit.box))}" for digit in shown.digits]
    folder.with_suffix(".csv").write_text("\n".join(rows) + "\n")


def section(accuracy: float, epochs: int, rows: Mapping[str, Mapping[str, float]]) -> str:
    """The table, and what it was measured on."""
    columns = (
        "points into the box", "box IoU ≥ 0.5", "mean box IoU", "box from", "shuffled", "several: points into one",
        "several: IoU ≥ 0.5",
    )  # fmt: skip
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for method in (*SHOWN, *BASELINES):
        found = rows[method]
        alike = found.get("model_randomization")
        cells = (
            f"{found['pointing']:.1%}", f"{1 - found['box_error']:.1%}", f"{found['box_iou']:.2f}",
            f"{found['box_from']:.0%}", "" if method in BASELINES else "no map" if alike is None else f"{alike:.2f}",
            f"{found['crowded_pointing']:.1%}", f"{1 - found['crowded_box_error']:.1%}",
        )  # fmt: skip
        lines.append(f"| {method if method in BASELINES else f'`{method}`'} | {' | '.join(cells)} |")
    (one, several, choosing), (one_slowly, several_slowly, choosing_slowly) = MEASURED, MEASURED_SLOWLY
    slow = ", ".join(f"`{name}`" for name in SLOW)
    words = (
        "ResNet18 of half the width up to `layer2.1` (a 16×16 map of pictures of 128 pixels), from random weights, "
        f"{len(ROUNDS)} × {MINUTES} minutes of one thread, in which it saw each of {2 * PAIRS['train']:,} pictures "
        f"{epochs}×: crops of photos with a handwritten digit and the same without. It is right about {accuracy:.1%} "
        f"of {2 * PAIRS['test']} pictures of other photos and other writers. It was never told where the digits are. "
        f"Below, on {one} with a digit and {several} with up to eight ({slow}: {one_slowly} and {several_slowly}): "
        "*box from* is the fraction of the maximum at or above which a pixel is in the box, chosen on "
        f"{choosing} ({choosing_slowly}) pictures of the photos in the training set; *shuffled*, how alike the map is, "
        "before its ReLU, to that of the network with shuffled weights, for each picture shuffled anew."
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
    """Makes the pictures, trains, measures, and writes the section."""
    prepare(folder)
    train(folder)
    made = measure(folder)
    print(made)
    write_section(made)


if __name__ == "__main__":
    torch.set_num_threads(cl.threads())
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary))
