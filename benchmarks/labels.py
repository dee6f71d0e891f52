"""Wrong labels put into data that packages carry, and how many of the first named are they.

`python -m benchmarks.labels [surfaces] [digits] [faces] [boxes] [speed] [many] --seeds 10`

Surfaces are crops of the tour's three photos, digits scikit-learn's 1,797, faces scikit-image's 200 crops of LFW with
and without one (LFW itself is a download). Of each 5% and 10% are given another label, at random or the one that heads
take the picture's class for most often. Precision: of the first k named, where k labels were changed. Speed: 50,000
features of 1,536 numbers in ten classes. Boxes: see `wrong_boxes.py`; many: `many_labels.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import convolens as cl
from benchmarks.many_labels import measure_many
from benchmarks.wrong_boxes import measure_boxes
from convolens.labels.confident import judge
from convolens.labels.descriptions import main_directions, mean_and_spread
from convolens.tour.pictures import handwritten_digits, photo
from convolens.tour.surfaces import SURFACES, surface

Set = tuple[list[NDArray[Any]], NDArray[np.int64]]
TRUNK, WEIGHTS, TAPS = "vgg16", "hed", ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
CROPS = {64: 50, 32: 200}  # of each surface, as the tour has them


def surfaces() -> Set:
    """Crops of brick, grass and gravel."""
    random = np.random.default_rng(0)
    pictures, labels = [], []
    for size, count in CROPS.items():
        for label, name in enumerate(SURFACES):
            part = surface(name, test=False)
            for _ in range(count):
                top, left = (int(random.integers(side - size + 1)) for side in part.shape)
                pictures.append(part[top : top + size, left : left + size])
                labels.append(label)
    return pictures, np.array(labels)


def digits() -> Set:
    """Handwritten digits, 8 pixels a side brought to 64."""
    lines = np.loadtxt(handwritten_digits(), delimiter=",")
    grays = np.clip(lines[:, :-1].reshape(-1, 8, 8) * 16, 0, 255).astype(np.uint8)
    return [_resized(gray, 64) for gray in grays], lines[:, -1].astype(np.int64)


def faces() -> Set:
    """Crops of 25 pixels a side brought to 100: 100 faces of LFW, and 100 of what is around them."""
    crops = np.load(Path(photo("brick.png")).with_name("lfw_subset.npy"))
    return [_resized((crop * 255).clip(0, 255).astype(np.uint8), 100) for crop in crops], np.repeat([0, 1], 100)


def features_of(pictures: list[NDArray[Any]]) -> torch.Tensor:
    """The mean and the spread of each of the taps' features, in the directions in which pictures differ most."""
    trunk = cl.trunk(TRUNK, weights=WEIGHTS)
    found = []
    start = 0
    with torch.inference_mode():
        while start < len(pictures):
            stop = start
            while stop < min(len(pictures), start + 32) and pictures[stop].shape == pictures[start].shape:
                stop += 1
            batch = torch.cat([trunk.preprocess([one]) for one in pictures[start:stop]])
            maps = trunk(batch, taps=TAPS)
            found.append(torch.cat([part for tap in TAPS for part in mean_and_spread(maps[tap])], dim=1))
            start = stop
    return main_directions(torch.cat(found))


def measure(name: str, make: Callable[[], Set], seeds: int) -> None:
    """Prints the precision for each rate and kind of mistake."""
    pictures, truth = make()
    x = features_of(pictures)
    classes = int(truth.max()) + 1
    clean = judge(x, truth, classes, 5, seed=0)
    print(f"{name}: {len(truth):,} pictures, heads agree with {clean.agreement:.1%} of the true labels, "
          f"of which {(clean.wrong >= 0.5).sum()} are named", flush=True)  # fmt: skip
    confused = np.zeros((classes, classes))
    np.add.at(confused, truth, clean.probabilities)
    np.fill_diagonal(confused, 0)
    for rate in (0.05, 0.1):
        for kind in ("random", "confusion"):
            rows = np.array([_trial(x, truth, classes, rate, confused.argmax(axis=1) if kind == "confusion" else None,
                                    seed) for seed in range(seeds)])  # fmt: skip
            precision, least, named, found, expected = (
                rows[:, 0].mean(), rows[:, 0].min(), rows[:, 1].mean(), rows[:, 2].mean(), rows[:, 3].mean(),
            )  # fmt: skip
            print(f"  {rate:.0%} {kind:<9} precision of the first k {precision:.3f} (least {least:.3f}); named: "
                  f"{named:.1%} right, {found:.1%} of all; expected {expected:.2f} of them", flush=True)  # fmt: skip


def _trial(
    x: torch.Tensor, truth: NDArray[Any], classes: int, rate: float, confused: NDArray[Any] | None, seed: int
) -> tuple[float, float, float, float]:
    random = np.random.default_rng(seed)
    changed = random.choice(len(truth), round(rate * len(truth)), replace=False)
    labels = truth.copy()
    others = (truth[changed] + random.integers(1, classes, len(changed))) % classes
    labels[changed] = others if confused is None else confused[truth[changed]]
    wrong = labels != truth
    found = judge(x, labels, classes, 5, seed=seed)
    first = np.argsort(-found.wrong, kind="stable")[: wrong.sum()]
    named = found.wrong >= 0.5
    return (
        wrong[first].mean(),
        wrong[named].mean(),
        (wrong & named).sum() / wrong.sum(),
        found.wrong.sum() / wrong.sum(),
    )


def speed() -> None:
    """Prints how long 50,000 features take."""
    random = np.random.default_rng(0)
    labels = np.arange(50_000) % 10
    centers = random.normal(size=(10, 1536)).astype(np.float32)
    features = centers[labels] + 3 * random.normal(size=(50_000, 1536)).astype(np.float32)
    start, work = time.perf_counter(), time.process_time()
    found = judge(main_directions(torch.from_numpy(features)), labels, 10, 5, seed=0)
    print(f"50,000 features of 1,536 numbers, 10 classes: {time.perf_counter() - start:.1f} s, "
          f"{time.process_time() - work:.1f} s of processors, agreement {found.agreement:.1%}", flush=True)  # fmt: skip


def _resized(gray: NDArray[Any], side: int) -> NDArray[Any]:
    return np.asarray(Image.fromarray(gray).resize((side, side), Image.Resampling.BICUBIC))


SETS = {"surfaces": surfaces, "digits": digits, "faces": faces}
OTHERS = {"boxes": measure_boxes, "speed": lambda seeds: speed(), "many": lambda seeds: measure_many()}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar=f"{{{','.join([*SETS, *OTHERS])}}}")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    for one in given.sets or [*SETS, *OTHERS]:
        if one in SETS:
            measure(one, SETS[one], given.seeds)
        else:
            OTHERS[one](given.seeds)
