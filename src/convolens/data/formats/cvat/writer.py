"""CVAT for images 1.1, as CVAT takes it back: `annotations.xml` beside `images`; with splits, that of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from convolens.data.dataset import Box, DataSet
from convolens.data.format import Placed, split_name
from convolens.data.text import need_plain, number

MARKS = ("is_crowd", "difficult", "truncated")


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """One file, row by row."""
    with (folder / "annotations.xml").open("w", encoding="utf-8") as stream:
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        _write_labels(stream, data, pictures)
        names = [quoteattr(name) for name in data.class_names]
        for at, one in enumerate(pictures):
            stream.writelines(_image(at, one, names, data))
        stream.write("</annotations>\n")


def _write_labels(stream: TextIO, data: DataSet, pictures: Sequence[Placed]) -> None:
    """The labels, so that a task made of them knows what is in the file."""
    shape = "any" if data.kind == "boxes" else "tag"
    boxes = [box for one in pictures for box in one.example.boxes]
    used = [mark for mark in MARKS if any(_is(box, mark) for box in boxes)]
    attributes = "".join(
        f"<attribute><name>{mark}</name><mutable>False</mutable><input_type>checkbox</input_type>"
        "<default_value>false</default_value><values>false</values></attribute>"
        for mark in used
    )
    labels = "".join(
        f"        <label><name>{escape(need_plain(name, 'a class', data.root))}</name><type>{shape}</type>"
        f"<attributes>{attributes}</attributes></label>\n"
        for name in data.class_names
    )
    splits = dict.fromkeys(split_name(one.example.split) for one in pictures if one.example.split)
    kind, head = (
        ("project", _tasks(splits)) if splits else ("task", f"<size>{len(pictures)}</size><mode>annotation</mode>")
    )
    inside = f"      {head}\n      <labels>\n{labels}      </labels>\n"
    stream.write(f"  <meta>\n    <{kind}>\n{inside}    </{kind}>\n  </meta>\n")


def _tasks(splits: Iterable[str]) -> str:
    """What a project is made of: a task for each split, its subset."""
    tasks = "".join(f"<task><name>{one}</name><mode>annotation</mode><subset>{one}</subset></task>" for one in splits)
    return f"<tasks>{tasks}</tasks>"


def _image(at: int, one: Placed, names: list[str], data: DataSet) -> Iterator[str]:
    width, height = one.size
    name = need_plain(one.name.removeprefix("images/"), "a picture", one.example.file)
    subset = f" subset={quoteattr(split_name(one.example.split))}" if one.example.split else ""
    yield f'  <image id="{at}" name={quoteattr(name)}{subset} width="{width}" height="{height}">\n'
    if data.kind != "boxes":
        yield from (f'    <tag label={names[label]} source="manual"></tag>\n' for label in one.example.labels)
    for group, box in enumerate(one.example.boxes, start=1):
        yield from _shapes(box, names[box.label], group)
    yield "  </image>\n"


def _shapes(box: Box, name: str, group: int) -> Iterator[str]:
    """A box, or a polygon for each part, which share a group."""
    inside = "".join(f'<attribute name="{mark}">true</attribute>' for mark in MARKS if _is(box, mark))
    shared = f'label={name} source="manual" occluded="0"'
    if not box.outlines:
        corners = zip(("xtl", "ytl", "xbr", "ybr"), box.xyxy, strict=True)
        sides = " ".join(f'{side}="{number(value)}"' for side, value in corners)
        yield f'    <box {shared} {sides} z_order="0">{inside}</box>\n'
    more = f' group_id="{group}"' if len(box.outlines) > 1 else ""
    for part in box.outlines:
        points = ";".join(f"{number(x)},{number(y)}" for x, y in zip(part[::2], part[1::2], strict=True))
        yield f'    <polygon {shared} points="{points}" z_order="0"{more}>{inside}</polygon>\n'


def _is(box: Box, mark: str) -> bool:
    return {"is_crowd": box.crowd, "difficult": box.difficult, "truncated": box.truncated}[mark]
