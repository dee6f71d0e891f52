"""Section: many digits found at once, and the default boxes that a detector learns with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray

from convolens.boxes import corners_of
from convolens.data import read_data
from convolens.media.images import read_image
from convolens.pages.figures import Marked, named, picture, row
from convolens.tour.pictures import copy_whole
from convolens.tour.section import Section

MODEL = "digits.safetensors"  # trained by examples/digit_detector.py, which also made the pictures
_SHAPES_AT = 0.5  # the cell whose default boxes are shown, as a fraction of the picture's sides


def _prepare() -> None:
    with as_file(files("convolens.tour") / "digits") as shipped:
        shutil.copytree(shipped, "digits", dirs_exist_ok=True, copy_function=copy_whole)
    Path("digits", MODEL).replace(MODEL)


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    model, photos, found = made["model"], made["photos"], made["found"]
    seen = [
        picture(read_image(photo), f"{_digits(len(one))} found.", describe="Handwritten digits, each in a box",
                marks=[_marked(box, f"{label} {score:.0%}")
                       for box, label, score in zip(one.boxes_xyxy, one.labels, one.scores, strict=True)])
        for photo, one in zip(photos, found, strict=True)
    ]  # fmt: skip
    why = [
        picture(one.overlay(), named(f"Why {one.label}?"), marks=[_marked(np.array(one.found_xyxy), one.label)],
                describe=f"Warm colours on what made the detector see a {one.label}")
        for one in made["why"]
    ]  # fmt: skip
    return [row(*seen), row(*why), row(*_levels(model, max(photos, key=lambda photo: len(_matched(model, photo)))))]


def _levels(model: Any, photo: Path) -> list[Markup]:
    """The default boxes at one cell, and those matched to a digit of the photo, for each map with a matched one."""
    pixels = read_image(photo)
    corners = corners_of(model.defaults.boxes) * np.array([pixels.shape[1], pixels.shape[0]] * 2, np.float32)
    ones, matched = [], []
    for number, objects in _matched(model, photo).items():
        level, first = model.defaults.levels[number], model.defaults.firsts[number]
        cell = int(_SHAPES_AT * level.rows) * level.columns + int(_SHAPES_AT * level.columns)
        shapes = first + cell * len(level.shapes) + np.arange(len(level.shapes))
        cells = f"{level.columns} × {level.rows} cells"
        words = named(cells, f", {_boxes(len(level.shapes))} at each. Those of one cell.")
        digits = _digits(len(set(objects.values())))
        those = named(f"{cells}.", f"{len(objects)} of {level.count:,} are matched to {digits}.")
        ones.append(
            picture(pixels, words, marks=[_marked(corners[box]) for box in shapes],
                    describe="Boxes of several shapes around one point")
        )  # fmt: skip
        matched.append(
            picture(pixels, those, marks=[_marked(corners[box]) for box in objects],
                    describe="The boxes that overlap a digit by at least half")
        )  # fmt: skip
    return [*ones, *matched]


def _matched(model: Any, photo: Path) -> dict[int, dict[int, int]]:
    """By the number of the map: default box → the digit that it would be matched to if this photo were trained on."""
    example = next(one for one in read_data(photo.parent).examples if one.path.name == photo.name)
    height, width = read_image(photo).shape[:2]
    truth = np.array([box.xyxy for box in example.objects], np.float32) / np.array([width, height] * 2, np.float32)
    labels = torch.tensor([[box.label for box in example.objects]])
    matched = model.match(torch.from_numpy(truth)[None], labels).object_of[0].tolist()
    found: dict[int, dict[int, int]] = {}
    for box, digit in enumerate(matched):
        if digit >= 0:
            found.setdefault(model.defaults.level_of(box), {})[box] = digit
    return found


def _marked(box: NDArray[Any], label: str = "") -> Marked:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return Marked((x1, y1, x2, y2), label)


def _boxes(count: int) -> str:
    return f"{count} {'box' if count == 1 else 'boxes'}"


def _digits(count: int) -> str:
    return f"{count} {'digit' if count == 1 else 'digits'}"


SECTION = Section(
    name="detect",
    title="What is where, many at once",
    prose="""
A convolution keeps place: a cell of a deep map describes its own part of the picture. So a detector (Liu et al. 2016,
SSD) predicts from every cell of several maps at once. Each cell has <em>default boxes</em> of a few shapes, small ones
on fine maps, large ones on coarse maps, and the network predicts for each box what it shows and how it must be moved
and scaled to fit. In training, the boxes that overlap an object by at least half are matched to it.

Each predicted box comes from one cell, so each has an explanation of its own: what made that cell predict it.

This one comes with Convolens. It was trained from random weights, in 24 minutes on one processor core, on pictures that
a script makes; these photos and these digits were not among them.
""",
    commands=(
        f"convolens predict {MODEL} digits --out found-digits",
        f"convolens evaluate {MODEL} digits --html digits.html",
    ),
    python=f"""\
from pathlib import Path
import convolens as cl

model = cl.load("{MODEL}")
photos = sorted(Path("digits").glob("*.png"))
found = model.predict(photos)
why = cl.explain(model, photos[0])  # a map for each digit
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=15,
)
