r"""Digits on photos, to localize: one handwritten digit on each picture, or none on a fifth of them.

    python examples/digits_on_photos.py digits
    convolens doctor digits

scikit-learn's real digits, at a random size, place and colour, on crops of scikit-image's photos. Pictures to validate
on have other backgrounds and other digits than those to train on. As eleven photos and 1,400 digits are few, those to
train on are varied: crops turned, mirrored, their colours exchanged, and often with pieces of other photos on them;
digits turned, leaning, stretched, thin and bold. Written as COCO's JSON: `digits/train`, `digits/val`, each with its
pictures and `annotations.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from convolens.media.images import read_image, write_image
from convolens.media.pixels import as_rgb8

# scikit-image's photos without writing on them; `clock_motion`, `page` and `text` show letters or digits.
PHOTOS = {
    "train": (
        "astronaut.png", "brick.png", "cell.png", "coffee.png", "coins.png", "gravel.png", "hubble_deep_field.jpg",
        "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg",
    ),
    "val": ("camera.png", "chelsea.png", "grass.png", "rocket.jpg"),
}  # fmt: skip
DIGITS_TO_TRAIN_ON = 1400  # of 1,797; the rest were written by others
EMPTY_SHARE = 0.2  # of the pictures have no digit
SCALES = (0.2, 0.6)  # the longer side of a digit's strokes, as a share of the picture's side
CONTRAST = 0.3  # least difference in brightness (of 1) between each pixel of a stroke and what lies behind it
PLACES = 10  # tried on a background before another is drawn
# How far a digit to train on may turn (degrees), lean (sideways for one down), and grow one way and shrink the other.
PIECES = 4  # of other photos on a crop to train on, one less at most
TURN, LEAN, STRETCH = 10, 0.2, 1.15
BOLDNESS = (0.35, 0.6)  # ink from which on a pixel counts as stroke, of digits to train on; 0.5 is as written
OPAQUE = 0.5  # a pixel is a stroke's where it covers at least this much of what lies behind
BRIGHTNESS = np.array([0.299, 0.587, 0.114]) / 255  # of RGB (ITU-R BT.601)


class Picture(NamedTuple):
    """A picture `(side, side, 3)`, and its digit with the box `(x1, y1, x2, y2)` of its strokes, if it has one."""

    pixels: NDArray[np.uint8]
    digit: int | None = None
    box: tuple[int, int, int, int] | None = None


def pictures(part: str, count: int, *, side: int = 128, seed: int = 0) -> Iterator[Picture]:
    """Pictures of `train` or `val`. Each is a function of the seed and its number alone."""
    for number in range(count):
        random = np.random.default_rng([seed, part == "val", number])
        background, picture = with_digit(part, side, random)
        # The digit is left out only now, so that backgrounds with and without one are of the same kinds.
        yield Picture(background) if random.random() < EMPTY_SHARE else picture


def write_digits(out: Path, *, train: int = 4000, val: int = 1000, side: int = 128, seed: int = 0) -> None:
    """Writes `out/train` and `out/val`, each with pictures and `annotations.json`."""
    for part, count in (("train", train), ("val", val)):
        folder = out / part
        folder.mkdir(parents=True, exist_ok=True)
        images, annotations = [], []
        for number, picture in enumerate(pictures(part, count, side=side, seed=seed)):
            name = f"{number:05}.jpg"
            write_image(folder / name, picture.pixels)
            images.append({"id": number, "file_name": name, "width": side, "height": side})
            if picture.box is not None:
                annotations.append(_annotation(number, picture))
        categories = [{"id": digit, "name": str(digit)} for digit in range(10)]
        content = {"images": images, "categories": categories, "annotations": annotations}
        (folder / "annotations.json").write_text(json.dumps(content))


def _annotation(number: int, picture: Picture) -> dict[str, Any]:
    assert picture.box is not None
    x1, y1, x2, y2 = picture.box
    box = [x1, y1, x2 - x1, y2 - y1]
    return {"id": number, "image_id": number, "category_id": picture.digit, "bbox": box, "area": box[2] * box[3]}


@cache
def _photos(part: str) -> tuple[Image.Image, ...]:
    return tuple(Image.fromarray(as_rgb8(read_image(Path(data.__file__).parent / name))) for name in PHOTOS[part])


@cache
def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Strokes `(1797, 8, 8)` in [0, 1], and what they mean."""
    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target


def photo_crop(part: str, side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """A square of a random photo; one to train on varied, and with ovals of other photos on it, which are no digits."""
    if part != "train":
        return _square(part, side, random)
    background = _varied(_square(part, side, random), random)
    for _ in range(random.integers(PIECES)):
        inside = _oval(side, random)
        background[inside] = _varied(_square(part, side, random), random)[inside]
    return background


def _square(part: str, side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Of any size from the picture's own to the photo's, brought to the picture's."""
    photos = _photos(part)
    photo = photos[random.integers(len(photos))]
    size = round(np.exp(random.uniform(*np.log([min(side, *photo.size), min(photo.size)]))))
    x, y = (int(random.integers(0, length - size + 1)) for length in photo.size)
    kind = Image.Resampling.BOX if size > side else Image.Resampling.BILINEAR
    return np.asarray(photo.resize((side, side), kind, box=(x, y, x + size, y + size)))


def _varied(square: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """By quarter turns, mirrored or not, red, green and blue in any order."""
    turned = np.rot90(square, random.integers(4))[:, :: random.choice((1, -1))]
    return np.ascontiguousarray(turned[:, :, random.permutation(3)])


def _oval(side: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Where a turned ellipse lies, of axes up to the size of a digit."""
    across, down = np.arange(side) - random.uniform(0, side), (np.arange(side) - random.uniform(0, side))[:, None]
    turn, (long, wide) = random.uniform(0, np.pi), random.uniform(0.05, SCALES[1] / 2, 2) * side
    along, aside = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
    return (along / long) ** 2 + (aside / wide) ** 2 <= 1


def with_digit(part: str, side: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], Picture]:
    """A background, and it with a digit; backgrounds are drawn until one leaves room for a colour that stands out."""
    while True:
        background = photo_crop(part, side, random)
        written, digit = random_digit(part, random)
        cover = strokes(written, round(random.uniform(*SCALES) * side))
        for _ in range(PLACES):
            placed = placed_on(background, cover, random)
            if placed is not None:
                return background, Picture(placed[0], digit, placed[1])


class Written(NamedTuple):
    """A digit's soft strokes `(8, 8)` in [0, 1], and the hand that wrote it.

    Attributes:
        ink: how dark.
        boldness: the less, the more of the ink counts as stroke.
        matrix: where in the ink a place of the drawing lies, both from their middles.
    """

    ink: NDArray[np.float32]
    boldness: float = 0.5
    matrix: NDArray[np.float64] = np.eye(2)


def random_digit(part: str, random: np.random.Generator) -> tuple[Written, int]:
    """A digit of that part, and which it is; one to train on as another hand might have written it."""
    shapes, meanings = _digits()
    allowed = np.arange(len(shapes)) < DIGITS_TO_TRAIN_ON
    which = random.choice(np.flatnonzero(allowed if part == "train" else ~allowed))
    written = Written(shapes[which])
    return _rewritten(written, random) if part == "train" else written, int(meanings[which])


def _rewritten(written: Written, random: np.random.Generator) -> Written:
    turn, lean = np.deg2rad(random.uniform(-TURN, TURN)), random.uniform(-LEAN, LEAN)
    stretch = STRETCH ** random.uniform(-1, 1)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turned @ np.array([[stretch, lean], [0, 1 / stretch]])
    return Written(written.ink, random.uniform(*BOLDNESS), matrix)


def placed_on(
    picture: NDArray[np.uint8], cover: NDArray[np.float32], random: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]] | None:
    """The picture with strokes in a random place and a colour that stands out there, and their box; None without."""
    height, width = cover.shape
    x = int(random.integers(0, picture.shape[1] - width + 1))
    y = int(random.integers(0, picture.shape[0] - height + 1))
    behind = picture[y : y + height, x : x + width]
    color = _color(behind[cover >= OPAQUE] @ BRIGHTNESS, random)
    if color is None:
        return None
    pixels = picture.copy()
    mixed = behind * (1 - cover[:, :, None]) + color * cover[:, :, None]
    pixels[y : y + height, x : x + width] = np.rint(mixed)
    return pixels, (x, y, x + width, y + height)


def strokes(written: Written, longest: int) -> NDArray[np.float32]:
    """How much of each pixel is covered: strokes of that length."""
    drawn = _cut(_drawn(written, 80))
    return _cut(_drawn(written, round(80 * longest / max(drawn.shape))))


def _drawn(written: Written, side: int) -> NDArray[np.float32]:
    """The digit in the middle of a square, its edges three times as steep as the soft ones."""
    ink = np.pad(written.ink, 2)
    (a, b), (c, d) = written.matrix * (len(ink) / side)
    left, top = len(ink) / 2 - (a + b) * side / 2, len(ink) / 2 - (c + d) * side / 2
    where = (a, b, left, c, d, top)
    large = Image.fromarray(ink).transform((side, side), Image.Transform.AFFINE, where, Image.Resampling.BICUBIC)
    return np.clip((np.asarray(large) - written.boldness) * 3 + 0.5, 0, 1)


def _cut(cover: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.flatnonzero((cover >= OPAQUE).any(axis=1)), np.flatnonzero((cover >= OPAQUE).any(axis=0))
    return cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _color(behind: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64] | None:
    """A random colour whose brightness differs enough from every one behind it; None if no draw finds one."""
    colors = random.uniform(0, 255, (20, 3))
    stands_out = np.abs(behind[:, None] - colors @ BRIGHTNESS).min(axis=0) >= CONTRAST
    return colors[stands_out.argmax()] if stands_out.any() else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--train", type=int, default=4000, help="pictures to train on")
    parser.add_argument("--val", type=int, default=1000, help="pictures to validate on")
    parser.add_argument("--side", type=int, default=128, help="of a picture in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    asked = parser.parse_args()
    write_digits(asked.out, train=asked.train, val=asked.val, side=asked.side, seed=asked.seed)
