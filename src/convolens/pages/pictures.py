"""Picture files on a page: brought to one size, with labelled boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup
from PIL import Image

from convolens.errors import UNREADABLE
from convolens.media.images import read_rgb8
from convolens.pages.figures import Marked, picture
from convolens.sources import Stored

SHOWN_SIDE = 320  # pixels of the longer side of a picture on a page


class Labeled(NamedTuple):
    """A box in pixels of the file, and what stands on it."""

    box_xyxy: tuple[float, float, float, float]
    label: str = ""


def file_picture(path: Path | Stored, boxes: Sequence[Labeled] = (), caption: str = "") -> Iterator[Markup]:
    """The picture's figure, its name and the caption below it; nothing where the file cannot be read."""
    try:
        pixels, size = read_rgb8(path, at_least=SHOWN_SIDE)
    except UNREADABLE:
        return
    shown, scale = at_page_size(pixels, size)
    marks = [Marked(_drawable(one.box_xyxy, scale), one.label) for one in boxes if all(map(isfinite, one.box_xyxy))]
    words = f"{path.name}{': ' * bool(caption)}{caption}"
    yield picture(shown, words, describe=words, marks=marks)


def at_page_size(
    pixels: UInt8[np.ndarray, "rows columns 3"], size: tuple[int, int], side: int = SHOWN_SIDE
) -> tuple[UInt8[np.ndarray, "height width 3"], float]:
    """The picture at the size that a page shows, and by what its full `(width, height)` was multiplied for that.

    Small ones keep their pixels visible.
    """
    width, height = size
    scale = side / max(width, height)
    method = Image.Resampling.NEAREST if scale >= 4 else Image.Resampling.LANCZOS
    shown = Image.fromarray(pixels).resize((max(1, round(width * scale)), max(1, round(height * scale))), method)
    return np.asarray(shown), scale


def _drawable(box: tuple[float, float, float, float], scale: float) -> tuple[int, int, int, int]:
    """Corners on the page, put in order, and within what a browser can draw."""
    x1, y1, x2, y2 = (round(min(max(value * scale, -1e4), 1e4)) for value in box)
    left, top = min(x1, x2), min(y1, y2)
    return left, top, max(x1, x2, left + 1), max(y1, y2, top + 1)
