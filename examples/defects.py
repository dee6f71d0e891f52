r"""Surfaces to inspect: crops of scikit-image's photos, and scratches, stains and holes painted on some.

    python examples/defects.py defects --surface brick
    convolens train unusual defects/brick --out runs/brick
    convolens evaluate runs/brick defects/brick

For each surface a folder laid out as MVTec AD is (Bergmann et al., CVPR 2019): `train/good`, `test/good`,
`test/KIND` with a defect in each picture, and `ground_truth/KIND` with its mask. Crops to learn from come from the left
of each photo, those to test on from its right; no pixel is in both, and no defect is ever learned from.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.draw import disk, line

from convolens.media.images import write_image

SURFACES = ("brick", "grass", "gravel")
TRAIN_SHARE = 0.6  # of each photo's width

Coverage = NDArray[np.float64]  # how much of each pixel a defect covers, from 0 to 1


def scratch(side: int, random: np.random.Generator) -> Coverage:
    """A thin bent line, about three pixels wide."""
    covered = np.zeros((side, side))
    length, angle = random.uniform(0.35, 0.7) * side, random.uniform(0, np.pi)
    middle, bend = random.uniform(0.35, 0.65, 2) * side, random.uniform(-0.25, 0.25) * length
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    steps = np.linspace(-1, 1, 9)[:, None]
    points = middle + along * steps * length / 2 + across * (1 - steps**2) * bend
    points = np.clip(np.rint(points), 1, side - 2).astype(int)
    for (r0, c0), (r1, c1) in pairwise(points):
        covered[line(r0, c0, r1, c1)] = 1
    return np.clip(3 * gaussian_filter(covered, 0.9), 0, 1)


def stain(side: int, random: np.random.Generator) -> Coverage:
    """A blot with a soft edge, through which a little of the surface is seen."""
    noise = gaussian_filter(random.standard_normal((side, side)), side / 24)
    row, column = np.ogrid[:side, :side]
    at, radius = random.uniform(0.3, 0.7, 2) * side, random.uniform(0.1, 0.16) * side
    away = np.hypot(row - at[0], column - at[1]) / radius
    covered: Coverage = 0.8 * np.clip(1.5 - away + 0.4 * noise / noise.std(), 0, 1) * (away < 2.2)
    return covered


def hole(side: int, random: np.random.Generator) -> Coverage:
    """A round spot."""
    covered = np.zeros((side, side))
    covered[disk(random.uniform(0.25, 0.75, 2) * side, random.uniform(0.05, 0.1) * side, shape=(side, side))] = 1
    return np.clip(gaussian_filter(covered, 0.6), 0, 1)


# What covers which pixels, and the grays, from 0 to 1, that it is drawn from: of some either the first or the second.
DEFECTS: dict[str, tuple[Callable[[int, np.random.Generator], Coverage], tuple[tuple[float, float], ...]]] = {
    "scratch": (scratch, ((0.9, 1.0), (0.0, 0.05))),
    "stain": (stain, ((0.75, 0.95), (0.05, 0.2))),
    "hole": (hole, ((0.0, 0.1),)),
}


def painted(
    crop: NDArray[np.uint8], kind: str, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A crop with a defect, and the mask of it: 255 where at least a third of a pixel is covered."""
    covers, grays = DEFECTS[kind]
    covered = covers(crop.shape[0], random)
    gray = random.uniform(*grays[int(random.integers(len(grays)))])
    shown = crop / 255 * (1 - covered) + covered * gray
    return (np.clip(shown, 0, 1) * 255).round().astype(np.uint8), (255 * (covered > 1 / 3)).astype(np.uint8)


def write_defects(out: Path, surface: str, *, size: int = 128, train: int = 60, test: int = 30, seed: int = 0) -> None:
    """Writes `out/SURFACE`: `train` good crops, `test` more, and as many with each kind of defect."""
    photo = getattr(data, surface)()
    border = round(TRAIN_SHARE * photo.shape[1])
    random = np.random.default_rng([seed, SURFACES.index(surface)])

    def crop(left: int, right: int) -> NDArray[np.uint8]:
        x, y = int(random.integers(left, right - size + 1)), int(random.integers(0, photo.shape[0] - size + 1))
        cut: NDArray[np.uint8] = photo[y : y + size, x : x + size]
        return cut

    for number in range(train):
        write_image(_made(out / surface / "train" / "good") / f"{number:03}.png", crop(0, border))
    for kind in ("good", *DEFECTS):
        for number in range(test):
            shown = crop(border, photo.shape[1])
            if kind != "good":
                shown, mask = painted(shown, kind, random)
                write_image(_made(out / surface / "ground_truth" / kind) / f"{number:03}_mask.png", mask)
            write_image(_made(out / surface / "test" / kind) / f"{number:03}.png", shown)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--surface", choices=SURFACES, action="append", help="again for more; default: all")
    parser.add_argument("--size", type=int, default=128, help="side of a crop in pixels")
    parser.add_argument("--train", type=int, default=60, help="good crops to learn from")
    parser.add_argument("--test", type=int, default=30, help="crops of each kind to test on")
    parser.add_argument("--seed", type=int, default=0, help="of the places and the defects")
    asked = parser.parse_args()
    for surface in asked.surface or SURFACES:
        write_defects(asked.out, surface, size=asked.size, train=asked.train, test=asked.test, seed=asked.seed)
