"""Create ML's JSON as Apple's program, RectLabel and Roboflow write it."""

import json

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.media.images import write_image

CAT = {"label": "cat", "coordinates": {"x": 50, "y": 40, "width": 20, "height": 40}}
BOX = (40, 20, 60, 60)


def write(folder, *rows, file="annotations.json"):
    folder.mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.zeros((80, 100, 3), np.uint8))
    (folder / file).write_text(json.dumps(rows))
    return folder


@pytest.mark.parametrize("name", ["image", "imagefilename", "imageFilename"])
@pytest.mark.parametrize("key", ["annotation", "annotations"])
def test_rows_are_called_as_programs_call_them(tmp_path, name, key):
    data = read_data(write(tmp_path, {name: "a.png", key: [CAT]}, {name: "b.png", key: []}))
    assert [[(data.class_names[box.label], box.xyxy) for box in one.boxes] for one in data.examples] == [
        [("cat", BOX)], []]  # fmt: skip


def test_labels_of_whole_pictures(tmp_path):
    rows = [{"image": "a.png", "annotation": "cat"}, {"image": "b.png", "annotation": "dog"}]
    data = read_data(write(tmp_path, *rows))
    assert (data.kind, data.class_names, [one.labels for one in data.examples]) == (
        "label",
        ("cat", "dog"),
        [(0,), (1,)],
    )


def test_roboflow_has_a_file_in_each_split(tmp_path):
    for split in ("train", "valid"):
        row = {"image": f"{split}.png", "annotations": [CAT]}
        write(tmp_path / split, row, file="_annotations.createml.json")
        write_image(tmp_path / split / f"{split}.png", np.zeros((80, 100, 3), np.uint8))
    assert [(one.path.name, one.split) for one in read_data(tmp_path).examples] == [
        ("train.png", "train"), ("valid.png", "validation")]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "a.png", "annotations": [{"label": "cat"}]}, "need coordinates x, y, width, height, got None"),
        ({"image": "a.png", "annotations": [{**CAT, "coordinates": {"x": 1}}]}, "need y as a number, got None"),
        ({"image": "a.png", "annotations": [{**CAT, "label": ""}]}, "need a label and coordinates"),
        ({"image": "a.png"}, "need an image and its annotations"),
        ({"annotations": [CAT]}, "need an image and its annotations"),
        ("a.png", "need an image and its annotations, got 'a.png'"),
    ],
)
def test_a_row_that_says_something_else_is_one_fault(tmp_path, row, message):
    found = read_with_faults(write(tmp_path, row, {"image": "b.png", "annotations": [CAT]}))
    (fault,) = found.faults
    assert "picture 0: " in fault.sentence and message in fault.sentence
    assert [one.path.name for one in found.data.examples] == ["b.png"]
