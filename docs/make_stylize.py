"""Makes the pictures of docs/style-taps-gram.md: a contact sheet of restyled photos, and what each tap contributes.

.venv/bin/python docs/make_stylize.py        about six minutes on two cores
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import convolens as cl
from convolens.media.draw import sheet
from convolens.tour.painted import brush_strokes
from convolens.tour.pictures import photo

PICTURES = Path(__file__).parent / "pictures"
CONTENTS = {"coffee": "coffee.png"}
STYLES = {"strokes": brush_strokes(), "ihc": cl.read_image(photo("ihc.png"))}
SIDE, STEPS = 224, 25
TAPS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CONTENT_TAPS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")


def main(wanted: list[str]) -> None:
    """Writes those of the pictures whose names are given; all by default."""
    for name, make in {"sheet": contact_sheet, "taps": each_tap, "strength": strengths}.items():
        if not wanted or name in wanted:
            cl.write_image(PICTURES / f"stylize-{name}.jpg", make())
            print(PICTURES / f"stylize-{name}.jpg", flush=True)


def contact_sheet() -> np.ndarray:
    """A row for each content, a column for each style, with the styles above."""
    shown = {"": np.full((SIDE, SIDE, 3), 255, np.uint8)}
    shown |= {name: square(style) for name, style in STYLES.items()}
    for content, file in CONTENTS.items():
        shown[content] = square(cl.read_image(photo(file)))
        for name, style in STYLES.items():
            shown[f"{content} × {name}"] = cl.stylize(shown[content], style, size=SIDE, steps=STEPS)
            print(content, name, flush=True)
    return sheet(list(shown.values()), list(shown), columns=1 + len(STYLES), height=SIDE, gap=8)


def each_tap() -> np.ndarray:
    """Textures of one tap's Gram matrix, and pictures from one tap's features."""
    style, content = photo("brick.png"), square(cl.read_image(photo("chelsea.png")))
    textures = [cl.stylize(None, style, style_taps=(tap,), size=192, steps=STEPS) for tap in TAPS]
    rebuilt = [
        cl.stylize(content, None, content_taps=(tap,), init="noise", size=192, steps=STEPS) for tap in CONTENT_TAPS
    ]
    captions = [*(f"texture of {tap}" for tap in TAPS), *(f"content of {tap}" for tap in CONTENT_TAPS)]
    return sheet([*textures, *rebuilt], captions, columns=len(TAPS), height=192, gap=8)


def strengths() -> np.ndarray:
    """One photo from no style to nothing but style."""
    content, style = square(cl.read_image(photo(CONTENTS["coffee"]))), photo("ihc.png")
    levels = (0, 0.1, 0.3, 0.5, 1)
    made = [cl.stylize(content, style, size=224, steps=STEPS, strength=level) for level in levels]
    return sheet(made, [f"strength {level:g}" for level in levels], columns=len(levels), height=192, gap=8)


def square(picture: np.ndarray) -> np.ndarray:
    """The middle of a photo."""
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[top : top + side, left : left + side]


if __name__ == "__main__":
    main(sys.argv[1:])
