"""labelme's JSON beside each picture, and `labels.txt`, which lists the classes for `labelme --labels`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convolens.data.dataset import Box, DataSet, Example
from convolens.data.format import Placed, split_name
from convolens.data.text import need_plain

VERSION = "5.5.0"  # of labelme, whose files have been so since


def place(example: Example, name: str, class_names: tuple[str, ...]) -> str:
    """In the folder itself, or in that of the split."""
    return f"{split_name(example.split)}/{name}" if example.split else name


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """A file for each picture."""
    names = [need_plain(name, "a class", data.root) for name in data.class_names]
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    for one in pictures:
        file = (folder / one.name).with_suffix(".json")
        with file.open("w", encoding="utf-8") as stream:
            json.dump(_content(data, one), stream, indent=1)


def _content(data: DataSet, one: Placed) -> dict[str, Any]:
    width, height = one.size
    return {
        "version": VERSION,
        "flags": _flags(data, one.example),
        "shapes": [shape for at, box in enumerate(one.example.boxes) for shape in _shapes(box, data.class_names, at)],
        "imagePath": one.name.rpartition("/")[2],
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _flags(data: DataSet, example: Example) -> dict[str, bool]:
    """Of one label, that alone; of any number, every class."""
    if data.kind == "boxes":
        return {}
    names = enumerate(data.class_names)
    return {name: at in example.labels for at, name in names if data.kind == "labels" or at in example.labels}


def _shapes(box: Box, names: Sequence[str], at: int) -> Iterator[dict[str, Any]]:
    """One shape, or one for each part, which share a group."""
    more: dict[str, Any] = {"group_id": at if len(box.outlines) > 1 else None, "description": "", "flags": {}}
    more |= {"difficult": True} if box.difficult else {}
    more |= {"score": float(box.score)} if box.score is not None else {}
    x1, y1, x2, y2 = map(float, box.xyxy)
    shapes = [("polygon", list(zip(part[::2], part[1::2], strict=True))) for part in box.outlines]
    for kind, points in shapes or [("rectangle", [(x1, y1), (x2, y2)])]:
        yield {"label": names[box.label], "points": points, "shape_type": kind, **more}
