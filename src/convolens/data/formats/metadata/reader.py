"""Hugging Face's `metadata.jsonl` beside pictures: `file_name`, and `objects` or a label.

    {"file_name": "a.jpg", "objects": {"bbox": [[10, 10, 40, 30]], "categories": ["cat"]}}     boxes x, y, width, height
    {"file_name": "b.jpg", "label": "cat"}

A `metadata.csv` is read as other tables are. Numbers for classes stay numbers, with a word: their names are in no file.
See https://huggingface.co/docs/datasets/image_dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED, Gathered, Picture
from convolens.data.dataset import Box, Reading
from convolens.data.files import claimed_size, ends_of_file, read_text, split_folders
from convolens.data.json_file import real
from convolens.data.picture_names import FIRST, PictureNames, pictures_near
from convolens.errors import DataError, FileError

SUFFIX = ".jsonl"
NAMES = ("file_name", "image", "image_path", "file", "path")
LABELS = ("label", "labels", "class", "category", "target")
CLASSES = ("categories", "category", "labels", "label", "category_id")  # beside `bbox`


def recognize(path: Path) -> bool:
    """Whether it is such a file, or a folder with a `metadata.jsonl` at its top or in its splits."""
    return next(_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The lines of every such file."""
    files = list(_files(root))
    if not files:
        raise DataError(f"{root}: need metadata.jsonl, found none")
    found = Gathered(root, known)
    for file, split in files:
        try:
            _read(file, split, found)
        except FileError as error:
            found.fault(file, "unreadable annotation", str(error))
    return found.reading()


def column(root: Path, name: str) -> dict[Path, str]:
    """What a field says of each picture.

    Raises:
        DataError: a line has no such field, or none with a text or a number.
    """
    found: dict[Path, str] = {}
    for file, split in _files(root):
        rows = list(_rows(file, lambda at, error: None))
        finder = pictures_near(file.parent, [_name(row) for _, row in rows[:FIRST]], split=split)
        for at, row in rows:
            value = row.get(name)
            if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
                raise DataError(f"{file}: line {at}: need a text or a number as {name!r}, got {short(value)}")
            found[finder.path(_name(row))] = str(value)
    return found


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        files = [(path, "")] if path.suffix.lower() == SUFFIX else []
    else:
        files = [(folder / f"metadata{SUFFIX}", split) for split, folder in [("", path), *split_folders(path)]]
    for file, split in files:
        if file.is_file() and any(f'"{name}"'.encode() in ends_of_file(file) for name in NAMES):
            yield file, split


def _read(file: Path, split: str, found: Gathered) -> None:
    def tell(at: int, error: Exception) -> None:
        found.fault(file, "unreadable row", f"{file}: line {at}: {error}")

    rows = list(_rows(file, tell))
    finder = pictures_near(file.parent, [_name(row) for _, row in rows[:FIRST]], split=split)
    for at, row in rows:
        try:
            found.add(_picture(f"{file}: line {at}", row, split, finder))
        except ValueError as error:
            tell(at, error)
    if any(name.isdigit() for one in found.pictures.values() for name in (*one.labels, *(n for n, _ in one.objects))):
        found.note(file, "codes for classes", f"{file}: has numbers for classes, and no names")


def _rows(file: Path, tell: Callable[[int, Exception], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines that can be read, with their numbers; of others it is told what is wrong."""
    for at, line in enumerate(read_text(file, "metadata").splitlines(), start=1):
        if line.strip():
            try:
                yield at, _row(line)
            except (ValueError, RecursionError) as error:
                tell(at, error)


def _row(line: str) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict) or not _name(row):
        raise ValueError(f"need an object with file_name, got {line:.60}")
    return row


def _name(row: dict[str, Any]) -> str:
    return next((row[name] for name in NAMES if isinstance(row.get(name), str)), "")


def _picture(where: str, row: dict[str, Any], split: str, finder: PictureNames) -> Picture:
    picture = Picture(finder.path(_name(row)), where, split, claimed_size(row.get("width"), row.get("height")))
    told = row.get("objects")
    if told is not None:
        picture.objects = list(_objects(told))
        return picture
    key = next((name for name in LABELS if row.get(name) is not None), "")
    if not key:
        raise ValueError(f"need objects or a label, got {', '.join(row)}; a text says nothing of classes")
    picture.labels = [_class(one) for one in (row[key] if isinstance(row[key], list) else [row[key]])]
    return picture


def _objects(told: Any) -> Iterator[tuple[str, Box]]:
    """Columns of boxes and classes, or a list of objects with both."""
    if isinstance(told, list) and all(isinstance(one, dict) for one in told):
        told = {key: [one.get(key) for one in told] for key in dict.fromkeys(key for one in told for key in one)}
    if told == {}:
        return
    if not isinstance(told, dict) or not isinstance(told.get("bbox"), list):
        raise ValueError(f"need objects with bbox and categories, got {short(told)}")
    names = next((told[key] for key in CLASSES if isinstance(told.get(key), list)), None)
    if names is None or len(names) != len(told["bbox"]):
        raise ValueError(f"need as many categories as boxes, {len(told['bbox'])}, got {short(names)}")
    for name, box in zip(names, told["bbox"], strict=True):
        if not isinstance(box, list) or len(box) != 4:
            raise ValueError(f"need a bbox of four numbers, got {short(box)}")
        x, y, width, height = (real(value, "a bbox of four numbers") for value in box)
        yield _class(name), Box(UNNUMBERED, (x, y, x + width, y + height))


def _class(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"need a class as a text or a number, got {short(value)}")
    return str(value)
