"""A picture with what was predicted drawn on it: boxes where there are any, otherwise the classes below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from PIL import Image

from convolens.media.draw import boxes, sheet
from convolens.media.files import writing
from convolens.media.pixels import as_rgb8

LONGEST = 1280  # pixels of an annotated picture's side: enough to look at, and quick to write
SHORTEST = 480  # with boxes: on a smaller picture their labels would hide it
QUALITY = 90
NAMED = 3  # classes below a picture


def annotated(pixels: NDArray[Any], prediction: Any) -> NDArray[np.uint8]:
    """The picture, at most `LONGEST` pixels long and with boxes at least `SHORTEST`, with a prediction of any task.

    Args:
        pixels: any picture.
        prediction: with `boxes_xyxy labels scores` (a detector's), `box_xyxy label score objectness` (a localizer's)
            or `labels scores` (a classifier's).
    """
    corners, names = found_boxes(prediction)
    shown, scale = _resized(as_rgb8(pixels), SHORTEST if len(corners) else 1)
    if len(corners):
        return boxes(shown, corners * scale, names, kinds=[name.rpartition(" ")[0] for name in names])
    return sheet([shown], [in_words(prediction)], columns=1, height=shown.shape[0], gap=0)


def found_boxes(prediction: Any) -> tuple[Float64[np.ndarray, "boxes 4"], list[str]]:
    """The boxes of a prediction and what stands on each; none for a task without boxes, or where nothing was found."""
    if hasattr(prediction, "boxes_xyxy"):
        named = zip(prediction.labels, prediction.scores, strict=True)
        return _array(prediction.boxes_xyxy), [f"{label} {score:.0%}" for label, score in named]
    if getattr(prediction, "box_xyxy", None) is not None:
        return _array([prediction.box_xyxy]), [f"{prediction.label} {prediction.score:.0%}"]
    return _array([]), []


def _array(boxes_xyxy: Any) -> NDArray[np.float64]:
    return np.array(boxes_xyxy, np.float64).reshape(-1, 4)


def in_words(prediction: Any) -> str:
    """A prediction in a line."""
    if hasattr(prediction, "objectness"):
        if prediction.box_xyxy is None:
            return f"nothing (objectness {prediction.objectness:.1%})"
        x1, y1, x2, y2 = prediction.box_xyxy
        place = f"x {x1:.0f}–{x2:.0f}, y {y1:.0f}–{y2:.0f}"
        return f"{prediction.label} {prediction.score:.1%}  {place}  objectness {prediction.objectness:.1%}"
    named = list(zip(prediction.labels, prediction.scores, strict=True))[:NAMED]
    return "  ".join(f"{label} {score:.1%}" for label, score in named) or "nothing"


def write_jpeg(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Writes a picture to look at; smaller than `write_image`, which loses nothing that can be seen."""
    with writing(path) as draft:
        Image.fromarray(pixels).save(draft, "JPEG", quality=QUALITY)


def _resized(pixels: NDArray[np.uint8], least: int) -> tuple[NDArray[np.uint8], float]:
    """The picture at least `least` and at most `LONGEST` pixels long, and what its size was multiplied by."""
    height, width = pixels.shape[:2]
    scale = min(max(1.0, least / max(height, width)), LONGEST / max(height, width))
    if scale == 1:
        return pixels, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)), scale
