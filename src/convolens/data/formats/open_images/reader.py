"""Open Images' CSV: a row for each box, in fractions of the picture. See https://storage.googleapis.com/openimages/web/.

`LabelName` is a code; its name is in `class-descriptions*.csv`, or `classes.csv`, without a head line, beside the boxes
or in `metadata` beside their folder; without one the codes are the classes, with a word. A group of objects
(`IsGroupOf`) is a crowd. The split is of the file's name or its folder's. Every picture's header is read, as fractions
become pixels. A picture without objects has no row, and so is not in the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from convolens.data.by_name import UNNUMBERED, Gathered, Picture
from convolens.data.csv_file import Lines, first_lines, read_lines
from convolens.data.dataset import Box, Reading
from convolens.data.files import folders_in, split_folders, split_in
from convolens.data.picture_names import PictureNames, pictures_of
from convolens.errors import DataError, FileError
from convolens.media.images import read_header
from convolens.media.picture_files import is_left_out

CORNERS = ("XMin", "YMin", "XMax", "YMax")
NEEDED = ("ImageID", "LabelName", *CORNERS)
DESCRIPTIONS = ("class-descriptions", "classes.csv")  # in names of files with the classes' names
INSIDE = ("labels", "metadata", "annotations")  # folders that FiftyOne and others put these into


def recognize(path: Path) -> bool:
    """Whether it is such a file, or a folder with one at its top, in `labels`, or in its splits."""
    return next(_box_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The boxes of every such file."""
    files = list(_box_files(root))
    if not files:
        raise DataError(f"{root}: need a CSV with {', '.join(NEEDED)}, found none")
    found = Gathered(root, known)
    names: dict[str, str] = {}
    for file, split in files:
        described = _descriptions(file)
        names |= described
        if not described:
            found.note(file, "codes for classes", f"{file}: has codes for classes and no class-descriptions.csv beside")
        _File(file, split if len(files) > 1 else "", names, found).read()
    return found.reading(kind="boxes")


def _box_files(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        places = [("", [path])]
    else:
        folders = [("", path), *split_folders(path)]
        folders += [(split, one) for split, folder in folders for one in folders_in(folder) if one.name in INSIDE]
        places = [(split, sorted(folder.glob("*.csv"))) for split, folder in folders]
    for split, files in places:
        for file in files:
            if not is_left_out(file.name) and (lines := first_lines(file)) and set(NEEDED) <= set(lines[0][1]):
                yield file, split or split_in(file.stem)


def _descriptions(file: Path) -> dict[str, str]:
    """The classes' names by their codes."""
    folders = [file.parent, file.parent.parent / "metadata"]
    tables = (path for folder in folders for path in sorted(folder.glob("*.csv")))
    files = [path for path in tables if any(part in path.name for part in DESCRIPTIONS)]
    return {line[0]: line[1] for _, line in read_lines(files[0]) if len(line) == 2 and line[1]} if files else {}


class _File:
    """One file on its way to pictures."""

    def __init__(self, path: Path, split: str, names: dict[str, str], found: Gathered) -> None:
        self.path, self.split, self.names, self.found = path, split, names, found
        self.pictures: dict[str, Picture] = {}

    def read(self) -> None:
        """Adds its pictures in the order of their first rows."""
        (_, head), *lines = read_lines(self.path)
        at_name = head.index("ImageID")
        finder = self._finder(lines, at_name)
        for number, line in lines:
            try:
                if len(line) != len(head):
                    raise ValueError(f"need {len(head)} columns, got {line!r:.60}")
                self._add(dict(zip(head, line, strict=True)), number, finder)
            except (ValueError, FileError) as error:
                self.found.fault(self.path, "unreadable row", f"{self.path}: line {number}: {error}")
        for picture in self.pictures.values():
            self.found.add(picture)

    def _finder(self, lines: Lines, at_name: int) -> PictureNames:
        first = list(dict.fromkeys(line[at_name] for _, line in lines[:100] if at_name < len(line)))
        near = pictures_of(self.path, first, self.split)
        beside = self.path.parent.parent / "data"  # FiftyOne's, beside labels
        return PictureNames([*map(Path, near.places), beside])

    def _add(self, row: dict[str, str], number: int, finder: PictureNames) -> None:
        name = row["ImageID"]
        if name not in self.pictures:
            path = finder.path(name)
            self.pictures[name] = Picture(path, f"{self.path}: line {number}", self.split, read_header(path).size)
        picture = self.pictures[name]
        x1, y1, x2, y2 = _fractions(row)
        width, height = picture.size or (0, 0)
        box = (x1 * width, y1 * height, x2 * width, y2 * height)
        label = self.names.get(row["LabelName"], row["LabelName"])
        if not label:
            raise ValueError("need a LabelName, got none")
        crowd, truncated = (row.get(mark) == "1" for mark in ("IsGroupOf", "IsTruncated"))
        picture.objects.append((label, Box(UNNUMBERED, box, crowd=crowd, truncated=truncated)))


def _fractions(row: dict[str, str]) -> Sequence[float]:
    try:
        return [float(row[name]) for name in CORNERS]
    except ValueError:
        raise ValueError(f"need four fractions, got {', '.join(row[name] for name in CORNERS)}") from None
