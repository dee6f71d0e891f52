"""VIA's annotations as its versions, its projects and its tables have them."""

import json
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.errors import DataError, FileNote
from convolens.media.images import write_image
from tests.data.writing import write_via_csv


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100, 3), np.uint8))


def region(shape: dict, **attributes) -> dict:
    return {"shape_attributes": shape, "region_attributes": attributes}


def rect(**attributes) -> dict:
    return region({"name": "rect", "x": 40, "y": 20, "width": 20, "height": 40}, **attributes)


def write(folder: Path, *regions, name: str = "a.png", file: str = "via_region_data.json") -> Path:
    picture(folder / name)
    rows = {f"{name}99": {"filename": name, "size": 99, "regions": list(regions), "file_attributes": {}}}
    (folder / file).write_text(json.dumps(rows))
    return folder


def boxes(data) -> list:
    return [[(data.class_names[box.label], box.xyxy) for box in one.boxes] for one in data.examples]


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ({"name": "polygon", "all_points_x": [40, 60, 50], "all_points_y": [20, 30, 60]}, (40, 20, 60, 60)),
        ({"name": "circle", "cx": 50, "cy": 40, "r": 10.5}, (39.5, 29.5, 60.5, 50.5)),
        ({"name": "ellipse", "cx": 50, "cy": 40, "rx": 10, "ry": 20}, (40, 20, 60, 60)),
        ({"name": "ellipse", "cx": 50, "cy": 40, "rx": 20, "ry": 10, "theta": np.pi / 2}, (40, 20, 60, 60)),
    ],
)
def test_every_shape_with_an_area_gives_its_box(tmp_path, shape, box):
    data = read_data(write(tmp_path, region(shape, label="cat")))
    assert boxes(data) == [[("cat", pytest.approx(box))]]


def test_polygons_are_outlines_where_they_are_asked_for(tmp_path):
    shape = {"name": "polygon", "all_points_x": [40, 60, 50], "all_points_y": [20, 30, 60]}
    folder = write(tmp_path, region(shape, label="cat"), rect(label="dog"))
    (example,) = read_data(folder, outlines=True).examples
    assert [[list(part) for part in box.outlines] for box in example.boxes] == [[[40, 20, 60, 30, 50, 60]], []]
    assert not any(box.outlines for box in read_data(folder).examples[0].boxes)


@pytest.mark.parametrize("shape", [{"name": "point", "cx": 1, "cy": 2}, {"name": "polyline", "all_points_x": [1, 2]}])
def test_points_and_lines_are_passed_over_with_a_word(tmp_path, shape):
    folder = write(tmp_path, region(shape, label="cat"), rect(label="dog"))
    with pytest.warns(FileNote, match=f"region 0: passed over, as a {shape['name']} has no area"):
        assert boxes(read_data(folder)) == [[("dog", (40, 20, 60, 60))]]
    assert any(one.kind == "shape passed over" for one in diagnose(folder, progress=False).findings)


def test_regions_of_version_1_have_numbers_as_keys(tmp_path):
    picture(tmp_path / "a.png")
    row = {"fileref": "", "size": 99, "filename": "a.png", "base64_img_data": "", "file_attributes": {}}
    row["regions"] = {"0": rect(name="cat"), "1": rect(name="dog")}
    (tmp_path / "regions.json").write_text(json.dumps({"a.png99": row}))
    assert boxes(read_data(tmp_path)) == [[("cat", (40, 20, 60, 60)), ("dog", (40, 20, 60, 60))]]


def test_data_sets_have_a_file_in_each_split(tmp_path):
    for split in ("train", "val"):  # as Matterport's balloons have it
        write(tmp_path / split, rect(name="cat"), name=f"{split}.png")
    assert [(one.path.name, one.split) for one in read_data(tmp_path).examples] == [
        ("train.png", "train"), ("val.png", "validation")]  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"label": "cat", "quality": "good"}, "cat"),
        ({"Class": "cat", "id": "7"}, "cat"),
        ({"class name": "cat"}, "cat"),
        ({"animal": {"cat": True, "dog": False}}, "cat"),
        ({"animal": "cat"}, "cat"),
        ({"type": 3}, "3"),
    ],
)
def test_the_attribute_that_is_called_so_or_is_alone_is_the_class(tmp_path, attributes, name, recwarn):
    assert boxes(read_data(write(tmp_path, rect(**attributes)))) == [[(name, (40, 20, 60, 60))]]
    told = [str(one.message) for one in recwarn if issubclass(one.category, FileNote)]
    assert len(told) == (len(attributes) > 1)
    assert not told or "as the class of regions, and passes over what" in told[0]


def test_of_a_checkbox_every_class_that_is_set_is_an_object(tmp_path):
    folder = write(tmp_path, rect(animal={"cat": True, "dog": True}))
    assert boxes(read_data(folder)) == [[("cat", (40, 20, 60, 60)), ("dog", (40, 20, 60, 60))]]


def test_regions_without_attributes_are_objects_with_a_word(tmp_path):
    with pytest.warns(FileNote, match="has regions without a class, which are taken as 'object'"):
        assert boxes(read_data(write(tmp_path, rect()))) == [[("object", (40, 20, 60, 60))]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "rect", "x": 1, "y": 2, "width": 3}, "need height as a number, got None"),
        ({"name": "rect", "x": "1", "y": 2, "width": 3, "height": 4}, "need x as a number, got '1'"),
        ({"name": "star"}, "need a rect, polygon, circle or ellipse, got a 'star'"),
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, "need as many all_points_x"),
        ({}, "need shape_attributes with a name"),
    ],
)
def test_a_region_that_says_something_else_is_one_fault(tmp_path, wrong, message):
    found = read_with_faults(write(tmp_path, region(wrong, label="cat"), rect(label="dog")))
    (fault,) = found.faults
    assert "a.png: region 0: " in fault.sentence and message in fault.sentence
    assert boxes(found.data) == [[("dog", (40, 20, 60, 60))]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"_via_img_metadata": []}', "need VIA's pictures by their keys, got a list"),
        ('{"_via_img_metadata": {"a": {"regions": []}}}', "a: need an object with a filename"),
        ('{"_via_img_metadata": {"a": {"filename": "a.png", "regions": 3}}}', "a: need a list of regions, got 3"),
    ],
)
def test_a_file_that_contradicts_itself_is_named(tmp_path, content, message):
    picture(tmp_path / "a.png")
    (tmp_path / "via.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_a_cell_that_is_no_json_is_one_fault(tmp_path):
    file = write_via_csv(tmp_path)
    file.write_text(file.read_text().replace('"{""name"": ""cat""}"', "cat", 1))
    (fault,) = read_with_faults(file).faults
    assert "line 2: need JSON in region_attributes, got 'cat'" in fault.sentence
