"""Decisions on boxes and on pictures of several classes: applied as they say, refused by name where they cannot be."""

import json

import numpy as np
import pytest

from convolens.data import read_data
from convolens.errors import DataError, FormatError
from convolens.labels import apply_changes
from convolens.media.images import write_image

CAR = {"label": "car", "box_xyxy": [2, 3, 12, 11]}
VAN = {"label": "van", "box_xyxy": [30, 5, 20, 25]}  # inverted: what a mender would fix


@pytest.fixture
def street(tmp_path):
    """Two pictures: one has a car and an inverted van, one nothing."""
    (tmp_path / "street/images").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        write_image(tmp_path / "street/images" / name, np.full((30, 40, 3), 90, np.uint8))
    rows = ["path,label,x1,y1,x2,y2", "images/1.png,car,2,3,12,11", "images/1.png,van,30,5,20,25", "images/2.png,,,,,"]
    (tmp_path / "street/data.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "street"


def changes(tmp_path, *lines):
    file = tmp_path / "labels.changes.jsonl"
    file.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return file


def fixed(path="images/1.png", before=(CAR, VAN), after=(), decision="fix"):
    return {"path": path, "decision": decision, "before": list(before), "after": list(after)}


def test_a_box_that_could_not_be_is_fixed(street, tmp_path):
    assert len(read_data(street)) == 1  # it is left out as it is
    after = [CAR, {"label": "van", "box_xyxy": [20, 5, 30, 25]}]
    found = apply_changes(changes(tmp_path, fixed(after=after)), street, to=tmp_path / "new", progress=False)
    assert found.fixed == 1
    assert str(found).startswith("fixed 1, set aside 0, kept 0")
    new = read_data(tmp_path / "new")
    assert sorted((new.class_names[box.label], *box.xyxy) for one in new.examples for box in one.boxes) == [
        ("car", 2, 3, 12, 11), ("van", 20, 5, 30, 25),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"was made by the changes of .*; they are applied already"):
        apply_changes(tmp_path / "labels.changes.jsonl", tmp_path / "new", to=tmp_path / "newer", progress=False)


def test_a_picture_of_several_classes_shows_others(tmp_path):
    (tmp_path / "many").mkdir()
    for name in ("1.png", "2.png"):
        write_image(tmp_path / "many" / name, np.full((20, 20, 3), 90, np.uint8))
    (tmp_path / "many/data.csv").write_text("path,labels\n1.png,cat|dog\n2.png,owl\n")
    line = fixed("1.png", [{"label": "cat"}, {"label": "dog"}], [{"label": "owl"}, {"label": "cat"}])
    apply_changes(changes(tmp_path, line), tmp_path / "many", to=tmp_path / "new", format="csv", progress=False)
    new = read_data(tmp_path / "new")
    shown = {one.path.name: {new.class_names[label] for label in one.labels} for one in new.examples}
    assert shown == {"1.png": {"cat", "owl"}, "2.png": {"owl"}}


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        (fixed(before=[CAR]), DataError, "need the objects of .*, got others for images/1.png"),
        (fixed(path="images/9.png"), DataError, "need changes of .*, got none or those of another data set"),
        (fixed(after=[{"label": "bus", "box_xyxy": [1, 2, 3, 4]}]), DataError, "need a class of .*, got 'bus'"),
        (fixed(after=[{"label": "car"}]), DataError, "got one without a box"),
        (fixed(after=[VAN]), DataError, "images/1.png: inverted box"),
        (fixed(decision="mend"), DataError, "need keep, fix or set aside for images/1.png, got 'mend'"),
        ("{}\n", FormatError, "line 1: need a change with path, decision"),
        ("[]\n", FormatError, "line 1: need a change"),
        ('{"path": "a", "decision": "fix", "before": [{"label": "a", "box_xyxy": [1]}]}\n', FormatError, "line 1"),
        ("x\n", FormatError, "line 1: need a change"),
    ],
)
def test_changes_that_cannot_be_are_refused(street, tmp_path, line, error, words):
    with pytest.raises(error, match=words):
        apply_changes(changes(tmp_path, line), street, to=tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


def test_two_decisions_on_one_picture_are_refused(street, tmp_path):
    with pytest.raises(DataError, match=r"need one decision for images/1\.png, got 'fix' and 'set aside'"):
        apply_changes(
            changes(tmp_path, fixed(), fixed(decision="set aside")), street, to=tmp_path / "new", progress=False
        )
