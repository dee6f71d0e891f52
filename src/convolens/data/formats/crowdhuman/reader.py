"""CrowdHuman's `.odgt`: a line of JSON for each picture, `{"ID": "273271,c9db000d5146c15", "gtboxes": [...]}`.

The full boxes (`fbox`) are taken, as the data's own measure does; they reach beyond the picture where a person does.
Visible and head boxes are passed over with a word. What is marked `ignore`, and the tag `mask`, are crowds of
persons. Shao et al., "CrowdHuman: A Benchmark for Detecting Human in a Crowd", 2018;
https://www.crowdhuman.org/download.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import UNNUMBERED, Gathered, Picture
from convolens.data.dataset import Box, Reading
from convolens.data.files import annotation_files, read_text
from convolens.data.json_file import real
from convolens.data.picture_names import FIRST, PictureNames, pictures_of
from convolens.errors import DataError, FileError

SUFFIX = ".odgt"
MASK, PERSON = "mask", "person"
OTHER_BOXES = ("vbox", "hbox")


def recognize(path: Path) -> bool:
    """Whether it is a `.odgt` file, or a folder with one at its top or in its splits."""
    return next(_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The lines of every such file."""
    files = list(_files(root))
    if not files:
        raise DataError(f"{root}: need CrowdHuman's .odgt, found none")
    found = Gathered(root, known)
    for file, split in files:
        try:
            _read(file, split if len(files) > 1 else "", found)
        except FileError as error:
            found.fault(file, "unreadable annotation", str(error))
    return found.reading(kind="boxes")


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    return (one for one in annotation_files(path, f"*{SUFFIX}") if one[0].suffix.lower() == SUFFIX)


def _read(file: Path, split: str, found: Gathered) -> None:
    rows = []
    for at, line in enumerate(read_text(file, "CrowdHuman's boxes").splitlines(), start=1):
        if line.strip():
            try:
                rows.append((at, _row(line)))
            except (ValueError, RecursionError) as error:
                found.fault(file, "unreadable row", f"{file}: line {at}: {error}")
    finder = pictures_of(file, [row["ID"] for _, row in rows[:FIRST]], split)
    others: set[str] = set()
    for at, row in rows:
        try:
            found.add(_picture(f"{file}: line {at}", row, split, finder, others))
        except ValueError as error:
            found.fault(file, "unreadable row", f"{file}: line {at}: {error}")
    if others:
        told = " and ".join(sorted(others))
        found.note(file, "other boxes", f"{file}: takes the full boxes (fbox), and passes over {told}")


def _row(line: str) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict) or not isinstance(row.get("ID"), str) or not row["ID"]:
        raise ValueError(f"need an object with ID and gtboxes, got {line:.60}")
    return row


def _picture(where: str, row: dict[str, Any], split: str, finder: PictureNames, others: set[str]) -> Picture:
    picture = Picture(finder.path(row["ID"]), where, split)
    boxes = row.get("gtboxes") or []
    if not isinstance(boxes, list):
        raise ValueError(f"need a list of gtboxes, got {short(boxes)}")
    for one in boxes:
        picture.objects.append(_object(one))
        others.update(name for name in OTHER_BOXES if name in one)
    return picture


def _object(one: Any) -> tuple[str, Box]:
    if not isinstance(one, dict) or not isinstance(one.get("tag"), str) or not isinstance(one.get("fbox"), list):
        raise ValueError(f"need a tag and fbox, got {short(one)}")
    if len(one["fbox"]) != 4:
        raise ValueError(f"need an fbox of four numbers, got {short(one['fbox'])}")
    x, y, width, height = (real(value, "an fbox of four numbers") for value in one["fbox"])
    extra = one.get("extra")
    ignored = one["tag"] == MASK or (isinstance(extra, dict) and extra.get("ignore") == 1)
    tag = PERSON if one["tag"] == MASK else one["tag"]
    return tag, Box(UNNUMBERED, (x, y, x + width, y + height), crowd=ignored)
