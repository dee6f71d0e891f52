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

from convolens.arrays import plain_fields
from convolens.errors import ArgumentError
from convolens.media.annotate import annotated, in_words
from convolens.media.pixels import Picture, as_pixels, over_white
from convolens.media.showing import Drawn

Result = TypeVar("Result", bound="Predicted")


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
    """The classes, likeliest first, and their scores: they add up to 1 over all, unless the model is multi-label."""

    labels: tuple[str, ...]
    scores: tuple[float, ...]


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
