"""Views of a picture: each time another part of it, flipped, in other light; boxes go along.

Geometry is done in one resampling by Pillow, from the decoded picture straight to the network's size. Colors are one
3×3 matrix and an offset for each picture, which the training applies to a whole batch at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.errors import ArgumentError

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
COARSE = 4  # every fourth row and column tell a picture's mean gray as well as all of them
TRIES = 10  # for a part of the picture that keeps the object


GREATEST = 1_000_000  # of a picture's area or ratio; far beyond what a picture is still seen in


def _need_range(name: str, what: str, value: object) -> None:
    match value:
        case [int() | float() as least, int() | float() as most] if 0 < least <= most <= GREATEST:
            return
    raise ArgumentError(f"{name}: need two {what} above 0 and up to {GREATEST:,}, the least first, got {value!r:.80}")


@dataclass(frozen=True)
class Augmentation:
    """How far a picture may be changed.

    Attributes:
        scale: the least and the greatest fraction of the picture's area that a view shows, at a random place. Above 1
            the view contains the picture, its edges repeated around it.
        ratio: the least and the greatest ratio of width to height of a view, relative to the picture's own; it is
            brought to the picture's shape. As in torchvision's `RandomResizedCrop`, where a picture is square.
        flip: whether to mirror every other view. Not for what has a left and a right, such as digits and text.
        color_jitter: 0 leaves colors; c changes brightness, contrast and saturation by up to a factor 1 ± c and turns
            the hue by up to c/4 of the circle.
    """

    scale: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    color_jitter: float = 0.2

    def __post_init__(self) -> None:
        _need_range("scale", "fractions of the area", self.scale)
        _need_range("ratio", "numbers", self.ratio)
        if not 0 <= self.color_jitter < 1:
            raise ArgumentError(f"color_jitter: need a number from 0 to below 1, got {self.color_jitter}")

    def to_list(self) -> list[Any]:
        """Returns plain values."""
        return [list(self.scale), list(self.ratio), self.flip, self.color_jitter]


UNCHANGED = Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=False, color_jitter=0.0)


@dataclass(frozen=True)
class View:
    """A view of a picture: a box in its pixels, which may reach past it, and whether it is mirrored."""

    box_xyxy: tuple[float, float, float, float]
    flipped: bool

    def picture(self, pixels: UInt8[np.ndarray, "height width 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
        """Resamples the view to `side` pixels width and height, antialiased."""
        padded, (x1, y1, x2, y2) = _padded(pixels, self.box_xyxy)
        image = Image.fromarray(padded)
        resized = image.resize((side, side), Image.Resampling.BILINEAR, box=(x1, y1, x2, y2), reducing_gap=3.0)
        if self.flipped:
            resized = resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        found: NDArray[np.uint8] = np.asarray(resized)
        return found

    def boxes(self, boxes_xyxy: Float32[np.ndarray, "boxes 4"]) -> Float32[np.ndarray, "boxes 4"]:
        """Gives boxes of the picture's pixels as fractions of the view; they may reach past it."""
        x1, y1, x2, y2 = self.box_xyxy
        offset, size = np.array([x1, y1] * 2), np.array([x2 - x1, y2 - y1] * 2)
        found = (boxes_xyxy - offset) / size
        if self.flipped:
            found = np.stack([1 - found[:, 2], found[:, 1], 1 - found[:, 0], found[:, 3]], axis=1)
        fractions: NDArray[np.float32] = found.astype(np.float32)
        return fractions


def draw_view(width: int, height: int, augmentation: Augmentation, generator: np.random.Generator) -> View:
    """Draws a view of a picture of that size.

    >>> draw_view(40, 30, UNCHANGED, np.random.default_rng(0))
    View(box_xyxy=(0.0, 0.0, 40.0, 30.0), flipped=False)
    """
    area = generator.uniform(*augmentation.scale)
    narrowest, widest = (math.log(end) for end in augmentation.ratio)
    stretch = math.exp(generator.uniform(narrowest, widest) / 2)
    wide, high = width * math.sqrt(area) * stretch, height * math.sqrt(area) / stretch
    if augmentation.scale[1] <= 1:
        wide, high = min(wide, float(width)), min(high, float(height))
    left, top = (generator.uniform(min(0.0, a - b), max(0.0, a - b)) for a, b in ((width, wide), (height, high)))
    return View((left, top, left + wide, top + high), bool(augmentation.flip and generator.random() < 0.5))


def view_keeping(
    box_xyxy: tuple[float, float, float, float],
    width: int,
    height: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> View:
    """Draws a view in which all of an object is; after ten tries the whole picture."""
    for _ in range(TRIES):
        view = draw_view(width, height, augmentation, generator)
        x1, y1, x2, y2 = view.box_xyxy
        if x1 <= box_xyxy[0] and y1 <= box_xyxy[1] and box_xyxy[2] <= x2 and box_xyxy[3] <= y2:
            return view
    return View((0.0, 0.0, float(width), float(height)), view.flipped)


def draw_colors(
    pixels: UInt8[np.ndarray, "height width 3"], strength: float, generator: np.random.Generator
) -> Float32[np.ndarray, "3 4"]:
    """Draws a change of colors as a matrix and an offset: `matrix[:, :3] @ rgb + matrix[:, 3]`, of values in [0, 1].

    Saturation and hue are changed about the grays, contrast about the picture's mean gray; brightness is a factor.
    """
    if strength == 0:
        return np.eye(3, 4, dtype=np.float32)
    bright, contrast, saturation, turn = generator.uniform(-1, 1, 4) * strength
    hue = hue_rotation(turn / 4 * 2 * math.pi)
    saturated = (1 + saturation) * np.eye(3) - saturation * np.outer(np.ones(3), LUMA)
    matrix = (1 + bright) * (1 + contrast) * saturated @ hue
    some = pixels[::COARSE, ::COARSE].reshape(-1, 3)
    gray = float(some.mean(axis=0) @ LUMA) / 255
    offset = np.full((3, 1), -(1 + bright) * contrast * gray)
    return np.concatenate([matrix, offset], axis=1).astype(np.float32)


def hue_rotation(angle: float) -> NDArray[np.float64]:
    """Returns the rotation of colors about the axis of grays (Rodrigues' formula)."""
    axis = np.ones(3) / math.sqrt(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    found: NDArray[np.float64] = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return found


def _padded(
    pixels: NDArray[np.uint8], box: tuple[float, float, float, float]
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """Repeats the picture's edges as far as the box reaches past it; gives the box in the result, too."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    left, top = max(math.ceil(-x1), 0), max(math.ceil(-y1), 0)
    right, bottom = max(math.ceil(x2 - width), 0), max(math.ceil(y2 - height), 0)
    if left or top or right or bottom:
        pixels = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")
    return pixels, (x1 + left, y1 + top, x2 + left, y2 + top)
