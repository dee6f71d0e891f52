r"""Surface textures to learn from: square crops of scikit-image's photos of brick, grass and gravel.

    python examples/textures.py textures --size 64
    convolens train classify textures/train --trunk vgg16 --weights hed --tap conv2_1 --tap conv3_1 --tap conv4_1 \
        --out runs/textures
    convolens evaluate runs/textures/best.safetensors textures/test

The crops to train on come from the left of each photo, those to test on from its right; no pixel is in both. With the
defaults and these taps, over seeds 0 to 3: 98.2 to 99.3% right at 32 pixels, 100% at 64.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage import data

from convolens.media.images import write_image

SURFACES = ("brick", "grass", "gravel")
TRAIN_SHARE = 0.65  # of each photo's width


def crops(
    photo: NDArray[np.uint8], part: str, count: int, size: int, seed: int
) -> Iterator[tuple[tuple[int, int, int, int], NDArray[np.uint8]]]:
    """Square crops at random places of one part of a photo, each with its `(x1, y1, x2, y2)`.

    Args:
        photo: `(H, W)` or `(H, W, C)`.
        part: `train` is the left, `test` the right.
        count: how many.
        size: of a side, in pixels.
        seed: of the places.
    """
    height, width = photo.shape[:2]
    border = round(TRAIN_SHARE * width)
    left, right = (0, border) if part == "train" else (border, width)
    if min(height, right - left) < size:
        raise ValueError(f"size: need at most {min(height, right - left)} pixels for the {part} part, got {size}")
    random = np.random.default_rng([seed, part == "test"])
    for _ in range(count):
        x, y = int(random.integers(left, right - size + 1)), int(random.integers(0, height - size + 1))
        yield (x, y, x + size, y + size), photo[y : y + size, x : x + size]


def write_textures(out: Path, *, size: int = 64, train: int = 150, test: int = 200, seed: int = 0) -> None:
    """Writes `out/train/SURFACE/*.png` and `out/test/SURFACE/*.png`; `train` and `test` are crops of each surface."""
    for number, surface in enumerate(SURFACES):
        photo = getattr(data, surface)()
        for part, count in (("train", train), ("test", test)):
            folder = out / part / surface
            folder.mkdir(parents=True, exist_ok=True)
            for index, (_, crop) in enumerate(crops(photo, part, count, size, seed * len(SURFACES) + number)):
                write_image(folder / f"{index:04}.png", crop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--size", type=int, default=64, help="side of a crop in pixels")
    parser.add_argument("--train", type=int, default=150, help="crops of each surface to train on")
    parser.add_argument("--test", type=int, default=200, help="crops of each surface to test on")
    parser.add_argument("--seed", type=int, default=0, help="of the places of the crops")
    asked = parser.parse_args()
    write_textures(asked.out, size=asked.size, train=asked.train, test=asked.test, seed=asked.seed)
