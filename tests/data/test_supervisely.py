"""Supervisely's projects: figures, tags, and data sets within data sets."""

import base64
import io
import json
import os
import zlib

import numpy as np
import pytest
from PIL import Image

from convolens.data import read_data, read_with_faults
from convolens.errors import DataError, FileNote
from convolens.media.images import write_image


def figure(kind, exterior=None, interior=(), **more):
    points = {} if exterior is None else {"points": {"exterior": exterior, "interior": list(interior)}}
    return {"classTitle": "cat", "geometryType": kind, "tags": [], **points, **more}


def bitmap(width, height, origin):
    """A mask as Supervisely packs it: a PNG of one bit a pixel, deflated once more, in base64."""
    stream = io.BytesIO()
    Image.fromarray(np.ones((height, width), bool)).save(stream, "PNG", transparency=0)
    data = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    return figure("bitmap", bitmap={"data": data, "origin": origin})


def write(folder, *figures, tags=(), name="a.png", inside="one"):
    place = folder / inside
    (place / "img").mkdir(parents=True, exist_ok=True)
    (place / "ann").mkdir(exist_ok=True)
    write_image(place / "img" / name, np.zeros((80, 100, 3), np.uint8))
    content = {"description": "", "tags": list(tags), "size": {"height": 80, "width": 100}, "objects": list(figures)}
    (place / "ann" / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("one", "box"),
    [
        (figure("rectangle", [[40, 20], [59, 59]]), (40, 20, 60, 60)),  # pixels, the last is inside
        (figure("rectangle", [[59, 59], [40, 20]]), (40, 20, 60, 60)),
        (figure("rectangle", [[40.0, 20.0], [60.0, 60.0]]), (40, 20, 60, 60)),  # the labeling tool's, between pixels
        (figure("polygon", [[40, 20], [60, 30], [50, 60]]), (40, 20, 60, 60)),
        (bitmap(20, 40, [40, 20]), (40, 20, 60, 60)),
    ],
)
def test_every_figure_with_an_area_gives_its_box(tmp_path, one, box):
    (example,) = read_data(write(tmp_path, one)).examples
    assert [found.xyxy for found in example.boxes] == [box]
    assert example.size == (100, 80)


def test_a_project_may_be_given_by_its_meta_file_and_its_classes_have_their_order(tmp_path):
    write(tmp_path / "p", figure("rectangle", [[40, 20], [59, 59]]))
    rows = [{"title": "dog", "shape": "any"}, {"title": "cat", "shape": "rectangle"}]
    (tmp_path / "p" / "meta.json").write_text(json.dumps({"classes": rows, "tags": []}))
    for source in (tmp_path / "p", tmp_path / "p" / "meta.json", tmp_path / "p" / "one"):
        assert read_data(source).class_names == ("dog", "cat")
    with pytest.raises(DataError, match="need the folder of a project of Supervisely's, got a file"):
        read_data(tmp_path / "p" / "one" / "img" / "a.png", format="supervisely")


def test_holes_and_masks_are_told_where_outlines_are_asked_for(tmp_path):
    hole = [[[45, 30], [46, 30], [45, 31]]]
    polygon = figure("polygon", [[40, 20], [60, 30], [50, 60]], hole)
    folder = write(tmp_path, polygon, bitmap(20, 40, [40, 20]))
    with pytest.warns(FileNote) as told:
        (example,) = read_data(folder, outlines=True).examples
    assert [[list(part) for part in box.outlines] for box in example.boxes] == [[[40, 20, 60, 30, 50, 60]], []]
    assert sorted(str(one.message).rpartition(": ")[2] for one in told) == [
        "figure 0 has holes, which are filled", "figure 1 has a mask, of which the box alone is taken"]  # fmt: skip


@pytest.mark.parametrize("kind", ["point", "line", "graph"])
def test_what_has_no_area_is_passed_over_with_a_word(tmp_path, kind):
    with pytest.warns(FileNote, match=f"figure 0: passed over, as a {kind} has no area"):
        (example,) = read_data(write(tmp_path, figure(kind, [[1, 2]]), figure("rectangle", [[0, 0], [9, 9]]))).examples
    assert len(example.boxes) == 1


def test_splits_are_tags_or_data_sets(tmp_path):
    cat = figure("rectangle", [[0, 0], [9, 9]])
    write(tmp_path / "tags", cat, tags=[{"name": "val", "value": None}])
    write(tmp_path / "tags", cat, tags=["train"], name="b.png")
    assert [one.split for one in read_data(tmp_path / "tags").examples] == ["validation", "train"]
    write(tmp_path / "sets", cat, inside="train")
    write(tmp_path / "sets", cat, inside="all/datasets/test")
    assert sorted(one.split for one in read_data(tmp_path / "sets").examples) == ["test", "train"]


def test_tags_are_labels_where_the_project_has_no_classes(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "meta.json").write_text(json.dumps({"classes": [], "tags": [{"name": "cat"}, {"name": "dog"}]}))
    write(tmp_path / "p", tags=[{"name": "cat"}])
    write(tmp_path / "p", tags=[{"name": "dog"}], name="b.png")
    data = read_data(tmp_path / "p")
    assert (data.kind, [data.class_names[one.labels[0]] for one in data.examples]) == ("label", ["cat", "dog"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (figure("rectangle", [[1, 2]]), "need an exterior of 2 points or more"),
        (figure("polygon", [[1, 2], [3, 4]]), "need an exterior of 3 points or more"),
        (figure("cuboid", [[1, 2], [3, 4], [5, 6]]), "need a rectangle, polygon or bitmap, got a 'cuboid'"),
        (figure("bitmap", bitmap={"data": "AAAA", "origin": [0, 0]}), "need a bitmap's data as Supervisely packs it"),
        (figure("bitmap", bitmap={"data": base64.b64encode(zlib.compress(bytes(99))).decode(), "origin": [0, 0]}),
         "need a bitmap's data as a PNG"),
        ({"geometryType": "rectangle"}, "need a classTitle and a geometryType"),
    ],
)  # fmt: skip
def test_a_figure_that_says_something_else_is_one_fault(tmp_path, wrong, message):
    found = read_with_faults(write(tmp_path, wrong, figure("rectangle", [[0, 0], [9, 9]])))
    (fault,) = found.faults
    assert "a.png.json: figure 0: " in fault.sentence and message in fault.sentence
    assert [len(one.boxes) for one in found.data.examples] == [1]


def test_a_closed_folder_is_a_fault_beside_what_could_be_read(tmp_path, monkeypatch):
    project = write(tmp_path / "project", figure("rectangle", [[1, 2], [9, 9]]), inside="a")
    (project / "closed").mkdir()
    scan = os.scandir

    def scandir(folder):
        if str(folder) == str(project / "closed"):  # root may look into any
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.warns(FileNote, match=r"closed: passed over, cannot be looked into: Permission denied"):
        reading = read_with_faults(project)
    assert len(reading.data.examples) == 1
    (fault,) = reading.faults
    assert "project/closed: need a folder that can be looked into, got: Permission denied" in fault.sentence
