"""What programs to annotate with export: CVAT, labelme, Label Studio, Hugging Face, Open Images, VIA, Create ML."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.data import writing
from tests.fuzz.annotations import form
from tests.fuzz.trees import change_json, change_lines_of_json, change_table, change_xml


def written(write: Callable[[Path], Path], name: str) -> bytes:
    """A file that the tests of the formats write."""
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return (Path(folder) / name).read_bytes()


@cache
def cvat_seeds() -> list[bytes]:
    """Boxes; and every other shape."""
    shapes = """<polygon label="cat" points="4.00,2.00;6.00,2.00;6.00,6.00" group_id="1"/><tag label="dog"/>
        <ellipse label="cat" cx="5" cy="4" rx="1" ry="2"/><mask label="cat" rle="1, 2, 17" left="4" top="2" width="4"
        height="5"/><cuboid label="dog" xtl1="4" ytl1="2" xbl1="4" ybl1="6" xtr1="5" ytr1="2" xbr1="5" ybr1="6" xtl2="5"
        ytl2="2" xbl2="5" ybl2="5" xtr2="6" ytr2="2" xbr2="6" ybr2="5"/><box label="cat" xtl="4" ytl="2" xbr="6" ybr="6"
        rotation="90"><attribute name="difficult">1</attribute></box><points label="cat" points="1,2"/>"""
    image = f'<image id="0" name="a.png" width="40" height="30" subset="Train">{shapes}</image>'
    return [
        written(writing.write_cvat, "annotations.xml"),
        f"<annotations><version>1.1</version><meta/>{image}</annotations>".encode(),
    ]


@cache
def labelme_seeds() -> list[bytes]:
    """A rectangle; and every other shape."""
    plain = json.loads(written(writing.write_labelme, "a.json"))
    kinds = (("polygon", [[1, 1], [9, 1], [9, 9]]), ("circle", [[9, 9], [9, 12]]), ("point", [[1, 1]]),
             ("line", [[1, 1], [2, 2]]), ("mask", [[1, 1], [5, 5]]), ("linestrip", [[1, 1], [3, 1]]))  # fmt: skip
    shapes = [{"label": "dog", "points": points, "shape_type": kind, "group_id": 1} for kind, points in kinds]
    return [json.dumps(plain).encode(), json.dumps(plain | {"shapes": shapes, "flags": {"cat": True}}).encode()]


@cache
def studio_seeds() -> list[bytes]:
    """JSON and JSON-MIN; polygons, ellipses, choices and predictions."""
    tasks = json.loads(written(writing.write_label_studio, "project-1-at-2024-01-01.json"))
    result = tasks[0]["annotations"][0]["result"]
    size = {"original_width": 40, "original_height": 30, "from_name": "a", "to_name": "image"}
    result += [
        {**size, "type": "polygonlabels", "value": {"points": [[1, 1], [9, 1], [9, 9]], "polygonlabels": ["dog"]}},
        {
            **size,
            "type": "ellipselabels",
            "value": {"x": 9, "y": 9, "radiusX": 3, "radiusY": 2, "ellipselabels": ["cat"]},
        },
        {**size, "type": "brushlabels", "value": {"format": "rle", "rle": [0, 1, 2], "brushlabels": ["cat"]}},
    ]
    tasks[1]["predictions"] = [{"score": 0.5, "result": result}]
    return [written(writing.write_label_studio_min, "min.json"), json.dumps(tasks).encode()]


@cache
def metadata_seeds() -> list[bytes]:
    """Lines with boxes, with labels, and with numbers for classes."""
    boxes = written(writing.write_metadata, "metadata.jsonl")
    labels = b'{"file_name": "a.png", "label": "cat"}\n{"file_name": "b.png", "label": "dog"}\n'
    numbers = (
        b'{"file_name": "a.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0], "id": [7], "area": [12]}}\n'
    )
    return [boxes, labels, numbers]


def open_images_seeds() -> list[bytes]:
    """Boxes as published."""
    head = b"ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    head += b"IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    rows = b"a,xclick,/m/01yrx,1,0.4,0.6,0.25,0.75,0,0,0,0,0\nb,xclick,/m/0bt9lr,1,0.1,0.6,0.25,0.5,0,1,1,0,0\n"
    return [head + rows]


def put_open_images(folder: Path, data: bytes) -> Path:
    """Its boxes, beside the names of its classes."""
    (folder / "train-annotations-bbox.csv").write_bytes(data)
    (folder / "class-descriptions-boxable.csv").write_text("/m/01yrx,Cat\n/m/0bt9lr,Dog\n")
    return folder


@cache
def via_seeds() -> list[bytes]:
    """A project; and what is exported of one, of the first version, with every shape."""
    shapes = ({"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}, {"name": "point", "cx": 1},
              {"name": "circle", "cx": 9, "cy": 9, "r": 3}, {"name": "polyline"},
              {"name": "ellipse", "cx": 9, "cy": 9, "rx": 3, "ry": 2, "theta": 0.5})  # fmt: skip
    said = ({"class": "cat"}, {"class": {"cat": True, "dog": True}}, {"name": "dog", "size": "3"}, {}, {"class": 7})
    regions = {f"{at}": {"shape_attributes": shape, "region_attributes": attributes}
               for at, (shape, attributes) in enumerate(zip(shapes, said, strict=True))}  # fmt: skip
    exported = {"a.png99": {"filename": "a.png", "size": 99, "regions": regions, "file_attributes": {"caption": "x"}}}
    return [written(writing.write_via, "via_project.json"), json.dumps(exported).encode()]


def via_table_seeds() -> list[bytes]:
    """A table whose cells hold JSON."""
    return [written(writing.write_via_csv, "via_region_data.csv")]


def change_cells(data: bytes, luck: Random) -> bytes:
    """The JSON in one cell of a table; or the table."""
    if luck.random() < 0.5:
        return change_table(data, luck)
    rows = list(csv.reader(io.StringIO(data.decode())))
    row = luck.choice(rows[1:])
    at = luck.choice([at for at, cell in enumerate(row) if cell.startswith("{")])
    row[at] = change_json(row[at].encode(), luck).decode(errors="surrogateescape")
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode(errors="surrogatepass")


@cache
def createml_seeds() -> list[bytes]:
    """Boxes; and labels, under RectLabel's names."""
    labels = [{"imagefilename": "a.png", "annotation": "cat"}, {"imagefilename": "b.png", "annotation": ["dog"]}]
    return [written(writing.write_createml, "_annotations.createml.json"), json.dumps(labels).encode()]


FORMATS = {
    "cvat": form("annotations.xml", cvat_seeds, change_xml),
    "labelme": form("a.json", labelme_seeds, change_json),
    "label studio": form("project.json", studio_seeds, change_json),
    "metadata.jsonl": form("metadata.jsonl", metadata_seeds, change_lines_of_json),
    "open images": form("train-annotations-bbox.csv", open_images_seeds, change_table, put_open_images),
    "via": form("via_region_data.json", via_seeds, change_json),
    "via table": form("via_region_data.csv", via_table_seeds, change_cells),
    "createml": form("createml.json", createml_seeds, change_json),
}
