"""Pascal VOC: `JPEGImages`, `Annotations` with an XML file for each, `ImageSets/Main` with a list for each split.

Corners are written as VOC counts them, from 1 and the last pixel inside; with decimals where a box is not of whole
pixels, which VOC's own are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import escape

from convolens.data.dataset import Box, DataSet, Example
from convolens.data.format import Placed, split_name
from convolens.data.text import need_plain, number, tidy


def place(example: Example, name: str, class_names: tuple[str, ...]) -> str:
    """In one folder for all: VOC has none within."""
    return f"JPEGImages/{name.replace('/', '_')}"


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """An XML file for each picture."""
    (folder / "Annotations").mkdir()
    names = [escape(need_plain(name, "a class", data.root)) for name in data.class_names]
    lists: dict[str, list[str]] = defaultdict(list)
    for one in pictures:
        name = PurePosixPath(need_plain(one.name, "a picture", one.example.file))
        with (folder / "Annotations" / f"{name.stem}.xml").open("w", encoding="utf-8") as stream:
            stream.write(_xml(name.name, one, names))
        lists[one.example.split].append(name.stem)
    lists.pop("", None)
    if lists:
        (folder / "ImageSets" / "Main").mkdir(parents=True)
    for split, stems in lists.items():
        text = "".join(f"{stem}\n" for stem in stems)
        (folder / "ImageSets" / "Main" / f"{split_name(split)}.txt").write_text(text, encoding="utf-8")


def _xml(name: str, one: Placed, names: list[str]) -> str:
    width, height = one.size
    objects = "".join(_object(box, names[box.label]) for box in one.example.boxes)
    return (
        f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{escape(name)}</filename>\n"
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
        f"  <segmented>0</segmented>\n{objects}</annotation>\n"
    )


def _object(box: Box, name: str) -> str:
    x1, y1, x2, y2 = box.xyxy
    corners = {"xmin": tidy(x1 + 1), "ymin": tidy(y1 + 1), "xmax": x2, "ymax": y2}
    inside = "".join(f"<{corner}>{number(value)}</{corner}>" for corner, value in corners.items())
    return (
        f"  <object>\n    <name>{name}</name>\n    <pose>Unspecified</pose>\n"
        f"    <truncated>{box.truncated:d}</truncated>\n    <difficult>{box.difficult:d}</difficult>\n"
        f"    <bndbox>{inside}</bndbox>\n  </object>\n"
    )
