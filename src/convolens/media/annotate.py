"""A picture with what was predicted drawn on it: boxes where there are any, otherwise the classes below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convolens.media.draw import draw_boxes, legible, overlay, sheet
from convolens.media.files import writing
from convolens.media.picture_saving import save
from convolens.media.pixels import as_rgb8

LONGEST = 1280  # pixels of an annotated picture's side: enough to look at, and quick to write
QUALITY = 90
NAMED = 3  # classes that a line names
LISTED = 5  # objects that a line names


def annotated(pixels: NDArray[Any], prediction: Any) -> NDArray[np.uint8]:
    """The picture, of a size to look at (`draw.legible`, and at most `LONGEST`), with a prediction of any task.

    Args:
        pixels: any picture.
        prediction: with `boxes_xyxy labels scores` (a detector's), `box_xyxy label score objectness` (a localizer's),
            `heatmap` (an inspector's) or `labels scores` (a classifier's).
    """
    shown, scale = _at_most(as_rgb8(pixels), LONGEST)
    if hasattr(prediction, "heatmap"):
        return _inspected(shown, prediction)
    boxes, labels, scores = _objects(prediction)
    if len(boxes):
        return draw_boxes(shown, boxes * scale, labels, scores, kinds=getattr(prediction, "classes", None))
    shown = legible(shown)[0]
    return sheet([shown], [in_words(prediction)], columns=1, height=shown.shape[0], gap=0)


def _inspected(shown: NDArray[np.uint8], prediction: Any) -> NDArray[np.uint8]:
    """The picture, warm where it is unusual, and in words below it how much."""
    level = Image.fromarray(prediction.level()).resize((shown.shape[1], shown.shape[0]), Image.Resampling.BILINEAR)
    warm = legible(overlay(shown, np.asarray(level).clip(0, 1)))[0]
    return sheet([warm], [in_words(prediction)], columns=1, height=warm.shape[0], gap=0)


def in_words(prediction: Any) -> str:
    """A prediction in a line."""
    lines = in_lines(prediction, named=NAMED)
    more = len(lines) - LISTED
    return "; ".join(lines[:LISTED]) + (f"; … {more} more" if more > 0 else "")


def in_lines(prediction: Any, *, named: int | None = None) -> list[str]:
    """A prediction in words: a line for each object, or one for the classes (`named` of them) or for nothing at all."""
    boxes, labels, scores = _objects(prediction)
    if hasattr(prediction, "heatmap"):
        return ["  ".join([f"{prediction.label} {prediction.score:.2f}", *map(place, boxes[:LISTED].tolist())])]
    sure = f"objectness {prediction.objectness:.1%}" if hasattr(prediction, "objectness") else ""
    if len(boxes):
        objects = zip(labels, scores, boxes.tolist(), strict=True)
        return ["  ".join(filter(None, (f"{label} {score:.1%}", place(box), sure))) for label, score, box in objects]
    if sure:
        return [f"nothing ({sure})"]
    classes = list(zip(prediction.labels, prediction.scores, strict=True))[:named]
    words = [f"{label} {score:.1%}" for label, score in classes] or ["nothing"]
    if getattr(prediction, "unknown", None) is not None:
        words = [*["unknown"] * prediction.unknown, *words, f"familiar {prediction.familiar:.1%}"]
    return ["  ".join(words)]


def place(box_xyxy: Any) -> str:
    """Where a box lies, in words.

    >>> place((10, 20.4, 30, 49.6))
    'x 10–30, y 20–50'
    """
    x1, y1, x2, y2 = box_xyxy
    return f"x {x1:.0f}–{x2:.0f}, y {y1:.0f}–{y2:.0f}"


def _objects(prediction: Any) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[float, ...]]:
    """Boxes, labels and scores; none for a task without boxes, or where nothing was found."""
    if hasattr(prediction, "boxes_xyxy"):
        boxes, labels, scores = prediction.boxes_xyxy, prediction.labels, prediction.scores
    elif getattr(prediction, "box_xyxy", None) is not None:
        boxes, labels, scores = [prediction.box_xyxy], (prediction.label,), (prediction.score,)
    else:
        boxes, labels, scores = [], (), ()
    return np.array(boxes, np.float64).reshape(-1, 4), tuple(labels), tuple(map(float, scores))


def write_jpeg(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Writes a picture to look at; smaller than `write_image`, which loses nothing that can be seen."""
    with writing(path) as draft:
        save(Image.fromarray(pixels), draft, quality=QUALITY)


def _at_most(pixels: NDArray[np.uint8], longest: int) -> tuple[NDArray[np.uint8], float]:
    """The picture at most so many pixels long, and what its size was multiplied by."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return pixels, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)), scale
