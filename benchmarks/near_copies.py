"""Cut, mirrored, recolored copies: whether thumbnails laid over one another tell them from neighbors, and the search.

`python -m benchmarks.near_copies [pairs] [search]`

pairs: 80 squares of 96 pixels out of five of scikit-image's photos (grass, gravel, brick, astronaut, coffee); of every
second one a copy that is cut to 70% of its area, mirrored, a fifth lighter or darker and kept as a JPEG of quality 40
is laid over it and over four others of its photo. search: one of 1,000,000 vectors of 512 numbers, exactly.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from convolens.inference.nearest import nearest
from convolens.inference.placed import SAME, placed, thumbnail

PHOTOS, SIDE, ACROSS = ("grass", "gravel", "brick", "astronaut", "coffee"), 96, 4


def squares() -> Iterator[NDArray[np.uint8]]:
    """16 of each photo, none of which overlap."""
    for name in PHOTOS:
        photo = getattr(data, name)()
        for row in range(ACROSS):
            for column in range(ACROSS):
                yield photo[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]


def altered(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A copy that somebody made of it."""
    side = round(SIDE * 0.7**0.5)
    top, left = random.integers(SIDE - side + 1, size=2)
    cut = pixels[top : top + side, left : left + side][:, ::-1] * random.choice([0.8, 1.2])
    kept = io.BytesIO()
    Image.fromarray(np.clip(cut, 0, 255).astype(np.uint8)).save(kept, "JPEG", quality=40)
    return np.asarray(Image.open(kept))


def pairs() -> None:
    """Prints the correlations of copies and of others."""
    random, every = np.random.default_rng(0), list(squares())
    small = [thumbnail(one) for one in every]
    same: list[float] = []
    others: list[float] = []
    start = time.process_time()
    for number in range(0, len(every), 2):
        copy = thumbnail(altered(every[number], random))
        same.append(placed(copy, small[number]))
        first = number - number % ACROSS**2
        chosen = first + random.choice(ACROSS**2, 4, replace=False)
        others += [placed(copy, small[at]) for at in chosen if at != number]
    seconds = (time.process_time() - start) / (len(same) + len(others))
    for name, found in (("copies", same), ("others of the same photo", others)):
        print(f"{name}: least {min(found):.3f}, median {np.median(found):.3f}, largest {max(found):.3f}, "
              f"at least {SAME}: {np.mean(np.array(found) >= SAME):.1%} of {len(found)}")  # fmt: skip
    print(f"{seconds * 1000:.1f} ms of a processor a pair")


def search() -> None:
    """Prints how long a query takes."""
    vectors = np.random.default_rng(0).standard_normal((1_000_000, 512), dtype=np.float32)
    query: Any = vectors[:1] + 0.1
    nearest(query, vectors, 10)
    start = time.perf_counter()
    for _ in range(5):
        nearest(query, vectors, 10)
    print(f"one of 1,000,000 vectors of 512 numbers: {(time.perf_counter() - start) / 5:.3f} s")


PARTS = {"pairs": pairs, "search": search}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="{pairs,search}")
    for part in parser.parse_args().parts or PARTS:
        PARTS[part]()
