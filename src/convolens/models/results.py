"""What models predict: results that know their picture, show themselves and are plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, TypeVar

from jaxtyping import UInt8
from numpy import ndarray

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
