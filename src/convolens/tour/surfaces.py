"""Crops of brick, grass and gravel for the tour's classifier, and a mosaic of them to explain.

Each photo is cut in two: the left part is the training set, the right part the test set; no pixel is in both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from convolens.errors import ArgumentError
from convolens.media.images import read_image, write_image
from convolens.tour.pictures import photo

SURFACES = ("brick", "grass", "gravel")
_TEST = 176  # columns of 512 on the right
_RADIUS = 84  # of the disc; its gravel must fit into the test part


def surface(name: str, *, test: bool) -> UInt8[np.ndarray, "512 columns"]:
    """The training part of a surface's photo, or the test part."""
    gray = read_image(photo(f"{name}.png"))
    return gray[:, -_TEST:] if test else gray[:, :-_TEST]


def write_crops(folder: str, size: int, count: int, *, test: bool, seed: int = 0) -> None:
    """Writes `folder/SURFACE/SIZE-NNN.png`, square crops at random places.

    Args:
        folder: made if missing.
        size: of a side, in pixels.
        count: of crops for each surface.
        test: from the test part of the photos, not the training part.
        seed: of the places.
    """
    random = np.random.default_rng(seed)
    for name in SURFACES:
        part = surface(name, test=test)
        if not 1 <= size <= min(part.shape):
            raise ArgumentError(f"size: need 1 to {min(part.shape)} pixels, got {size}")
        Path(folder, name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            top, left = (int(random.integers(side - size + 1)) for side in part.shape)
            write_image(Path(folder, name, f"{size}-{number:03}.png"), part[top : top + size, left : left + size])


def mosaic() -> tuple[UInt8[np.ndarray, "352 352"], Int[np.ndarray, "352 352"]]:
    """Brick on the left, grass on the right, a disc of gravel on both, from the test parts; and each pixel's class."""
    side = 2 * _TEST
    brick, grass, gravel = (surface(name, test=True)[:side] for name in SURFACES)
    picture = np.hstack([brick, grass])
    kinds = np.repeat([[0] * _TEST + [1] * _TEST], side, axis=0)
    row, column = np.ogrid[:side, :side]
    disc = np.hypot(row - side / 2, column - side / 2) < _RADIUS
    under = np.zeros_like(picture)
    under[:, _TEST // 2 :][:, :_TEST] = gravel
    return np.where(disc, under, picture), np.where(disc, 2, kinds)
