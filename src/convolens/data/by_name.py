"""Pictures whose classes are told by name: gathered one by one, and numbered when all are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example, Fault, Kind, Reading
from convolens.data.files import listed

UNNUMBERED = -1  # the class of a box until it is numbered
UNNAMED = "object"  # the class of boxes that none is named for


@dataclass
class Picture:
    """What annotations say of one picture: labels of the whole, and objects, each a class's name and its box."""

    path: Path
    where: str
    split: str = ""
    size: tuple[int, int] | None = None
    id: int | str | None = None
    labels: list[str] = field(default_factory=list)
    objects: list[tuple[str, Box]] = field(default_factory=list)


class Gathered:
    """Pictures in their order, and what is wrong with them or worth a word.

    Args:
        root: of the data.
        known: the class names that must hold, if any.
    """

    def __init__(self, root: Path, known: tuple[str, ...] | None) -> None:
        self.root, self.known = root, known
        self.pictures: dict[Path, Picture] = {}
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []

    def add(self, picture: Picture) -> None:
        """Adds a picture, to itself where it was there already."""
        first = self.pictures.setdefault(picture.path, picture)
        if first is not picture:
            self.note(picture.path, "picture given twice", f"{picture.where}: tells of {picture.path.name!r} again, "
                      "taken as one picture")  # fmt: skip
            first.labels += picture.labels
            first.objects += picture.objects

    def fault(self, path: Path, kind: str, sentence: str) -> None:
        """Something that is wrong; the sentence begins with the file's name."""
        self.faults.append(Fault(path, kind, sentence))

    def note(self, path: Path, kind: str, sentence: str) -> None:
        """Something that is worth a word; the sentence begins with the file's name."""
        self.notes.append(Fault(path, kind, sentence))

    def reading(self, declared: Sequence[str] = (), kind: Kind | None = None) -> Reading:
        """All of it, numbered.

        Args:
            declared: the classes that the data lists, in order; others that occur follow by the alphabet.
            kind: of the data, where it says so; otherwise boxes if there are any, one label if each picture has one.
        """
        pictures = list(self.pictures.values())
        if kind is None and any(picture.objects for picture in pictures):
            kind = "boxes"
        if kind is None:
            kind = "label" if all(len(set(picture.labels)) == 1 for picture in pictures) else "labels"
        names = self.known or _names(pictures, declared, with_boxes=kind == "boxes")
        examples = tuple(
            self._example(picture, {name: at for at, name in enumerate(names)}, kind) for picture in pictures
        )
        return Reading(DataSet(self.root, names, examples, kind), tuple(self.faults), notes=tuple(self.notes))

    def _example(self, picture: Picture, numbers: dict[str, int], kind: Kind) -> Example:
        if kind != "boxes":
            labels = self._numbered(picture, picture.labels, numbers)
            return Example(picture.path, labels, (), picture.split, picture.size, picture.id)
        if picture.labels:
            self.note(picture.path, "label beside boxes", f"{picture.where}: has labels of the whole picture "
                      f"({listed(picture.labels)}), passed over beside boxes")  # fmt: skip
        self._numbered(picture, [name for name, _ in picture.objects], numbers)
        boxes = tuple(replace(box, label=numbers[name]) for name, box in picture.objects if name in numbers)
        labels = tuple(sorted({box.label for box in boxes if not box.crowd}))
        return Example(picture.path, labels, boxes, picture.split, picture.size, picture.id)

    def _numbered(self, picture: Picture, names: Iterable[str], numbers: dict[str, int]) -> tuple[int, ...]:
        for name in names:
            if name not in numbers:
                sentence = f"need labels of the model's classes ({listed(tuple(numbers))}), got {name!r}"
                self.fault(picture.path, "unknown class", f"{picture.where}: {sentence}")
        return tuple(sorted({numbers[name] for name in names if name in numbers}))


def _names(pictures: list[Picture], declared: Sequence[str], *, with_boxes: bool) -> tuple[str, ...]:
    found: set[str] = set()
    for picture in pictures:
        found |= {name for name, _ in picture.objects} if with_boxes else set(picture.labels)
    return (*dict.fromkeys(declared), *sorted(found - set(declared)))
