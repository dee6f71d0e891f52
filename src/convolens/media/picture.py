"""A picture and what came with it; several of one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from convolens.memory import need_memory


@dataclass(frozen=True)
class Picture:
    """Pixels and what came with them: what a command that reads one file and writes another carries through."""

    pixels: NDArray[Any]  # (H, W), (H, W, 3) or (H, W, 4); uint8 or uint16
    icc: bytes | None = None  # the colour profile
    exif: bytes | None = None  # camera, date, place; its orientation is already applied, and says so
    xmp: bytes | None = None  # what editors and catalogues say; its orientation the same
    dpi: tuple[float, float] | None = None  # pixels an inch, across and down
    texts: tuple[tuple[str, str], ...] = ()  # of a PNG: keyword and text
    comment: bytes | None = None  # of a JPEG or GIF
    others: tuple[str, ...] = ()  # what else it holds that is not carried, in words

    def with_pixels(self, pixels: NDArray[Any]) -> Picture:
        """The same profile and metadata around other pixels."""
        return replace(self, pixels=pixels)

    def changed(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Picture:
        """The same around what a change makes of the pixels."""
        need_memory(2 * self.pixels.nbytes, "picture", "make it smaller")
        return self.with_pixels(change(self.pixels))


def texts_with_comment(picture: Picture) -> tuple[tuple[str, str], ...]:
    """As a PNG has them: a comment is a text of that name, unless there is one."""
    if not picture.comment or "Comment" in dict(picture.texts):
        return picture.texts
    return (*picture.texts, ("Comment", picture.comment.decode("utf-8", "replace")))


@dataclass(frozen=True)
class Pages:
    """The pages of a document or the frames of an animation."""

    pictures: list[Picture]
    durations: list[int] = field(default_factory=list)  # milliseconds that each frame is shown; 0 or none of a page
    plays: int = 0  # how often an animation is shown, 0 for ever

    def changed(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Pages:
        """Each picture with its pixels changed, shown as long."""
        return replace(self, pictures=[one.changed(change) for one in self.pictures])
