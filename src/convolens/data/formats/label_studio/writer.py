"""Label Studio's tasks, `tasks.json`, and the labeling configuration that they are for, `labeling.xml`.

Pictures are named as Label Studio's local storage does, `/data/local-files/?d=images/a.png`: serve it the folder as
`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`. What has scores is written as predictions, anything else as annotations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from convolens.data.dataset import Box, DataSet
from convolens.data.format import Placed, split_name
from convolens.data.text import need_plain

IMAGE, SHAPES, OUTLINES, CHOICES = "image", "label", "outline", "choice"  # names in the configuration


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """A task for each picture, row by row, and the configuration."""
    predicted = any(box.score is not None for one in pictures for box in one.example.boxes)
    with (folder / "tasks.json").open("w", encoding="utf-8") as stream:
        for at, one in enumerate(pictures):
            stream.write(f"{',' if at else '['}\n{json.dumps(_task(one, data, predicted=predicted))}")
        stream.write("\n]\n")
    (folder / "labeling.xml").write_text(_configuration(data, pictures), encoding="utf-8")


def _task(one: Placed, data: DataSet, *, predicted: bool) -> dict[str, Any]:
    told = {"image": f"/data/local-files/?d={quote(need_plain(one.name, 'a picture', one.example.file))}"}
    told |= {"split": split_name(one.example.split)} if one.example.split else {}
    return {"data": told, "predictions" if predicted else "annotations": [{"result": list(_regions(one, data))}]}


def _regions(one: Placed, data: DataSet) -> Iterator[dict[str, Any]]:
    names = data.class_names
    if data.kind != "boxes" and one.example.labels:
        chosen = {"choices": [names[label] for label in one.example.labels]}
        yield {"id": "choice", "type": "choices", "from_name": CHOICES, "to_name": IMAGE, "value": chosen}
    width, height = one.size
    for at, box in enumerate(one.example.boxes):
        kind, value = _value(box, one.size)
        region = {
            "id": f"region{at}", "type": kind, "from_name": OUTLINES if box.outlines else SHAPES, "to_name": IMAGE,
            "original_width": width, "original_height": height, "image_rotation": 0,
            "value": {**value, kind: [names[box.label]]},
        }  # fmt: skip
        yield region if box.score is None else {**region, "score": float(box.score)}


def _value(box: Box, size: tuple[int, int]) -> tuple[str, dict[str, Any]]:
    """A shape in percents of the picture."""
    width, height = size
    for part in box.outlines:
        points = [[x * 100 / width, y * 100 / height] for x, y in zip(part[::2], part[1::2], strict=True)]
        return "polygonlabels", {"points": points, "closed": True}
    x1, y1, x2, y2 = map(float, box.xyxy)
    sides = {"width": (x2 - x1) * 100 / width, "height": (y2 - y1) * 100 / height}
    return "rectanglelabels", {"x": x1 * 100 / width, "y": y1 * 100 / height, **sides, "rotation": 0}


def _configuration(data: DataSet, pictures: Sequence[Placed]) -> str:
    """What Label Studio's settings take as the labeling interface."""
    names = [quoteattr(need_plain(name, "a class", data.root)) for name in data.class_names]
    if data.kind != "boxes":
        choice = "single" if data.kind == "label" else "multiple"
        controls = _control("Choices", CHOICES, "Choice", names, f' choice="{choice}"')
    else:
        controls = _control("RectangleLabels", SHAPES, "Label", names)
        if any(box.outlines for one in pictures for box in one.example.boxes):
            controls += _control("PolygonLabels", OUTLINES, "Label", names)
    return f'<View>\n  <Image name="{IMAGE}" value="$image"/>\n{controls}</View>\n'


def _control(tag: str, name: str, inside: str, names: Sequence[str], more: str = "") -> str:
    lines = "".join(f"    <{inside} value={one}/>\n" for one in names)
    return f'  <{tag} name="{name}" toName="{IMAGE}"{more}>\n{lines}  </{tag}>\n'
