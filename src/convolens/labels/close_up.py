"""The evidence for a doubtful box: its picture as the data says, as is likely, and close up without marks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup

from convolens.errors import UNREADABLE
from convolens.labels.found import Suspect
from convolens.media.images import read_rgb8
from convolens.pages.figures import picture
from convolens.pages.pictures import Labeled, at_page_size, file_picture

AROUND = 0.5  # of the box's longer side, shown on each side of it
LEAST = 16  # pixels of a close-up's side
DECODED = 1280  # pixels of the longer side that a picture is decoded with: small objects stay visible


def box_pictures(one: Suspect) -> Iterator[Markup]:
    """Three figures; fewer where the file cannot be read."""
    said = [Labeled(one.box_xyxy, one.label)] if one.box_xyxy else []
    likely = [Labeled(one.suggested_box, one.suggested)] if one.suggested_box else []
    yield from file_picture(one.path, said, f"the data says {one.label or 'nothing'} here")
    yield from file_picture(one.path, likely, f"likely {one.suggested or 'nothing'}")
    try:
        pixels, size = read_rgb8(one.path, at_least=DECODED)
    except UNREADABLE:
        return
    words = f"{one.path.name}, close up"
    shown, _ = at_page_size(*_around(pixels, size, one))
    yield picture(shown, words, describe=words)


def _around(
    pixels: UInt8[np.ndarray, "rows columns 3"], size: tuple[int, int], one: Suspect
) -> tuple[UInt8[np.ndarray, "height width 3"], tuple[int, int]]:
    """The part of the picture with both boxes, and its `(width, height)`."""
    boxes = np.array([box for box in (one.box_xyxy, one.suggested_box) if box], np.float64)
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    far = np.maximum(AROUND * (high - low).max(), (LEAST - (high - low)) / 2)
    scale = np.array(pixels.shape[1::-1]) / np.array(size)
    x1, y1 = np.clip(np.floor((low - far) * scale), 0, np.array(pixels.shape[1::-1]) - 1).astype(int)
    x2, y2 = np.ceil((high + far) * scale).astype(int)
    part = pixels[y1 : max(y1 + 1, y2), x1 : max(x1 + 1, x2)]
    return part, (part.shape[1], part.shape[0])
