"""Cut, mirrored, recolored copies: whether thumbnails laid over one another tell them from neighbors, and the search.

`python -m benchmarks.near_copies [pairs] [search] [recall --photos FOLDER]`

pairs: 80 squares of 96 pixels out of five of scikit-image's photos (grass, gravel, brick, astronaut, coffee); of every
second one a copy that is cut to 70% of its area, mirrored, a fifth lighter or darker and kept as a JPEG of quality 40
is laid over it and over four others of its photo. search: one of 1,000,000 vectors of 512 numbers, exactly.

recall: of every photo of a folder, its middle square at 96 pixels is looked for among all of these and 10,000 squares
of 96 pixels cut out of the photos, of which none overlap and none is plain: by a copy that is cut to 70% of its area,
mirrored, a fifth lighter or darker, and kept as a JPEG of quality 40; features are of `conv4_3` of `hed`.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

import convolens as cl
from convolens.inference.closely import Like, in_order
from convolens.inference.nearest import nearest
from convolens.inference.placed import SAME, placed, placed_among, thumbnail
from convolens.inference.similar import CLOSELY, compared
from convolens.media.images import read_rgb8
from convolens.media.picture_files import find_pictures

PHOTOS, SIDE, ACROSS = ("grass", "gravel", "brick", "astronaut", "coffee"), 96, 4
PIECES, PLAIN = 10_000, 8  # squares that are looked through; standard deviation of gray, below which one shows nothing


def squares() -> Iterator[NDArray[np.uint8]]:
    """16 of each photo, none of which overlap."""
    for name in PHOTOS:
        photo = getattr(data, name)()
        for row in range(ACROSS):
            for column in range(ACROSS):
                yield photo[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]


def altered(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A copy that somebody made of it."""
    side = round(len(pixels) * 0.7**0.5)
    top, left = random.integers(len(pixels) - side + 1, size=2)
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


def recall(folder: Path) -> None:
    """Prints how often a copy finds its photo, by features alone and looked at closely."""
    photos = [read_rgb8(path)[0] for path in sorted(find_pictures([folder]))]
    random = np.random.default_rng(0)
    pieces = [one for photo in photos for one in _pieces(photo)]
    kept = np.sort(random.permutation(len(pieces))[:PIECES])
    random = np.random.default_rng(5)
    middles = [_middle(photo) for photo in photos]
    copies = [_small(altered(one, random), round(SIDE * 0.7**0.5)) for one in middles]
    among = [_small(one, SIDE) for one in middles] + [pieces[at] for at in kept]
    turned = [np.ascontiguousarray(one[:, ::-1]) for one in copies]
    vectors, asked = compared([_features(among)], [_features(copies + turned)])
    products = np.maximum(*np.split(asked @ vectors.T, 2))
    places = [int((row > row[number]).sum()) for number, row in enumerate(products)]
    print(f"{len(photos):,} photos among {len(among):,} pictures, by features alone: " + ", ".join(
        f"{np.mean(np.array(places) < most):.1%} among the first {most}" for most in (1, 10, CLOSELY)
    ))  # fmt: skip
    small, right, start = [thumbnail(one) for one in among], 0, time.process_time()
    for number, row in enumerate(products):
        likest = np.argsort(-row, kind="stable")[:CLOSELY]
        correlations = placed_among(thumbnail(copies[number]), [small[at] for at in likest])
        found = in_order([Like(int(at), float(row[at])) for at in likest], correlations.tolist())
        right += found[0].number == number
    seconds = (time.process_time() - start) / len(photos)
    print(f"closely: {right / len(photos):.1%} first; {seconds * 1000:.0f} ms of a processor more")


def _pieces(photo: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for row in range(photo.shape[0] // SIDE):
        for column in range(photo.shape[1] // SIDE):
            piece = photo[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            if np.asarray(Image.fromarray(piece).convert("L")).std() >= PLAIN:
                yield piece


def _middle(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def _small(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


def _features(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    import torch

    trunk, found = cl.trunk("vgg16", weights="hed"), []
    with torch.inference_mode():
        for start in range(0, len(pictures), 20):
            maps = trunk(trunk.preprocess(pictures[start : start + 20]), taps=("conv4_3",))["conv4_3"]
            found.append(maps.float().mean(dim=(2, 3)).numpy())
    return np.concatenate(found)


PARTS = {"pairs": pairs, "search": search}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="{pairs,search,recall}")
    parser.add_argument("--photos", type=Path, help="of recall: a folder of photos")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        if part == "recall":
            if given.photos is None:
                parser.error("recall: need --photos")
            recall(given.photos)
        else:
            PARTS[part]()
