"""Create ML's JSON: a list of pictures, each with its annotations; boxes by their centers, in pixels.

    [{"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 8, "height": 4}}]}]
    [{"image": "a.jpg", "annotation": "cat"}]

So are RectLabel's `imagefilename` and `annotation`, and Roboflow's `_annotations.createml.json` in each split. The
program can be told of other units and other corners, which no file says: the defaults are taken. See
https://developer.apple.com/documentation/createml/building-an-object-detector-data-source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED, Gathered, Picture
from convolens.data.dataset import Box, Reading
from convolens.data.files import annotation_files
from convolens.data.json_file import keys_in, read_json, real
from convolens.data.picture_names import FIRST, PictureNames, pictures_of
from convolens.errors import DataError, FileError, FormatError

NAMES = ("image", "imagefilename", "imageFilename", "filename")
MEANT = ("annotations", "annotation")
COORDINATES = ("x", "y", "width", "height")


def recognize(path: Path) -> bool:
    """Whether it is such a JSON file, or a folder with one at its top or in its splits."""
    return next(_json_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The rows of every such file."""
    files = list(_json_files(root))
    if not files:
        raise DataError(f"{root}: need Create ML's JSON, a list of pictures with annotations, found none")
    found = Gathered(root, known)
    for file, split in files:
        try:
            _read(file, split if len(files) > 1 else "", found)
        except FileError as error:
            found.fault(file, "unreadable annotation", str(error))
    pictures = found.pictures.values()
    with_labels = any(picture.labels for picture in pictures) and not any(picture.objects for picture in pictures)
    return found.reading(kind=None if with_labels else "boxes")


def _json_files(path: Path) -> Iterator[tuple[Path, str]]:
    for file, split in annotation_files(path, "*.json"):
        keys = keys_in(file, "[", (*NAMES, *MEANT, "coordinates", "data"))
        if not keys.isdisjoint(NAMES) and ("coordinates" in keys or "annotation" in keys) and "data" not in keys:
            yield file, split


def _read(file: Path, split: str, found: Gathered) -> None:
    content = read_json(file, "Create ML's annotations")
    if not isinstance(content, list):
        raise FormatError(f"{file}: need a list of pictures, got a {type(content).__name__}")
    finder = pictures_of(file, [_name(row) for row in content[:FIRST]], split)
    for at, row in enumerate(content):
        try:
            found.add(_picture(f"{file}: picture {at}", row, split, finder))
        except ValueError as error:
            found.fault(file, "unreadable annotation", f"{file}: picture {at}: {error}")


def _name(row: Any) -> str:
    names = (row.get(key) for key in NAMES) if isinstance(row, dict) else ()
    return next((name for name in names if isinstance(name, str)), "")


def _picture(where: str, row: Any, split: str, finder: PictureNames) -> Picture:
    name = _name(row)
    told = next((row[key] for key in MEANT if row.get(key) is not None), None) if name else None
    if not name or not isinstance(told, list | str):
        raise ValueError(f"need an image and its annotations, got {short(row)}")
    picture = Picture(finder.path(name), where, split)
    for one in [told] if isinstance(told, str) else told:
        if isinstance(one, str) and one:
            picture.labels.append(one)
        else:
            picture.objects.append(_object(one))
    return picture


def _object(one: Any) -> tuple[str, Box]:
    if not isinstance(one, dict) or not isinstance(one.get("label"), str) or not one["label"]:
        raise ValueError(f"need a label and coordinates, got {short(one)}")
    told = one.get("coordinates")
    if not isinstance(told, dict):
        raise ValueError(f"need coordinates {', '.join(COORDINATES)}, got {short(told)}")
    x, y, width, height = (real(told.get(key), f"{key} as a number") for key in COORDINATES)
    return one["label"], Box(UNNUMBERED, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
