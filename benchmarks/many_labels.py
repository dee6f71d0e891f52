"""20,000 pictures with a label each, looked through by `cl.labels.check_labels`; for `benchmarks.labels`.

Crops of 64 pixels of the tour's three surfaces, of which 5% are put into another class's folder. Told: seconds of the
features and of what follows them, how much of the process's memory grew while the features came, and the precision.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import convolens as cl
from benchmarks.processes import resident_mb
from convolens.labels import check_labels, checking_pictures
from convolens.labels.descriptions import describe
from convolens.tour.surfaces import SURFACES, surface

PICTURES, SIDE, WRONG = 20_000, 64, 0.05


def make(folder: Path) -> int:
    """The pictures, the true class in the name of each. Gives how many are in another class's folder."""
    random, wrong = np.random.default_rng(0), 0
    parts = [surface(name, test=False) for name in SURFACES]
    for name in SURFACES:
        (folder / name).mkdir()
    for number in range(PICTURES):
        true = given = number % len(SURFACES)
        if random.random() < WRONG:
            given, wrong = (true + 1 + int(random.integers(2))) % len(SURFACES), wrong + 1
        top, left = (int(random.integers(side - SIDE + 1)) for side in parts[true].shape)
        crop = parts[true][top : top + SIDE, left : left + SIDE]
        cl.write_image(folder / SURFACES[given] / f"{number:05}-{SURFACES[true]}.png", crop)
    return wrong


def measure_many() -> None:
    """Prints what is told above."""
    memory: list[float] = []
    over, described = threading.Event(), 0.0

    def watch() -> None:
        while not over.wait(1):
            memory.append(resident_mb(os.getpid()))

    def timed(*given: Any) -> Any:
        nonlocal described
        found = describe(*given)
        described = time.perf_counter()
        over.set()
        return found

    checking_pictures.describe = timed
    with TemporaryDirectory() as place:
        wrong = make(Path(place))
        threading.Thread(target=watch).start()
        begin = time.perf_counter()
        found = check_labels(place, trunk="vgg16", weights="hed", progress=False)
        end = time.perf_counter()
    first = min(wrong, len(found.suspects))
    right = sum(one.path.parent.name not in one.path.stem for one in found.suspects[:first])
    features = 4e-6 * PICTURES * 2 * (64 + 128 + 256 + 512)
    print(f"{PICTURES:,} pictures: features {described - begin:.0f} s ({PICTURES / (described - begin):.0f} a second), "
          f"folds and ranking {end - described:.1f} s")  # fmt: skip
    quarters = [*(memory[len(memory) * part // 4] for part in range(1, 4)), memory[-1]]
    print(f"memory after each quarter: {', '.join(f'{one:.0f}' for one in quarters)} MB, of which features "
          f"{features:.0f} in the end")  # fmt: skip
    print(f"{len(found.suspects)} named, {wrong} wrong; precision of the first of them: {right / first:.3f}")
