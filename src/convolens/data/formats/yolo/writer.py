"""YOLO: `images`, `labels` with a text file for each picture, and `data.yaml`, which names classes and splits.

Fractions have as many decimals as readers need to find the pixels again to a millionth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from convolens.data.dataset import Box, DataSet
from convolens.data.format import Placed, split_name
from convolens.data.text import DECIMALS, need_plain
from convolens.errors import DataError

Size = tuple[int, int]


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """A line `class x y width height` for each box."""
    _write(folder, data, pictures, _box)


def write_outlines(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """A line `class x1 y1 x2 y2 x3 y3 …` for each object."""
    _write(folder, data, pictures, _outline)


def _write(
    folder: Path, data: DataSet, pictures: Sequence[Placed], numbers: Callable[[Box, Size], Iterable[float]]
) -> None:
    if not data.class_names:
        raise DataError(f"{data.root}: need a class for YOLO's description, got data without any")
    for name in data.class_names:
        need_plain(name, "a class", data.root)
    made: set[Path] = set()
    for one in pictures:
        text = (folder / "labels" / one.name.removeprefix("images/")).with_suffix(".txt")
        if text.parent not in made:
            text.parent.mkdir(parents=True, exist_ok=True)
            made.add(text.parent)
        decimals = DECIMALS + 1 + len(str(max(one.size)))
        lines = "".join(
            f"{box.label} {' '.join(_decimal(value, decimals) for value in numbers(box, one.size))}\n"
            for box in one.example.boxes
        )
        with text.open("w", encoding="ascii") as stream:
            stream.write(lines)
    splits = [split for split in ("train", "validation", "test") if any(p.example.split == split for p in pictures)]
    places = "".join(f"{split_name(split)}: images/{split_name(split)}\n" for split in splits)
    names = "".join(f"  {n}: {json.dumps(name, ensure_ascii=False)}\n" for n, name in enumerate(data.class_names))
    description = f"{places}nc: {len(data.class_names)}\nnames:\n{names}"
    (folder / "data.yaml").write_text(description, encoding="utf-8")


def _decimal(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def _box(box: Box, size: Size) -> Iterable[float]:
    x1, y1, x2, y2 = map(float, box.xyxy)
    width, height = size
    return (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height


def _outline(box: Box, size: Size) -> Iterable[float]:
    (points,) = box.outlines
    return (value / size[at % 2] for at, value in enumerate(points))
