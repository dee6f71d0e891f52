"""Picture files on a page: brought to one size, with labelled boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from convolens.errors import FileError
from convolens.media.images import read_rgb8
from convolens.pages.figures import Marked, picture

SHOWN_SIDE = 320  # pixels of the longer side of a picture on a page


class Labeled(NamedTuple):
    """A box in pixels of the file, and what stands on it."""

    box_xyxy: tuple[float, float, float, float]
    label: str = ""


def file_picture(path: Path, boxes: Sequence[Labeled] = (), says: str = "") -> Iterator[str]:
    """The picture's figure, its name and `says` below it; nothing where the file cannot be read."""
    try:
        pixels, (width, height) = read_rgb8(path, at_least=SHOWN_SIDE)
    except FileError:
        return
    scale = SHOWN_SIDE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = Image.Resampling.NEAREST if scale >= 4 else Image.Resampling.LANCZOS
    shown = np.asarray(Image.fromarray(pixels).resize(size, way))
    marks = [Marked(_drawable(one.box_xyxy, scale), one.label) for one in boxes if all(map(isfinite, one.box_xyxy))]
    words = f"{path.name}{': ' * bool(says)}{says}"
    yield picture(shown, escape(words), describe=words, marks=marks)


def _drawable(box: tuple[float, float, float, float], scale: float) -> tuple[int, int, int, int]:
    """Corners on the page, put in order, and within what a browser can draw."""
    x1, y1, x2, y2 = (round(min(max(value * scale, -1e4), 1e4)) for value in box)
    left, top = min(x1, x2), min(y1, y2)
    return left, top, max(x1, x2, left + 1), max(y1, y2, top + 1)
