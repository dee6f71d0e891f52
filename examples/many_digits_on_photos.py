r"""Many digits on photos, to detect: one to eight handwritten digits on each picture, or none on a tenth of them.

    python -m examples.many_digits_on_photos digits
    convolens doctor digits
    convolens train detect digits --trunk resnet18 --no-flip --validation 0.05 --minutes 25 --out runs/digits
    convolens evaluate runs/digits/best.safetensors digits

Made as in `digits_on_photos.py`, smaller and overlapping: at most 40% of a digit's strokes lie in the boxes of those
that came after it. The pictures to test on have other backgrounds and other digits than those to train on. Written as
COCO's JSON (`digits/train`, `digits/test`, each with its pictures and `annotations.json`), or, with `--format voc`, as
Pascal VOC's XML, one file beside each picture.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from convolens.media.images import write_image
from examples.digits_on_photos import OPAQUE, photo_crop, placed_on, random_digit, strokes

PARTS = {"train": "train", "test": "val"}  # each with the photos and digits of a part of `digits_on_photos`
EMPTY_SHARE = 0.1  # of the pictures have no digit
MOST = 8  # digits on a picture
SCALES = (0.12, 0.6)  # the longer side of a digit's strokes, as a share of the picture's side
COVERED = 0.4  # the greatest share of a digit's strokes that may lie in boxes of later digits
NAME = "{:05}.jpg"  # of a picture's file
TRIES = 40  # for a digit's size, place and colour; on a crowded picture it is left out


class Digit(NamedTuple):
    """Which digit, and the box `(x1, y1, x2, y2)` of all its strokes, covered or not."""

    meaning: int
    box: tuple[int, int, int, int]


class Picture(NamedTuple):
    """A picture `(side, side, 3)` and its digits, the topmost last."""

    pixels: NDArray[np.uint8]
    digits: tuple[Digit, ...]


def pictures(part: str, count: int, *, side: int = 128, seed: int = 0) -> Iterator[Picture]:
    """Pictures of `train` or `test`. Each is a function of the seed and its number alone."""
    for number in range(count):
        random = np.random.default_rng([seed, part == "test", number, MOST])
        background, picture = with_digits(PARTS[part], side, random)
        # The digits are left out only now, so that backgrounds with and without some are of the same kinds.
        yield Picture(background, ()) if random.random() < EMPTY_SHARE else picture


def with_digits(part: str, side: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], Picture]:
    """A background, and it with at least one digit; another is drawn where not even one has room."""
    while True:
        background = photo_crop(part, side, random)
        pixels, drawn = background, _Drawn(side)
        for _ in range(random.integers(1, MOST + 1)):
            pixels = _with_another(pixels, drawn, part, random)
        if drawn.digits:
            return background, Picture(pixels, tuple(drawn.digits))


class _Drawn:
    """The digits of a picture so far, and of each where its strokes are and which of them no later box covers."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.digits: list[Digit] = []
        self.strokes: list[NDArray[np.bool_]] = []
        self.bare: list[NDArray[np.bool_]] = []

    def leaves_enough(self, box: tuple[int, int, int, int]) -> bool:
        """Whether enough of every digit would stay bare under a box."""
        left = (self._without(bare, box).sum() for bare in self.bare)
        return all(now >= (1 - COVERED) * own.sum() for now, own in zip(left, self.strokes, strict=True))

    def add(self, digit: Digit, cover: NDArray[np.float32]) -> None:
        """Takes in a digit that lies on top."""
        x1, y1, x2, y2 = digit.box
        mask = np.zeros((self.side, self.side), bool)
        mask[y1:y2, x1:x2] = cover >= OPAQUE
        self.bare = [*(self._without(bare, digit.box) for bare in self.bare), mask]
        self.strokes.append(mask)
        self.digits.append(digit)

    @staticmethod
    def _without(bare: NDArray[np.bool_], box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        x1, y1, x2, y2 = box
        left = bare.copy()
        left[y1:y2, x1:x2] = False
        return left


def _with_another(
    pixels: NDArray[np.uint8], drawn: _Drawn, part: str, random: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture with one more digit, if one of the tries finds room for it."""
    for _ in range(TRIES):
        shape, meaning = random_digit(part, random)
        cover = strokes(shape, round(random.uniform(*SCALES) * drawn.side))
        placed = placed_on(pixels, cover, random)
        if placed is not None and drawn.leaves_enough(placed[1]):
            drawn.add(Digit(meaning, placed[1]), cover)
            return placed[0]
    return pixels


def write_many_digits(
    out: Path, *, train: int = 6000, test: int = 500, side: int = 128, seed: int = 0, form: str = "coco"
) -> None:
    """Writes `out/train` and `out/test`, each with pictures and, as `form` says, `annotations.json` or XML files."""
    for part, count in (("train", train), ("test", test)):
        folder = out / part
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for number, picture in enumerate(pictures(part, count, side=side, seed=seed)):
            write_image(folder / NAME.format(number), picture.pixels)
            found.append(picture.digits)
        FORMATS[form](folder, found, side)


def write_coco(folder: Path, found: Sequence[Sequence[Digit]], side: int, *, name: str = NAME) -> None:
    """One JSON: Lin et al., "Microsoft COCO", 2014."""
    images = [{"id": at, "file_name": name.format(at), "width": side, "height": side} for at in range(len(found))]
    annotations = []
    for at, digits in enumerate(found):
        for meaning, (x1, y1, x2, y2) in digits:
            box = [x1, y1, x2 - x1, y2 - y1]
            one = {"id": len(annotations) + 1, "image_id": at, "category_id": meaning, "bbox": box, "iscrowd": 0}
            annotations.append(one | {"area": box[2] * box[3]})
    categories = [{"id": digit, "name": str(digit)} for digit in range(10)]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "annotations.json").write_text(json.dumps(content))


def _write_voc(folder: Path, found: Sequence[Sequence[Digit]], side: int) -> None:
    """An XML file for each picture, pixels counted from 1, the last one inside (Everingham et al., 2010)."""
    for at, digits in enumerate(found):
        top = ElementTree.Element("annotation")
        ElementTree.SubElement(top, "filename").text = NAME.format(at)
        _numbers(ElementTree.SubElement(top, "size"), width=side, height=side, depth=3)
        for meaning, (x1, y1, x2, y2) in digits:
            one = ElementTree.SubElement(top, "object")
            ElementTree.SubElement(one, "name").text = str(meaning)
            _numbers(ElementTree.SubElement(one, "bndbox"), xmin=x1 + 1, ymin=y1 + 1, xmax=x2, ymax=y2)
        ElementTree.indent(top)
        ElementTree.ElementTree(top).write((folder / NAME.format(at)).with_suffix(".xml"))


def _numbers(element: ElementTree.Element, **numbers: int) -> None:
    for name, number in numbers.items():
        ElementTree.SubElement(element, name).text = str(number)


FORMATS = {"coco": write_coco, "voc": _write_voc}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--train", type=int, default=6000, help="pictures to train on")
    parser.add_argument("--test", type=int, default=500, help="pictures to test on")
    parser.add_argument("--side", type=int, default=128, help="of a picture in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--format", choices=FORMATS, default="coco", help="of the annotations")
    asked = parser.parse_args()
    write_many_digits(
        asked.out, train=asked.train, test=asked.test, side=asked.side, seed=asked.seed, form=asked.format
    )
