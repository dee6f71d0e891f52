"""Open Images' CSV files, as published and as FiftyOne lays them out."""

import re
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.errors import FileNote
from convolens.media.images import write_image

HEAD = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
ROW = "a,xclick,/m/01yrx,1,0.4,0.6,0.25,0.75,0,0,{},0,0"
SQUARE = (40, 20, 60, 60)


def lay_out(folder: Path, boxes: str, names: str, picture: str, group: int = 0) -> None:
    for file, content in ((boxes, f"{HEAD}\n{ROW.format(group)}\n"), (names, "/m/01yrx,Cat\n/m/0bt9lr,Dog\n")):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content)
    (folder / picture).parent.mkdir(parents=True, exist_ok=True)
    write_image(folder / picture, np.zeros((80, 100), np.uint8))


@pytest.mark.parametrize(
    ("boxes", "names", "picture", "split"),
    [
        ("train-annotations-bbox.csv", "class-descriptions-boxable.csv", "train/a.jpg", ""),
        ("oidv6-train-annotations-bbox.csv", "oidv7-class-descriptions-boxable.csv", "images/a.jpg", ""),
        ("train/labels/detections.csv", "train/metadata/classes.csv", "train/data/a.jpg", ""),
        ("validation-annotations-bbox.csv", "class-descriptions.csv", "a.jpg", ""),
    ],
)
def test_fractions_become_pixels_and_codes_names(tmp_path, boxes, names, picture, split):
    lay_out(tmp_path, boxes, names, picture)
    found = read_with_faults(tmp_path)
    (example,) = found.data.examples
    assert found.format == "open-images" and not found.faults
    assert (example.path, example.split) == (tmp_path / picture, split)
    assert [(found.data.class_names[box.label], pytest.approx(box.xyxy)) for box in example.boxes] == [("Cat", SQUARE)]


def test_a_group_is_a_crowd(tmp_path):
    lay_out(tmp_path, "train-annotations-bbox.csv", "class-descriptions.csv", "a.jpg", group=1)
    (example,) = read_data(tmp_path).examples
    assert [box.crowd for box in example.boxes] == [True] and example.labels == ()


def test_codes_without_names_are_classes_with_a_word(tmp_path):
    lay_out(tmp_path, "a-annotations-bbox.csv", "class-descriptions.csv", "a.jpg")
    (tmp_path / "class-descriptions.csv").unlink()
    with pytest.warns(FileNote, match=r"has codes for classes and no class-descriptions.csv beside"):
        assert read_data(tmp_path).class_names == ("/m/01yrx",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,x,/m/0,1,0.4,0.6,0.25", "line 3: need 13 columns, got"),
        ("a,x,/m/0,1,left,0.6,0.25,0.75,0,0,0,0,0", "line 3: need four fractions, got left, 0.25, 0.6, 0.75"),
        ("a,x,,1,0.4,0.6,0.25,0.75,0,0,0,0,0", "line 3: need a LabelName, got none"),
        ("gone,x,/m/0,1,0.4,0.6,0.25,0.75,0,0,0,0,0", "line 3: .*gone: need a picture, found nothing there"),
    ],
)
def test_a_row_that_is_wrong_is_one_fault(tmp_path, row, message):
    lay_out(tmp_path, "a-annotations-bbox.csv", "class-descriptions.csv", "a.jpg")
    with (tmp_path / "a-annotations-bbox.csv").open("a") as stream:
        stream.write(row + "\n")
    found = read_with_faults(tmp_path)
    (fault,) = found.faults
    assert fault.sentence.startswith(str(tmp_path)) and len(found.data) == 1
    assert re.search(message, fault.sentence)
