"""COCO's JSON: `annotations/instances_SPLIT.json` beside `images/SPLIT`; without splits `instances.json`.

Row by row, so that a file of a million objects takes no memory. Ids of annotations are numbers from 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from convolens.data.dataset import Box, DataSet
from convolens.data.format import Placed, split_name
from convolens.data.text import tidy
from convolens.errors import DataError


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """A file for each split; a split alone is none, as a file alone is read without one."""
    place = folder / "annotations"
    place.mkdir()
    for split in dict.fromkeys(one.example.split for one in pictures):
        those = [one for one in pictures if one.example.split == split]
        name = f"instances_{split_name(split)}.json" if split else "instances.json"
        with (place / name).open("w", encoding="utf-8") as stream:
            _write(stream, data, those)


def _write(stream: TextIO, data: DataSet, pictures: list[Placed]) -> None:
    ids = _ids(pictures)
    base = len(_folder(pictures[0])) if pictures else 0
    classes = data.class_ids or tuple(range(1, len(data.class_names) + 1))
    categories = ({"id": n, "name": name} for n, name in zip(classes, data.class_names, strict=True))
    images = (
        {"id": n, "file_name": one.name[base:], "width": one.size[0], "height": one.size[1]}
        for n, one in zip(ids, pictures, strict=True)
    )
    stream.write('{\n"images": ')
    _write_rows(stream, images)
    stream.write(',\n"categories": ')
    _write_rows(stream, categories)
    stream.write(',\n"annotations": ')
    _write_rows(stream, _annotations(zip(ids, pictures, strict=True), classes))
    stream.write("\n}\n")


def _folder(one: Placed) -> str:
    return f"images/{split_name(one.example.split)}/" if one.example.split else "images/"


def _write_rows(stream: TextIO, rows: Iterable[dict[str, Any]]) -> None:
    before = "["
    for row in rows:
        stream.write(f"{before}\n{json.dumps(row)}")
        before = ","
    stream.write("[]" if before == "[" else "\n]")


def _ids(pictures: list[Placed]) -> list[int | str]:
    """Each picture's own id, or a number that no other has."""
    own = [one.example.id for one in pictures]
    taken = {str(one) for one in own if one is not None}
    if len(taken) < sum(one is not None for one in own):
        raise DataError(f"{pictures[0].example.path}: need an id of its own for each picture, got one for several")
    free = (n for n in count(1) if str(n) not in taken)
    return [next(free) if one is None else one for one in own]


def _annotations(pictures: Iterable[tuple[int | str, Placed]], classes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    numbers = count(1)
    for picture, one in pictures:
        for box in one.example.boxes:
            yield {"id": next(numbers), "image_id": picture, "category_id": classes[box.label], **_object(box)}


def _object(box: Box) -> dict[str, Any]:
    x1, y1, x2, y2 = map(float, box.xyxy)
    width, height = tidy(x2 - x1), tidy(y2 - y1)
    score = {} if box.score is None else {"score": float(box.score)}
    return {
        "bbox": [x1, y1, width, height],
        "area": width * height if box.area is None else box.area,
        "iscrowd": int(box.crowd),
        "segmentation": [list(part) for part in box.outlines],
        **score,
    }
