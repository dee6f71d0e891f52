"""What models predict: results that know their picture, show themselves and are plain data.

A model in torch and the same one exported give the same kinds; so nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from numpy.typing import NDArray

from convolens.arrays import Real, as_real, plain_fields
from convolens.errors import ArgumentError
from convolens.first_use import loaded
from convolens.heatmaps import Grid
from convolens.media.annotate import annotated, in_words
from convolens.media.pixels import Picture, as_pixels, over_white
from convolens.media.showing import Drawn

Result = TypeVar("Result", bound="Predicted")

GOOD, UNUSUAL = "good", "unusual"


@dataclass(frozen=True, repr=False)
class Predicted(Drawn):
    """What a model predicts for one picture.

    Attributes:
        picture: what was predicted for, as it was given; None where that is not known.
    """

    picture: Picture | None = field(default=None, compare=False, kw_only=True)

    def drawn(self) -> UInt8[ndarray, "height width 3"]:
        """The picture with what was predicted.

        Raises:
            ArgumentError: the picture is not known.
            FileError: it is no longer there.
        """
        if self.picture is None:
            raise ArgumentError("picture: need the picture that was predicted for, got a result without it")
        return annotated(over_white(as_pixels(self.picture)), self)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, as JSON has it; without the picture."""
        return plain_fields(self)

    def _repr_png_(self) -> bytes | None:
        return None if self.picture is None else super()._repr_png_()

    def __str__(self) -> str:
        return in_words(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


@dataclass(frozen=True, repr=False)
class Prediction(Predicted):
    """The classes, likeliest first, and their scores: they add up to 1 over all, unless the model is multi-label.

    Attributes:
        labels: names of classes.
        scores: the probability of each.
        familiar: how like those that the model learned from the picture is, from 0 to 1: the fraction of such pictures
            that are as unlike them or more; None where the model does not know.
        unknown: whether it is less than what was asked for; None where nothing was.
    """

    labels: tuple[str, ...]
    scores: tuple[float, ...]
    familiar: float | None = None
    unknown: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, as JSON has it; without the picture, and without what is None."""
        return {name: value for name, value in super().to_dict().items() if value is not None}


@dataclass(frozen=True, repr=False)
class Location(Predicted):
    """What was found in a picture.

    Attributes:
        label: the class; None where no object was found.
        score: how likely it is that class, given that there is an object.
        box_xyxy: where, in pixels of the original picture, `(x1, y1, x2, y2)`; None where no object was found.
        objectness: how likely there is an object.
    """

    label: str | None
    score: float
    box_xyxy: tuple[float, float, float, float] | None
    objectness: float


@dataclass(frozen=True, repr=False)
class Detections(Predicted):
    """The objects found in a picture, likeliest first.

    Attributes:
        boxes_xyxy: `(objects, 4)` float32, in pixels of the original picture.
        labels: the name of each one's class.
        scores: `(objects,)` float32, how likely each is of that class.
        classes: `(objects,)`, the number of each one's class among the model's `class_names`.
        default_boxes: `(objects,)`, the number of the default box that predicted it; -1 after merging tiles.
    """

    boxes_xyxy: Float32[np.ndarray, "objects 4"]
    labels: tuple[str, ...]
    scores: Float32[np.ndarray, " objects"]
    classes: Int64[np.ndarray, " objects"]
    default_boxes: Int64[np.ndarray, " objects"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, repr=False)
class Inspection(Predicted):
    """How unusual a picture is, and where.

    Attributes:
        label: `good` or `unusual`.
        score: how unusual the most unusual place is; 1 is the limit that good pictures gave.
        boxes_xyxy: `(parts, 4)` float32, around each connected part that is unusual, in pixels of the original picture,
            the most unusual first.
        box_scores: `(parts,)` float32, the score of each.
        heatmap: `(height, width)` float32, how unusual each pixel of the original picture is.
        threshold: the score from which a picture, and a place, is unusual.
    """

    label: str
    score: float
    boxes_xyxy: Float32[np.ndarray, "parts 4"]
    box_scores: Float32[np.ndarray, " parts"]
    heatmap: Float32[np.ndarray, "height width"] = field(metadata={"plain": False})
    threshold: float = 1.0

    @classmethod
    def of(
        cls, cells: Float32[np.ndarray, "rows columns"], grid: Grid, size: tuple[int, int], threshold: float
    ) -> Inspection:
        """By the score of each cell of a grid; a picture's is the highest.

        Args:
            cells: how unusual each is.
            grid: where they are in the network's input.
            size: height and width of the picture.
            threshold: from which score one is unusual.
        """
        heatmap, score = grid.in_picture(cells, size), float(cells.max())
        boxes, scores = _parts(heatmap, threshold)
        label = UNUSUAL if score >= threshold else GOOD
        return cls(label, score, boxes, scores, heatmap, threshold)

    @staticmethod
    def least(threshold: Real) -> float:
        """The score from which a picture is unusual.

        Raises:
            ArgumentError: it is no number above 0.
        """
        return float(as_real(threshold, "threshold", "a number above 0", lambda value: value > 0))

    @property
    def labels(self) -> tuple[str, ...]:
        """That of each box."""
        return (UNUSUAL,) * len(self.box_scores)

    @property
    def scores(self) -> Float32[np.ndarray, " parts"]:
        """That of each box."""
        return self.box_scores

    def level(self) -> Float32[np.ndarray, "height width"]:
        """The heatmap from 0 to 1 to be drawn: nothing where a good picture may be so, all of it at twice the limit."""
        return (self.heatmap / self.threshold - _COLD).clip(0, 2 - _COLD) / (2 - _COLD)


_COLD = 0.8  # of the limit: what is below is drawn as it is


def _parts(heatmap: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes around the connected parts at or above a threshold and the highest value in each, the highest first."""
    ndimage = loaded("scipy.ndimage")

    parts, count = ndimage.label(heatmap >= threshold)
    if not count:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    corners = [(across.start, down.start, across.stop, down.stop) for down, across in ndimage.find_objects(parts)]
    values = np.asarray(ndimage.maximum(heatmap, parts, range(1, count + 1)), np.float32)
    order = np.argsort(-values, kind="stable")
    return np.array(corners, np.float32)[order], values[order]


def best_first(
    scores: NDArray[Any], names: Sequence[str], top: int | None
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Gives the `top` names with the highest scores and those scores; equal scores stay in the order of the classes."""
    order = np.argsort(-scores, kind="stable")[:top]
    return tuple(names[at] for at in order), tuple(float(scores[at]) for at in order)


def remembered(pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Picture | None]]:
    """Each picture as it comes, and what a result is to keep of it: it again, if it can be drawn on later.

    Paths, and what a list has in memory anyway; not an open file, nor the arrays of an iterator, which need not all be
    kept.
    """
    kept = isinstance(pictures, Sequence)
    for picture in pictures:
        again = isinstance(picture, str | PathLike) or (kept and not hasattr(picture, "read"))
        yield picture, picture if again else None


def of_pictures(found: Iterable[Result], pictures: Iterable[Picture | None]) -> list[Result]:
    """Each result with the picture that it is about."""
    return [replace(one, picture=picture) for one, picture in zip(found, pictures, strict=True)]
