"""labelme's JSON files as people have them."""

import json
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.errors import FileNote
from convolens.media.images import write_image

SQUARE = (40, 20, 60, 60)


def shape(points=((40, 20), (60, 60)), kind="rectangle", label="cat", **more) -> dict:
    return {"label": label, "points": [list(one) for one in points], "group_id": None, "shape_type": kind, **more}


def write(file: Path, *shapes, name="a.png", **more) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.0.1", "flags": {}, "shapes": list(shapes), "imagePath": name, "imageData": None}
    file.write_text(json.dumps({**content, "imageHeight": 80, "imageWidth": 100, **more}))
    return file


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100), np.uint8))


def boxes(data) -> list:
    return [
        [(data.class_names[b.label], tuple(round(x, 6) for x in b.xyxy)) for b in one.boxes] for one in data.examples
    ]


@pytest.mark.parametrize(
    "shapes",
    [
        [shape()],
        [shape(((60, 20), (40, 60)))],
        [shape(((40, 20), (60, 20), (60, 60), (40, 60)))],  # four corners, since 5.5
        [shape(((40, 20), (60, 20), (60, 60)), "polygon")],
        [{key: value for key, value in shape(((40, 20), (60, 20), (60, 60))).items() if key != "shape_type"}],
        [shape(((40, 20), (60, 20), (60, 60), (40, 60)), "rotation", direction=0.0)],  # X-AnyLabeling's
        [shape(mask="iVBORw0KGgo=", kind="mask")],
        [shape(((40, 20), (50, 30)), group_id=1), shape(((50, 40), (60, 60)), group_id=1)],
    ],
)
def test_shapes_become_upright_boxes(tmp_path, shapes):
    picture(tmp_path / "a.png")
    assert boxes(read_data(write(tmp_path / "a.json", *shapes))) == [[("cat", SQUARE)]]
    assert boxes(read_data(tmp_path)) == [[("cat", SQUARE)]]


def test_a_circle_is_told_by_its_center_and_a_point_on_it(tmp_path):
    picture(tmp_path / "a.png")
    data = read_data(write(tmp_path / "a.json", shape(((50, 40), (53, 44)), "circle")))
    assert boxes(data) == [[("cat", (45, 35, 55, 45))]]


def test_shapes_of_one_group_and_other_labels_are_objects_of_their_own(tmp_path):
    picture(tmp_path / "a.png")
    data = read_data(write(tmp_path / "a.json", shape(group_id=1), shape(group_id=1, label="dog"), shape(group_id=2)))
    assert [name for name, _ in boxes(data)[0]] == ["cat", "dog", "cat"]


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points"])
def test_shapes_without_area_are_passed_over_with_a_word(tmp_path, kind):
    picture(tmp_path / "a.png")
    file = write(tmp_path / "a.json", shape(), shape(((1, 2),), kind))
    with pytest.warns(FileNote, match=f"shape 1: passed over, as a {kind} has no area"):
        assert boxes(read_data(file)) == [[("cat", SQUARE)]]


@pytest.mark.parametrize(
    ("file", "name", "there", "split"),
    [
        ("a.json", "a.png", "a.png", ""),
        ("a.json", "..\\images\\a.png", "images/a.png", ""),
        ("json/a.json", "../images/a.png", "images/a.png", ""),
        ("labels/a.json", "C:\\Users\\me\\a.png", "images/a.png", ""),
        ("a.json", "renamed.png", "a.png", ""),
        ("train/a.json", "a.png", "train/a.png", "train"),
        ("val/deep/a.json", "a.png", "val/deep/a.png", "validation"),
    ],
)
def test_pictures_are_found_and_folders_are_splits(tmp_path, file, name, there, split):
    picture(tmp_path / there)
    write(tmp_path / file, shape(), name=name)
    (example,) = read_data(tmp_path).examples
    assert (example.path, example.split, example.size) == (tmp_path / there, split, (100, 80))


def test_flags_are_labels_of_the_picture(tmp_path):
    for name, flags in (("a", {"cat": True, "dog": False}), ("b", {"cat": False, "dog": True})):
        picture(tmp_path / f"{name}.png")
        write(tmp_path / f"{name}.json", name=f"{name}.png", flags=flags)
    assert (read_data(tmp_path).kind, [one.labels for one in read_data(tmp_path).examples]) == ("labels", [(0,), (1,)])
    for name, flags in (("a", {"cat": True}), ("b", {"dog": True})):
        write(tmp_path / f"{name}.json", name=f"{name}.png", flags=flags)
    assert read_data(tmp_path).kind == "label"


def test_a_list_of_labels_gives_the_classes_their_order(tmp_path):
    picture(tmp_path / "a.png")
    write(tmp_path / "a.json", shape())
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ndog\ncat\n")
    assert read_data(tmp_path).class_names == ("dog", "cat")


def test_a_picture_that_is_only_inside_is_said_to_be(tmp_path):
    file = write(tmp_path / "a.json", shape(), imageData="iVBORw0KGgo=")
    with pytest.warns(FileNote, match=r"has its picture inside, which is not read; it is needed as the file 'a\.png'"):
        assert read_data(file).examples[0].path == tmp_path / "a.png"


def test_other_json_beside_is_passed_over_with_a_word(tmp_path):
    picture(tmp_path / "a.png")
    write(tmp_path / "a.json", shape())
    (tmp_path / "settings.json").write_text('{"theme": "dark"}')
    with pytest.warns(FileNote, match=r"settings\.json: passed over: it has no shapes"):
        assert len(read_data(tmp_path)) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (7, "shape 0: need a label and points, got 7"),
        (shape(label=""), "shape 0: need a label and points"),
        (shape(points=()), "shape 0: need a rectangle of more points, got 0"),
        (shape(((1, 2), (3, 4)), "polygon"), "shape 0: need a polygon of more points, got 2"),
        (shape(((1, 2, 3),)), "shape 0: need points, each of two numbers"),
        (shape((("1", 2), (3, 4))), "shape 0: need points of numbers, got '1'"),
        (shape(((10**400, 2), (3, 4))), "shape 0: need points of numbers, got 1000"),
        (shape(kind="cuboid"), "shape 0: need a rectangle, polygon, circle or mask, got a 'cuboid'"),
        (shape(score="high"), "shape 0: need score as a number, got 'high'"),
    ],
)
def test_what_is_wrong_is_one_fault_and_the_others_are_read(tmp_path, wrong, message):
    picture(tmp_path / "a.png")
    found = read_with_faults(write(tmp_path / "a.json", wrong, shape()))
    (fault,) = found.faults
    assert message in fault.sentence
    assert boxes(found.data) == [[("cat", SQUARE)]]
    assert diagnose(tmp_path, progress=False).faults


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"shapes": ' + "[" * 100_000, "need JSON, got "),
        ('{"shapes": 3, "imagePath": "b.png"}', "need a list of shapes, got a int"),
        ('{"shapes": [], "imagePath": "b.png", "flags": {"cat": 1}}', "need flags that are true or false"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_fault(tmp_path, content, message):
    picture(tmp_path / "a.png")
    write(tmp_path / "a.json", shape())
    (tmp_path / "b.json").write_text(content)
    found = read_with_faults(tmp_path)
    assert len(found.data) == 1 and message in found.faults[0].sentence
