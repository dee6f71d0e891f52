"""Hugging Face's metadata.jsonl."""

import json
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.errors import DataError, FileNote
from convolens.media.images import write_image

SQUARE = (40, 20, 60, 60)


def write(folder: Path, *lines) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.zeros((80, 100), np.uint8))
    file = folder / "metadata.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [[40, 20, 20, 40]], "categories": ["cat"]},
        {"bbox": [[40.0, 20.0, 20.0, 40.0]], "category": ["cat"], "id": [3], "area": [800]},
        [{"bbox": [40, 20, 20, 40], "label": "cat"}],
    ],
)
def test_objects_are_columns_or_rows(tmp_path, objects):
    empty = {"bbox": [], "categories": []}
    write(tmp_path / "train", {"file_name": "a.png", "objects": objects}, {"file_name": "b.png", "objects": empty})
    data = read_data(tmp_path)
    assert [(one.split, [box.xyxy for box in one.boxes]) for one in data.examples] == [
        ("train", [SQUARE]),
        ("train", []),
    ]
    assert data.class_names == ("cat",)


@pytest.mark.parametrize(
    ("first", "second", "kind"), [("cat", "dog", "label"), (["cat"], ["dog"], "label"), (["cat", "dog"], [], "labels")]
)
def test_labels_are_those_of_the_picture(tmp_path, first, second, kind):
    data = read_data(write(tmp_path, {"file_name": "a.png", "label": first}, {"file_name": "b.png", "label": second}))
    assert (data.kind, data.class_names) == (kind, ("cat", "dog"))


def test_numbers_for_classes_are_told(tmp_path):
    file = write(tmp_path, {"file_name": "a.png", "label": 0}, {"file_name": "b.png", "label": 1})
    with pytest.warns(FileNote, match="has numbers for classes, and no names"):
        assert read_data(file).class_names == ("0", "1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: "),
        ("[" * 100_000, "line 1: "),
        ("7", "line 1: need an object with file_name, got 7"),
        ({"file_name": 3}, "line 1: need an object with file_name"),
        ({"file_name": "a.png", "text": "a cat"}, "line 1: need objects or a label, got file_name, text; a text says"),
        ({"file_name": "a.png", "label": {"a": 1}}, "line 1: need a class as a text or a number"),
        ({"file_name": "a.png", "objects": 3}, "line 1: need objects with bbox and categories, got 3"),
        ({"file_name": "a.png", "objects": {"bbox": [[1, 2, 3]], "categories": ["x"]}}, "need a bbox of four numbers"),
        ({"file_name": "a.png", "objects": {"bbox": [[1, 2, 3, "4"]], "categories": ["x"]}}, "need a bbox of four"),
        ({"file_name": "a.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": []}}, "need as many categories as"),
    ],
)
def test_a_line_that_is_wrong_is_one_fault_and_the_others_are_read(tmp_path, line, message):
    good = {"file_name": "b.png", "objects": {"bbox": [[40, 20, 20, 40]], "categories": ["cat"]}}
    found = read_with_faults(write(tmp_path, line, good), format="metadata")
    (fault,) = found.faults
    assert message in fault.sentence and len(found.data) == 1


def test_a_folder_with_captions_alone_is_refused_in_words(tmp_path):
    write(tmp_path, {"file_name": "a.png", "text": "a cat"})
    with pytest.raises(DataError, match="need objects or a label"):
        read_data(tmp_path)
