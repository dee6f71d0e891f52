"""Handwritten digits hidden in crops of photos, for the tour's localizer: small pictures and a table of boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.media.files import writing
from convolens.media.images import read_image, write_image
from convolens.media.pixels import as_rgb8
from convolens.tour import pictures

SIDE = 64
TABLE = "pictures.csv"
_PHOTOS = {False: ("astronaut.png", "coffee.png", "gravel.png", "moon.png"), True: ("chelsea.png", "rocket.jpg")}
_TRAINING_DIGITS = 1400  # of 1,797; the others were written by other people
_SCALES = (0.35, 0.7)  # of a digit's height, as a fraction of the side
_EMPTY = 5  # one picture in this many has no digit
_OPAQUE = 0.5  # a pixel with at least this much ink belongs to the digit


def write_hidden(folder: str, count: int, *, test: bool, seed: int = 0) -> None:
    """Writes pictures, and `pictures.csv` with the digit of each and its box.

    Args:
        folder: made if missing.
        count: of pictures.
        test: other photos and other writers than in the training set.
        seed: of everything random.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, test])
    inks, meanings = _digits(test)
    photos = [Image.fromarray(as_rgb8(read_image(pictures.photo(name)))) for name in _PHOTOS[test]]
    lines = ["path,label,x1,y1,x2,y2"]
    for number in range(count):
        pixels = _crop(photos[random.integers(len(photos))], random)
        line = f"{number:04}.png,,,,,"
        if number % _EMPTY:
            turn = number - number // _EMPTY - 1  # digits take turns, so that a few pictures show them all
            which = random.choice(np.flatnonzero(meanings == turn % 10))
            pixels, box = _with_ink(pixels, inks[which], random)
            line = f"{number:04}.png,{meanings[which]},{','.join(map(str, box))}"
        write_image(Path(folder, f"{number:04}.png"), pixels)
        lines.append(line)
    with writing(Path(folder, TABLE)) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _digits(test: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    found = np.loadtxt(pictures.handwritten_digits(), np.float32, delimiter=",")
    part = found[_TRAINING_DIGITS:] if test else found[:_TRAINING_DIGITS]
    return part[:, :-1].reshape(-1, 8, 8) / np.float32(16), part[:, -1].astype(np.int64)


def _crop(photo: Image.Image, random: np.random.Generator) -> UInt8[np.ndarray, "side side 3"]:
    width, height = photo.size
    size = int(random.integers(min(SIDE, height, width), min(height, width) + 1))
    y, x = (int(random.integers(side - size + 1)) for side in (height, width))
    square = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(x, y, x + size, y + size))
    return np.asarray(square)


def _with_ink(
    pixels: UInt8[np.ndarray, "side side 3"], ink: NDArray[np.float32], random: np.random.Generator
) -> tuple[UInt8[np.ndarray, "side side 3"], tuple[int, int, int, int]]:
    """The picture with a digit at a random place, white on dark and black on bright, and the digit's box."""
    size = round(SIDE * random.uniform(*_SCALES))
    cover = np.asarray(Image.fromarray(ink).resize((size, size), Image.Resampling.BICUBIC)).clip(0, 1)
    y, x = (int(random.integers(SIDE - size + 1)) for _ in range(2))
    behind = pixels[y : y + size, x : x + size]
    color = 255.0 if behind.mean() < 128 else 0.0
    drawn = pixels.copy()
    drawn[y : y + size, x : x + size] = np.rint(behind * (1 - cover[:, :, None]) + color * cover[:, :, None])
    rows, columns = (np.flatnonzero((cover >= _OPAQUE).any(axis=axis)) for axis in (1, 0))
    box = (x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1)
    return drawn, tuple(map(int, box))  # type: ignore[return-value]
