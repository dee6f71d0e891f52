"""VisDrone's pictures of streets from above: `annotations/NAME.txt` for each of `images/NAME.jpg`.

A line is `left,top,width,height,score,category,truncation,occlusion`. A score of 0 marks what is not measured: regions
with many objects, and others than the ten classes. Each becomes a crowd of every class: nothing is learned of it, and
what is found in it is neither right nor wrong. Occlusion has no place here. Zhu et al., "Detection and Tracking Meet
Drones Challenge", 2021; https://github.com/VisDrone/VisDrone2018-DET-toolkit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from convolens.data.by_name import UNNUMBERED, Gathered, Picture
from convolens.data.dataset import Box, Reading
from convolens.data.files import folders_in, folders_inside, read_text, split_in
from convolens.data.picture_names import PictureNames, pictures_near
from convolens.errors import DataError, FileError
from convolens.media.picture_files import is_left_out

CLASSES = (
    "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus", "motor",
)  # fmt: skip
OTHERS = "others"  # category 11; 0 are regions
COLUMNS = 8
LINE = re.compile(r"(-?\d+,){7}-?\d+,?")
FIRST = 20  # files by which a folder is known; most pictures show something


def recognize(path: Path) -> bool:
    """Whether it is a folder with such texts in `annotations`, or with such folders of splits."""
    return path.is_dir() and any(_looks_right(folder) for folder, _ in _folders(path))


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The boxes of every text file."""
    if not root.is_dir():
        raise DataError(f"{root}: need VisDrone's folder with annotations and images, got a file")
    found = Gathered(root, known)
    for folder, split in _folders(root):
        finder = pictures_near(folder, split=split)
        for file in _texts(folder):
            try:
                found.add(_picture(file, split, finder, found))
            except (FileError, ValueError) as error:
                sentence = str(error) if isinstance(error, FileError) else f"{file}: {error}"
                found.fault(file, "unreadable annotation", sentence)
    if not found.pictures and not found.faults:
        raise DataError(f"{root}: need VisDrone's annotations/*.txt beside images, found none")
    return found.reading(CLASSES, "boxes")


def _folders(root: Path) -> Iterator[tuple[Path, str]]:
    """Folders of annotations, each with its split, as `VisDrone2019-DET-train` tells it."""
    for base, split in [(root, ""), *((inner, split_in(inner.name)) for inner in folders_in(root))]:
        for folder in folders_inside(base):
            if folder.name.lower() == "annotations":
                yield folder, split


def _texts(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.txt") if not is_left_out(file.name))


def _looks_right(folder: Path) -> bool:
    for file in _texts(folder)[:FIRST]:
        try:
            with file.open("rb") as stream:
                line = stream.readline(200).strip()
        except OSError:
            return False
        if line:
            return LINE.fullmatch(line.decode("ascii", "replace")) is not None
    return False


def _picture(file: Path, split: str, finder: PictureNames, found: Gathered) -> Picture:
    picture = Picture(finder.path(file.stem), str(file), split)
    for at, line in enumerate(read_text(file, "VisDrone's boxes").splitlines(), start=1):
        if line.strip():
            try:
                picture.objects += _objects(line)
            except ValueError as error:
                found.fault(file, "unreadable row", f"{file}: line {at}: {error}")
    return picture


def _objects(line: str) -> list[tuple[str, Box]]:
    try:
        x, y, width, height, score, category, truncation, _ = map(int, line.strip().rstrip(",").split(","))
    except ValueError:
        raise ValueError(f"need {COLUMNS} whole numbers, got {line!r:.60}") from None
    corners = (x, y, x + width, y + height)
    if score == 0 or category == 0:
        return [(name, Box(UNNUMBERED, corners, crowd=True)) for name in CLASSES]
    if not 0 < category <= len(CLASSES) + 1:
        raise ValueError(f"need a category of 0 to {len(CLASSES) + 1}, got {category}")
    return [((*CLASSES, OTHERS)[category - 1], Box(UNNUMBERED, corners, truncated=truncation > 0))]
