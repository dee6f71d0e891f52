"""From an example to its pixels, and its boxes in them. Threads may call it: decoding leaves the interpreter free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy.typing import NDArray

from convolens.data.dataset import Example, Skipped
from convolens.errors import DataError, FileError
from convolens.media.images import read_rgb8
from convolens.models.inputs import pixels_of


@dataclass(frozen=True)
class Loaded:
    """A picture, decoded, and where its objects are in it.

    Attributes:
        pixels: RGB as displayed, transparency over white.
        boxes_xyxy: of its objects, in these pixels, cut off at the picture's edges.
        box_labels: the number of each box's class.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    boxes_xyxy: Float32[np.ndarray, "boxes 4"]
    box_labels: Int64[np.ndarray, " boxes"]


def load(example: Example, *, at_least: int | None = None) -> Loaded:
    """The example's picture as 8-bit RGB.

    Args:
        example: from a `DataSet`.
        at_least: pixels that the shorter side must keep, where a smaller picture will do. A JPEG is then decoded at a
            half, a quarter or an eighth of its size, at a fraction of the time. None decodes all of it.

    Raises:
        FileError: the picture cannot be read.
        DataError: a box lies outside the picture.
    """
    pixels, (width, height) = read_rgb8(example.path, at_least=at_least)
    boxes = np.array([box.xyxy for box in example.objects], np.float32).reshape(-1, 4)
    limits = np.array([width, height, width, height], np.float32)
    inside = boxes.clip(0, limits)
    lost = (inside[:, 2:] <= inside[:, :2]).any(axis=1)
    if lost.any():
        shown = ", ".join(f"{value:g}" for value in boxes[lost.argmax()])
        raise DataError(f"{example.path}: need boxes in the picture of {width}×{height} pixels, got ({shown})")
    scale = np.array([pixels.shape[1] / width, pixels.shape[0] / height] * 2, np.float32)
    return Loaded(pixels, inside * scale, np.array([box.label for box in example.objects], np.int64))


def pictures(examples: Iterable[Example], skipped: list[Skipped]) -> Iterator[tuple[Example, NDArray[Any]]]:
    """Each example with its picture, `(H, W)` or `(H, W, 3)`, at its full depth; for what does its own preprocessing.

    Args:
        examples: in the order wanted.
        skipped: what cannot be read is added here.
    """
    for example in examples:
        try:
            picture = pixels_of(example.path)
        except FileError as error:
            skipped.append(Skipped(example.path, str(error)))
            continue
        yield example, picture


def load_or_skip(example: Example, skipped: list[Skipped], *, at_least: int | None = None) -> Loaded | None:
    """The example's picture and objects; None if it cannot be used, and then it is named in `skipped`, once."""
    try:
        return load(example, at_least=at_least)
    except (FileError, DataError) as error:
        if all(one.path != example.path for one in skipped):
            skipped.append(Skipped(example.path, str(error)))
        return None
