"""Data sets that are folders of annotations beside folders of pictures: Supervisely, VisDrone, CrowdHuman."""

from __future__ import annotations

import base64
import json
import zlib
from functools import cache
from pathlib import Path
from shutil import copytree

from tests.data import writing
from tests.fuzz.annotations import form, stage_pictures
from tests.fuzz.exports import written
from tests.fuzz.pictures import png_seeds
from tests.fuzz.trees import change_json, change_lines_of_json, change_text


@cache
def supervisely_seeds() -> list[bytes]:
    """One picture's figures, all kinds of them, with tags; and the project's classes."""
    mask = {"data": base64.b64encode(zlib.compress(png_seeds()[0])).decode(), "origin": [4, 2]}
    kinds = (("polygon", {"points": {"exterior": [[1, 1], [9, 1], [9, 9]], "interior": [[[2, 2], [3, 2], [3, 3]]]}}),
             ("rectangle", {"points": {"exterior": [[4.5, 2.0], [9.0, 9.0]], "interior": []}}),
             ("bitmap", {"bitmap": mask}), ("point", {"points": {"exterior": [[1, 1]], "interior": []}}))  # fmt: skip
    figures = [{"classTitle": "cat", "geometryType": kind, "tags": [], **more} for kind, more in kinds]
    tags = [{"name": "train", "value": None}, {"name": "dog"}, "old"]
    content = {"description": "", "tags": tags, "size": {"height": 30, "width": 40}, "objects": figures}
    plain = written(writing.write_supervisely, "first/ann/a.png.json")
    return [plain, json.dumps(content).encode(), written(writing.write_supervisely, "meta.json")]


def stage_supervisely(folder: Path) -> None:
    """A project of two data sets, the second within the first."""
    stage_pictures(folder)
    project = folder / "project"
    writing.write_supervisely(project)
    copytree(project / "first", project / "first" / "datasets" / "val")


def put_supervisely(folder: Path, data: bytes) -> Path:
    """The figures of a picture of a project, or its classes."""
    project = folder / "project"
    of_classes = data.lstrip().startswith(b'{"classes"')
    (project / ("meta.json" if of_classes else "first/ann/a.png.json")).write_bytes(data)
    return project


def visdrone_seeds() -> list[bytes]:
    """Lines of eight numbers: measured, ignored, of no class; with and without a comma at the end."""
    return [b"2,4,10,16,1,4,1,0\n1,2,3,4,1,1,0,2,\n", b"10,10,20,8,0,0,0,0\n2,4,6,6,1,11,0,0\n3,3,4,4,0,11,0,1\n", b""]


def put_visdrone(folder: Path, data: bytes) -> Path:
    """The text of a picture, beside another's."""
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "a.txt").write_bytes(data)
    (folder / "annotations" / "b.txt").write_bytes(b"2,4,10,16,1,4,1,0\n")
    return folder


@cache
def crowdhuman_seeds() -> list[bytes]:
    """Lines of JSON: plain, and with every box, crowds and nobody."""
    person = {"tag": "person", "fbox": [-2, 4, 10, 16], "vbox": [0, 4, 8, 16], "hbox": [1, 4, 3, 3]}
    crowd = {"tag": "mask", "fbox": [5, 5, 9, 9], "extra": {"box_id": 1, "ignore": 1}, "head_attr": {"ignore": 1}}
    rows = [{"ID": "a", "gtboxes": [person, crowd]}, {"ID": "b", "gtboxes": []}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    return [written(writing.write_crowdhuman, "annotation_val.odgt"), lines.encode()]


FORMATS = {
    "supervisely": form("a.png.json", supervisely_seeds, change_json, put_supervisely, stage_supervisely),
    "visdrone": form("a.txt", visdrone_seeds, change_text, put_visdrone),
    "crowdhuman": form("annotation_val.odgt", crowdhuman_seeds, change_lines_of_json),
}
