"""YOLO's text files: `class x y width height` a line, the center and size as fractions of the picture's.

A line of more points, `class x1 y1 x2 y2 x3 y3 …`, is an outline or a rotated box; its upright box is taken. Behind
`kpt_shape` in `data.yaml`, key points follow the box. Fractions become pixels, so every picture's header is read.

A picture without a text file shows nothing, as one with an empty file does: that is how the format says it. As a file
that is not found looks the same, it is said how many have none, and data in which none has one is refused.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading, Skipped
from convolens.data.files import listed, no_picture, read_text
from convolens.data.formats.yolo.description import DARKNET, LISTS, NAMES, Description, described, description_in
from convolens.data.formats.yolo.labels import TextFiles, parsed_line, points_in
from convolens.data.text import tidy
from convolens.errors import DataError, FileError
from convolens.media.images import read_header
from convolens.media.picture_files import is_picture

NO_PICTURES = (".txt", ".yaml", ".yml", ".cache", ".data", ".names", ".npy")  # lie among them and need no word


def recognize(path: Path) -> bool:
    """Whether it is a `.yaml`, `.data` or `classes.txt`, or a folder with such a description in it."""
    if path.is_dir():
        return description_in(path) is not None
    return path.name in LISTS or path.suffix.lower() in (".yaml", ".yml", DARKNET)


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """Pictures and the text file of each; `labels.TextFiles` says where that may be."""
    path = root if root.is_file() else description_in(root)
    if path is None:
        raise DataError(f"{root}: need one of {', '.join(NAMES)}, found none")
    description = described(path)
    reader = _Reader(description, known or tuple(description.names.values()), outlines)
    for split, place in description.places:
        reader.read(place, split)
    reader.close(root)
    data = DataSet(root, reader.names, tuple(reader.examples), "boxes", tuple(reader.skipped))
    return Reading(data, tuple(reader.faults), notes=tuple(reader.notes))


class _Reader:
    """Goes through pictures and gathers examples."""

    def __init__(self, description: Description, names: tuple[str, ...], outlines: bool) -> None:
        self.description, self.own, self.names = description, description.names, names
        self.outlines = outlines
        self.texts = TextFiles(description.path)
        self.examples: list[Example] = []
        self.skipped: list[Skipped] = []
        self.faults: list[Fault] = []
        self.notes: list[Fault] = list(description.notes)
        self.without_text: list[Path] = []
        for name in self.own.values():
            if name not in names:
                sentence = f"{description.path}: need names like the model's classes ({listed(names)}), got {name!r}"
                self.faults.append(Fault(description.path, "unknown class", sentence))

    def read(self, place: Path, split: str) -> None:
        before = len(self.examples) + len(self.skipped)
        for name in self.description.pictures(place):
            if not is_picture(name):
                if not name.lower().endswith(NO_PICTURES):
                    self.skipped.append(no_picture(name))
                continue
            path = Path(name)
            try:
                size = read_header(path).size
            except FileError as error:
                self.skipped.append(Skipped(path, str(error)))
                continue
            boxes = tuple(self._boxes(path, size))
            self.examples.append(Example(path, tuple(sorted({box.label for box in boxes})), boxes, split, None))
        if split and len(self.examples) + len(self.skipped) == before:
            sentence = f"{self.description.path}: names the {split} pictures {place}, found none there"
            self.notes.append(Fault(place, "absent split", sentence))

    def close(self, root: Path) -> None:
        """Says which pictures have no text; if it is all of them, their texts are somewhere else."""
        if self.without_text and len(self.without_text) == len(self.examples):
            sentence = (
                f"{root}: need text files with boxes in a folder labels beside images, or beside the pictures, found "
                f"none for its {len(self.examples):,} pictures; one that shows nothing has an empty file"
            )
            self.faults.append(Fault(root, "no annotations", sentence))
            return
        for path in self.without_text:
            self.notes.append(Fault(path, "no text file", f"{path}: has no text file, and is taken to show nothing"))

    def _boxes(self, picture: Path, size: tuple[int, int]) -> Iterator[Box]:
        path = self.texts.of(picture)
        if path is None:
            self.without_text.append(picture)
            return
        try:
            lines = read_text(path, "YOLO's boxes").splitlines()
        except FileError as error:
            self.faults.append(Fault(path, "unreadable annotation", str(error)))
            return
        for at, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                number, fractions = parsed_line(line, self.description.keypoints)
            except ValueError as error:
                self._fault(path, "unreadable annotation", f"line {at}: {error}")
                continue
            if number not in self.own:
                self._fault(path, "unknown class", f"line {at}: need a class of {_numbers(self.own)}, got {number}")
            elif self.own[number] in self.names:
                x1, y1, x2, y2 = fractions
                width, height = size
                corners = (tidy(x1 * width), tidy(y1 * height), tidy(x2 * width), tidy(y2 * height))
                yield Box(self.names.index(self.own[number]), corners, outlines=self._outlines(line, size))

    def _outlines(self, line: str, size: tuple[int, int]) -> tuple[array[float], ...]:
        points = points_in(line, self.description.keypoints) if self.outlines else []
        return (array("d", (tidy(value * size[at % 2]) for at, value in enumerate(points))),) if points else ()

    def _fault(self, path: Path, kind: str, sentence: str) -> None:
        self.faults.append(Fault(path, kind, f"{path}: {sentence}"))


def _numbers(names: dict[int, str]) -> str:
    """The numbers that classes have, `0 to 79`, or each where some are left out."""
    numbers = list(names)
    if numbers == list(range(len(numbers))):
        return f"0 to {len(numbers) - 1}"
    return listed([str(number) for number in numbers])
