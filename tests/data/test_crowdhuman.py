"""CrowdHuman's lines of JSON: full boxes, crowds, and what is passed over."""

import json

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.errors import FileNote
from convolens.media.images import write_image

NAME = "273271,c9db000d5146c15"
PERSON = {"tag": "person", "fbox": [40, 20, 20, 40], "extra": {"box_id": 0, "occ": 0}}


def write(folder, *boxes, file="annotation_train.odgt", name=NAME):
    (folder / "Images").mkdir(parents=True, exist_ok=True)
    write_image(folder / "Images" / f"{name}.jpg", np.zeros((80, 100, 3), np.uint8))
    (folder / file).write_text(json.dumps({"ID": name, "gtboxes": list(boxes)}) + "\n")
    return folder


def test_full_boxes_are_taken_and_others_are_told(tmp_path):
    folder = write(tmp_path, {**PERSON, "fbox": [-5, 20, 20, 70], "vbox": [0, 20, 15, 60], "hbox": [2, 20, 4, 5]})
    with pytest.warns(FileNote, match=r"takes the full boxes \(fbox\), and passes over hbox and vbox"):
        (example,) = read_data(folder).examples
    assert example.path.name == f"{NAME}.jpg" and example.path.exists()
    assert [(box.xyxy, box.crowd) for box in example.boxes] == [((-5, 20, 15, 90), False)]


@pytest.mark.parametrize("one", [{**PERSON, "tag": "mask", "extra": {"ignore": 1}}, {**PERSON, "extra": {"ignore": 1}},
                                 {"tag": "mask", "fbox": [40, 20, 20, 40]}])  # fmt: skip
def test_what_is_to_be_ignored_is_a_crowd_of_persons(tmp_path, one):
    data = read_data(write(tmp_path, one, PERSON))
    assert data.class_names == ("person",)
    assert [box.crowd for box in data.examples[0].boxes] == [True, False]


def test_splits_are_in_the_names_of_files(tmp_path):
    write(tmp_path, PERSON)
    write(tmp_path, PERSON, file="annotation_val.odgt", name="b")
    assert sorted(one.split for one in read_data(tmp_path).examples) == ["train", "validation"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "need an object|Expecting"),
        ('{"gtboxes": []}', "need an object with ID and gtboxes"),
        ('{"ID": "b", "gtboxes": [{"tag": "person"}]}', "need a tag and fbox"),
        ('{"ID": "b", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3]}]}', "need an fbox of four numbers"),
        ('{"ID": "b", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3, null]}]}', "need an fbox of four numbers"),
    ],
)
def test_a_line_that_says_something_else_is_one_fault(tmp_path, line, message):
    file = write(tmp_path, PERSON) / "annotation_train.odgt"
    file.write_text(file.read_text() + line)
    found = read_with_faults(tmp_path)
    (fault,) = found.faults
    assert "line 2: " in fault.sentence and any(part in fault.sentence for part in message.split("|"))
    assert len(found.data.examples) == 1
