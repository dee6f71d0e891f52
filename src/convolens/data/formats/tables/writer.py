"""A CSV as `reader` describes it: `data.csv`, beside the folder `images`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from convolens.data.dataset import DataSet
from convolens.data.format import Placed
from convolens.data.text import need_plain, number
from convolens.errors import DataError

SEPARATORS = (";", "|")  # between labels, for readers


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """A row for each picture, or for each of its boxes."""
    for name in data.class_names:
        need_plain(name, "a class", data.root)
        if data.kind == "labels" and any(mark in name for mark in SEPARATORS):
            raise DataError(f"{data.root}: need class names without ; and | for several in a cell, got {name!r}")
    with_split = any(one.example.split for one in pictures)
    head = {
        "label": ["path", "label"],
        "labels": ["path", "labels"],
        "boxes": ["path", "label", "x1", "y1", "x2", "y2"],
    }
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(head[data.kind] + ["split"] * with_split)
        for one in pictures:
            need_plain(one.name, "a picture", one.example.file)
            for cells in _rows(one, data):
                rows.writerow([one.name, *cells, *[one.example.split] * with_split])


def _rows(one: Placed, data: DataSet) -> Iterator[list[str]]:
    if data.kind != "boxes":
        cell = SEPARATORS[0].join(data.class_names[label] for label in one.example.labels)
        alone = data.kind == "labels" and " " in cell and SEPARATORS[0] not in cell
        yield [cell + SEPARATORS[0] if alone else cell]  # else readers may take the blanks to separate labels
        return
    for box in one.example.boxes:
        yield [data.class_names[box.label], *map(number, box.xyxy)]
    if not one.example.boxes:
        yield [""] * 5
