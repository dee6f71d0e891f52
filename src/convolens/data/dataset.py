"""One data model for every format and every task: examples, each a picture file with its labels and boxes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from convolens.arrays import Real
from convolens.errors import ArgumentError, DataError, did_you_mean
from convolens.media.found_pictures import File
from convolens.sources import Stored

Kind = Literal["label", "labels", "boxes"]
SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Box:
    """One object.

    Attributes:
        label: the number of its class.
        xyxy: `(x1, y1, x2, y2)` in pixels of the upright picture.
        area: of the object itself, where the annotations say so (COCO's masks); None takes the box's.
        crowd: COCO's: a region with many objects, the box of none. Nothing is learned of it, and what is found in it is
            neither right nor wrong.
        difficult: VOC's: learned, but when a detector is measured neither wanted nor wrong.
        truncated: VOC's: part of the object is outside the picture.
        score: of a prediction, from 0 to 1.
        outlines: of the object's parts, each `x1, y1, x2, y2, x3, y3, …` in pixels, 8 bytes a number; only where they
            were asked for.
    """

    label: int
    xyxy: tuple[Real, Real, Real, Real]
    area: Real | None = None
    crowd: bool = False
    difficult: bool = False
    truncated: bool = False
    score: Real | None = None
    outlines: tuple[array[float], ...] = field(default=(), hash=False)


@dataclass(frozen=True, slots=True)
class Example:
    """A picture file and what is known about it.

    Attributes:
        path: the file; or what is one in a store, a shard or a table.
        labels: numbers of the classes that it shows, each once; with boxes, those of its objects.
        boxes: where they are; empty where nothing is, and in data without boxes.
        split: `train`, `validation` or `test`, where the data says so itself; otherwise empty.
        size: `(width, height)` that the annotations claim, where they do.
        id: the annotations' own name for it, where they have one: a number, or a text.
    """

    path: File
    labels: tuple[int, ...]
    boxes: tuple[Box, ...] = ()
    split: str = ""
    size: tuple[int, int] | None = None
    id: int | str | None = None

    @property
    def file(self) -> Path:
        """The picture's path, for what needs a file of this machine.

        Raises:
            DataError: it is in a store, a shard or a table.
        """
        if isinstance(self.path, Stored):
            raise DataError(f"{self.path}: need a file of this machine, got one in a store or a shard; bring it here")
        return self.path

    @property
    def objects(self) -> tuple[Box, ...]:
        """The boxes of one object each: all but crowds."""
        return tuple(box for box in self.boxes if not box.crowd)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was passed over, and why."""

    path: File
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the data that is wrong, or worth a word: its kind in a word or two, and the sentence."""

    path: File
    kind: str
    sentence: str


@dataclass(frozen=True)
class DataSet:
    """What a network can learn from or be measured on.

    Attributes:
        root: the file or folder that it was read from; what stands for it in a store.
        class_names: a name for each number.
        examples: in the data's own order, which for folders is alphabetical.
        kind: `label`: one for each example; `labels`: any number; `boxes`: any number of boxes.
        skipped: files passed over while reading the names.
        class_ids: the annotations' own numbers of the classes, where they are others than 0, 1, 2, …; COCO's have gaps.
    """

    root: File
    class_names: tuple[str, ...]
    examples: tuple[Example, ...]
    kind: Kind
    skipped: tuple[Skipped, ...] = ()
    class_ids: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def folder(self) -> Path:
        """The folder that it was read from, or that its file is in, for what needs one of this machine.

        Raises:
            DataError: it is in a store.
        """
        if isinstance(self.root, Stored):
            raise DataError(f"{self.root}: need data of this machine, got some in a store or in shards; bring it here")
        return self.root if self.root.is_dir() else self.root.parent

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the data itself is cut into: some of train, validation, test; empty where it says nothing."""
        named = {example.split for example in self.examples}
        return tuple(name for name in SPLIT_NAMES if name in named)

    def split(self, name: str) -> DataSet:
        """The examples of one of `splits`.

        Raises:
            DataError: there is no such split.
            ArgumentError: no name.
        """
        if not isinstance(name, str):
            raise ArgumentError(f"split: need a name, got {name!r:.60}")
        chosen = [example for example in self.examples if example.split == name]
        if not chosen:
            got = ", ".join(self.splits) or "data without splits"
            raise DataError(f"{self.root}: need a split {name!r}, got {got}{did_you_mean(name, self.splits)}")
        return self.having(chosen)

    def having(self, examples: Iterable[Example]) -> DataSet:
        """The same classes with other examples."""
        return replace(self, examples=tuple(examples))


@dataclass(frozen=True)
class Reading:
    """What a reader found: the data, what in it contradicts itself, and what is used nonetheless but worth a word."""

    data: DataSet
    faults: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()
    format: str = ""  # its name among `FORMATS`


def need_one_label(data: DataSet) -> None:
    """Raises a `DataError` that names the first example which shows no class, or several."""
    for example in data.examples:
        if len(example.labels) != 1:
            names = ", ".join(data.class_names[label] for label in example.labels) or "none"
            raise DataError(f"{example.path}: need one class, got {names}")


def box_fault(box: Box) -> tuple[str, str] | None:
    """What makes a box useless whatever the picture: the kind of fault in a word or two, and the numbers.

    >>> box_fault(Box(0, (1, 2, 3, 4))) is None
    True
    >>> box_fault(Box(0, (3, 2, 1, 4)))
    ('inverted box', 'need x1 < x2 and y1 < y2, got (3, 2, 1, 4)')
    """
    x1, y1, x2, y2 = box.xyxy
    shown = "(" + ", ".join(f"{value:g}" for value in box.xyxy) + ")"
    if not all(map(math.isfinite, box.xyxy)):
        return "box without numbers", f"need finite numbers, got {shown}"
    if x2 < x1 or y2 < y1:
        return "inverted box", f"need x1 < x2 and y1 < y2, got {shown}"
    if x1 == x2 or y1 == y2:
        return "box without area", f"need x1 < x2 and y1 < y2, got {shown}"
    return None
