"""VisDrone's text files: ten classes, regions that are not measured, splits by folders."""

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.formats.visdrone.reader import CLASSES
from convolens.media.images import write_image


def write(folder, text, name="0000001_02999_d_0000005"):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    write_image(folder / "images" / f"{name}.jpg", np.zeros((80, 100, 3), np.uint8))
    (folder / "annotations" / f"{name}.txt").write_text(text)
    return folder


def test_boxes_classes_and_truncation(tmp_path):
    write(tmp_path, "40,20,20,40,1,4,1,0\n1,2,3,4,1,1,0,2,\n")
    write(tmp_path, "", name="empty")
    data = read_with_faults(tmp_path).data
    assert data.class_names == CLASSES and CLASSES[3] == "car"
    found = {one.path.stem: [(box.label, box.xyxy, box.truncated) for box in one.boxes] for one in data.examples}
    assert found == {
        "0000001_02999_d_0000005": [(3, (40, 20, 60, 60), True), (0, (1, 2, 4, 6), False)],
        "empty": [],
    }


@pytest.mark.parametrize("line", ["10,10,20,20,0,0,0,0", "10,10,20,20,0,11,0,0"])
def test_what_is_not_measured_is_a_crowd_of_every_class(tmp_path, line):
    (example,) = read_data(write(tmp_path, line)).examples
    assert [(box.label, box.crowd) for box in example.boxes] == [(label, True) for label in range(len(CLASSES))]
    assert example.labels == ()


def test_others_that_are_measured_are_a_class(tmp_path):
    data = read_data(write(tmp_path, "10,10,20,20,1,11,0,0"))
    assert data.class_names == (*CLASSES, "others") and data.examples[0].labels == (10,)


def test_splits_are_in_the_names_of_folders(tmp_path):
    for word in ("train", "val", "test-dev"):
        write(tmp_path / f"VisDrone2019-DET-{word}", "40,20,20,40,1,4,0,0\n", name=word)
    data = read_data(tmp_path)
    assert {one.path.stem: one.split for one in data.examples} == {
        "train": "train", "val": "validation", "test-dev": "test"}  # fmt: skip
    assert all(one.path.exists() for one in data.examples)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("40,20,20,40,1,4,0", "need 8 whole numbers"),
        ("40,20,20,40,1,4,0,a", "need 8 whole numbers"),
        ("40,20,20,40,1,12,0,0", "need a category of 0 to 11, got 12"),
    ],
)
def test_a_line_that_says_something_else_is_one_fault(tmp_path, line, message):
    (fault,) = read_with_faults(write(tmp_path, f"40,20,20,40,1,4,0,0\n{line}\n")).faults
    assert "line 2: " in fault.sentence and message in fault.sentence


def test_other_texts_in_a_folder_of_that_name_are_none(tmp_path):
    write(tmp_path, "0 0.5 0.5 0.2 0.2\n")
    assert read_with_faults(tmp_path).format != "visdrone"
