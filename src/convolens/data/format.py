"""What a format of data is: how it is recognized, read and perhaps written, and what of a data set it carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convolens.data.dataset import DataSet, Example, Reading

# What some formats hold of a data set and others do not. The first three are the kinds of `DataSet.kind`.
Carried = Literal[
    "label", "labels", "boxes",
    "crowds", "difficult", "truncated", "areas", "scores",  # of an object
    "outside",  # what of an object is outside its picture
    "boxes alone",  # without outlines
    "outlines",
    "parts",  # several outlines of an object
    "own boxes",  # beside outlines, and other than around them
    "ids",  # of pictures and classes
    "splits",
    "lone split",  # one that all pictures are of
    "partial splits",  # that some pictures are of
    "classes",  # their order, and those of which there is no object
    "order",  # of pictures
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture of data that is written: what is known of it, and where it is in the new data.

    Attributes:
        example: labels and boxes; its `path` is the picture that was read.
        name: the picture's path in the new folder, with `/`.
        size: `(width, height)` of the upright picture, which boxes are in: from its header, whatever the data claimed.
    """

    example: Example
    name: str
    size: tuple[int, int]


SHORT = {"validation": "val"}  # what folders and files of splits are usually called, where it is not as here


def in_images(example: Example, name: str, class_names: tuple[str, ...]) -> str:
    """Where most formats have a picture: in `images`, or in the folder there that its split has."""
    return f"images/{split_name(example.split)}/{name}" if example.split else f"images/{name}"


def split_name(split: str) -> str:
    """What a split is called in names of files and folders."""
    return SHORT.get(split, split)


@dataclass(frozen=True)
class Format:
    """A format of data.

    Attributes:
        name: in options and messages.
        recognize: whether a path looks like it.
        read: from the path and the class names that must hold, if any; with `outlines=` where `reads_outlines`.
        write: the annotations of pictures, which are in the folder already. It is called with the folder, the data that
            they are of (for its class names and kind) and the pictures, each with what the format carries and nothing
            else. None where the format is only read.
        carries: of a data set.
        place: where in the folder a picture goes: from the example, the path that it has among those of its split, and
            the class names.
        by_stem: whether what is known of a picture is found by its name without the suffix, which must then be its own.
        reads_outlines: whether `read` takes `outlines=True`, which asks for those of objects.
        column: from the path and a column's name, what it says of each picture; None where the format has no columns.
    """

    name: str
    recognize: Callable[[Path], bool]
    read: Callable[..., Reading]
    write: Callable[[Path, DataSet, Sequence[Placed]], None] | None = None
    carries: frozenset[Carried] = frozenset()
    place: Callable[[Example, str, tuple[str, ...]], str] = in_images
    by_stem: bool = False
    reads_outlines: bool = False
    column: Callable[[Path, str], dict[Path, str]] | None = None
