"""Views of a picture of many objects: from farther away, in part, mirrored, in other light; boxes go along.

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, sections 2.2 and 3.6, in the order of its code: colors,
zooming out, a crop that still overlaps an object by a given IoU, mirroring. All geometry is one resampling. Differs
from the paper in that hue is rotated about the grays rather than in HSV, and colors are changed after the border was
filled; pictures without objects are cropped too, so that a crop does not give away that something is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.boxes import overlap
from convolens.data.augment import LUMA, View, hue_rotation
from convolens.errors import ArgumentError

Box = tuple[float, float, float, float]

# The paper's least overlaps of a crop with an object; None shows everything.
OVERLAPS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
SIDES = (0.3, 1.0)  # of a crop, as fractions of the picture's
RATIOS = (0.5, 2.0)  # of those two fractions, the width's to the height's
TRIES = 40  # for a crop, before another overlap is drawn
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.125, 0.5, 0.5, 0.05  # up to this; hue in turns


@dataclass(frozen=True)
class ObjectAugmentation:
    """How far a picture of objects may be changed.

    Attributes:
        zoom_out: every other time it is put on a canvas up to this many times wider and higher, filled with the mean
            color; 1 never. Objects get smaller by as much.
        crop: whether to show a part of it, chosen by how much of an object must be in it.
        flip: whether to mirror every other time. Not for what has a left and a right, such as digits and text.
        color_jitter: how much light and colors change, as a fraction of what the paper does; 0 leaves them.
    """

    zoom_out: float = 4.0
    crop: bool = True
    flip: bool = True
    color_jitter: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.zoom_out) and self.zoom_out >= 1):
            raise ArgumentError(f"zoom_out: need a number of at least 1, got {self.zoom_out}")
        if not 0 <= self.color_jitter < 2:
            raise ArgumentError(f"color_jitter: need a number from 0 to below 2, got {self.color_jitter}")

    def to_list(self) -> list[Any]:
        """Returns plain values."""
        return [self.zoom_out, self.crop, self.flip, self.color_jitter]


def draw_objects_view(
    width: int,
    height: int,
    boxes_xyxy: Float32[np.ndarray, "boxes 4"],
    augmentation: ObjectAugmentation,
    generator: np.random.Generator,
) -> View:
    """Draws a view of a picture of that size with these objects; with objects, at least one has its centre in it.

    >>> unchanged = ObjectAugmentation(zoom_out=1.0, crop=False, flip=False)
    >>> draw_objects_view(40, 30, np.zeros((0, 4), np.float32), unchanged, np.random.default_rng(0))
    View(box_xyxy=(0.0, 0.0, 40.0, 30.0), flipped=False)
    """
    part: Box = (0.0, 0.0, float(width), float(height))
    if augmentation.zoom_out > 1 and generator.random() < 0.5:
        part = _canvas(width, height, generator.uniform(1, augmentation.zoom_out), generator)
    if augmentation.crop:
        part = _crop(part, boxes_xyxy.astype(np.float64), generator)
    return View(part, bool(augmentation.flip and generator.random() < 0.5))


def objects_in(
    view: View, boxes_xyxy: Float32[np.ndarray, "boxes 4"], labels: Int64[np.ndarray, " boxes"]
) -> tuple[Float32[np.ndarray, "kept 4"], Int64[np.ndarray, " kept"]]:
    """Finds objects whose center is in the view: the part of their boxes that is, as fractions of it; their classes."""
    kept = _centered(view.box_xyxy, boxes_xyxy)
    return view.boxes(boxes_xyxy[kept]).clip(0, 1), labels[kept]


def filled(
    view: View, pixels: UInt8[np.ndarray, "height width 3"], size: tuple[int, int], fill: tuple[int, int, int]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Resamples a view to `size`, height and width, antialiased; past the picture's edges it has one color.

    The picture's edge is put on a pixel's: up to a pixel's width of it may be lost, but nothing is moved.
    """
    rows, columns = size
    x1, y1, x2, y2 = view.box_xyxy
    across, down = columns / (x2 - x1), rows / (y2 - y1)
    left, right = _inside(x1, pixels.shape[1], across, columns)
    top, bottom = _inside(y1, pixels.shape[0], down, rows)
    source = (left / across + x1, top / down + y1, right / across + x1, bottom / down + y1)
    # Rounding must not reach past the picture.
    box = tuple(float(np.clip(value, 0, limit)) for value, limit in zip(source, pixels.shape[1::-1] * 2, strict=True))
    found = np.empty((rows, columns, 3), np.uint8)
    found[:] = fill
    if right > left and bottom > top:
        image = Image.fromarray(pixels)
        part = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)  # type: ignore[arg-type]
        found[top:bottom, left:right] = np.asarray(part)
    return found[:, ::-1] if view.flipped else found


def draw_object_colors(
    pixels: UInt8[np.ndarray, "height width 3"], strength: float, generator: np.random.Generator
) -> Float32[np.ndarray, "3 4"]:
    """Draws a change of colors, as `augment.draw_colors` does, each of its five parts made every other time.

    Brightness, contrast (before or after the next two), saturation, hue, and the order of the channels.
    """
    matrix, offset = np.eye(3), np.zeros(3)
    if strength == 0:
        return np.eye(3, 4, dtype=np.float32)
    made = generator.random(5) < 0.5
    bright, contrast, saturation, hue = generator.uniform(-1, 1, 4) * (BRIGHTNESS, CONTRAST, SATURATION, HUE) * strength
    early, order = generator.random() < 0.5, generator.permutation(3)
    gray = float(pixels[::4, ::4].mean(axis=(0, 1)) @ LUMA) / 255
    steps: list[tuple[NDArray[np.float64], float]] = []
    if made[0]:
        steps.append(((1 + bright) * np.eye(3), 0.0))
    if made[2]:
        steps.append(((1 + saturation) * np.eye(3) - saturation * np.outer(np.ones(3), LUMA), 0.0))
    if made[3]:
        steps.append((hue_rotation(hue * 2 * math.pi), 0.0))
    if made[1]:
        steps.insert(int(made[0]) if early else len(steps), ((1 + contrast) * np.eye(3), -contrast * gray))
    if made[4]:
        steps.append((np.eye(3)[order], 0.0))
    for change, shift in steps:
        matrix, offset = change @ matrix, change @ offset + shift
    return np.concatenate([matrix, offset[:, None]], axis=1).astype(np.float32)


def _canvas(width: int, height: int, times: float, generator: np.random.Generator) -> Box:
    """Draws a canvas that is larger, with the picture at a random place on it, in the picture's coordinates."""
    left, top = generator.uniform(0, (times - 1) * width), generator.uniform(0, (times - 1) * height)
    return -left, -top, times * width - left, times * height - top


def _crop(canvas: Box, boxes: NDArray[np.float64], generator: np.random.Generator) -> Box:
    """Draws a part of the canvas that overlaps an object by at least a drawn IoU, or all of it."""
    while True:
        least = OVERLAPS[generator.integers(len(OVERLAPS))]
        if least is None:
            return canvas
        for _ in range(TRIES):
            part = _part(canvas, generator)
            if part is not None and (not len(boxes) or _fits(part, boxes, least)):
                return part


def _part(canvas: Box, generator: np.random.Generator) -> Box | None:
    """Draws a part, if its shape is not too far from the canvas's."""
    x1, y1, x2, y2 = canvas
    wide, high = generator.uniform(*SIDES, 2)
    if not RATIOS[0] <= wide / high <= RATIOS[1]:
        return None
    width, height = wide * (x2 - x1), high * (y2 - y1)
    left, top = x1 + generator.uniform(0, x2 - x1 - width), y1 + generator.uniform(0, y2 - y1 - height)
    return left, top, left + width, top + height


def _fits(part: Box, boxes: NDArray[np.float64], least: float) -> bool:
    """Whether an object's center is in the part, and one of those overlaps it enough."""
    inside = boxes[_centered(part, boxes)]
    if not len(inside):
        return False
    return bool(overlap(inside, np.array(part)).max() >= least)


def _centered(box: Box, boxes: NDArray[Any]) -> NDArray[np.bool_]:
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    found: NDArray[np.bool_] = (box[0] < x) & (x < box[2]) & (box[1] < y) & (y < box[3])
    return found


def _inside(start: float, length: int, scale: float, count: int) -> tuple[int, int]:
    """Finds the first and last pixel of the output, `count` long, that are in the picture whole."""
    first = max(0, math.ceil(-start * scale - 1e-6))
    return first, max(first, min(count, math.floor((length - start) * scale + 1e-6)))
