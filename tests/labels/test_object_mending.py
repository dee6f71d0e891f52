"""Decisions on boxes and on pictures of several classes: applied as they say, refused by name where they cannot be."""

import json

import numpy as np
import pytest

from convolens.data import FORMATS, read_data
from convolens.data.conversion import convert
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
        (fixed(before=[CAR]), DataError, "need what .* says, got 'car at 2 3 12 11' for images/1.png, which is .*van"),
        (fixed(path="images/9.png"), DataError, "of another data set: 1 of 1 .* such as images/9.png"),
        (
            fixed(after=[{"label": "bus", "box_xyxy": [1, 2, 3, 4]}]),
            DataError,
            "need a class of .*, got 'bus'",
        ),
        (fixed(after=[{"label": "car"}]), DataError, "got one without a box"),
        (fixed(after=[VAN]), DataError, "images/1.png: inverted box"),
        (fixed(decision="mend"), DataError, "need keep, fix, set aside or nothing for images/1.png, got 'mend'"),
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


def table(tmp_path, *rows):
    file = tmp_path / "labels.changes.csv"
    file.write_text("\n".join(["path,label,suggested,probability,decision,box,suggested_box", *rows]) + "\n")
    return file


def shown(data):
    read = read_data(data)
    return {one.path.name: sorted((read.class_names[box.label], *map(float, box.xyxy)) for box in one.boxes)
            for one in read.examples}  # fmt: skip


@pytest.fixture
def lane(tmp_path):
    """A picture with a car, a van and a difficult car; and one with nothing: as VOC, which keeps what is difficult."""
    (tmp_path / "csv/images").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        write_image(tmp_path / "csv/images" / name, np.full((30, 40, 3), 90, np.uint8))
    rows = ["path,label,x1,y1,x2,y2", "images/1.png,car,2,3,12,11", "images/1.png,van,20,5,30,25",
            "images/1.png,car,4,14,12,22", "images/2.png,,,,,"]  # fmt: skip
    (tmp_path / "csv/data.csv").write_text("\n".join(rows) + "\n")
    convert(tmp_path / "csv", tmp_path / "lane", to="voc", progress=False)
    xml = next((tmp_path / "lane").rglob("1.xml"))
    first, _, rest = xml.read_text().rpartition("<difficult>0")
    xml.write_text(f"{first}<difficult>1{rest}")
    return tmp_path / "lane"


def test_rows_of_a_table_remove_add_move_and_relabel_boxes_and_leave_the_rest(lane, tmp_path):
    picture, nothing = (next(lane.rglob(name)).relative_to(lane).as_posix() for name in ("1.png", "2.png"))
    file = table(
        tmp_path,
        f"{picture},car,,0.9,fix,2 3 12 11,",
        f"{picture},van,van,0.9,fix,20 5 30 25,22 5 32 25",
        f"{picture},car,van,0.8,relabel,4 14 12 22,4 14 12 22",
        f"{nothing},,car,0.7,fix,,1 2 9 8",
        f"{picture},,car,0.6,,,30 2 38 8",
    )
    found = apply_changes(file, lane, to=tmp_path / "new", progress=False)
    assert (found.fixed, found.relabelled, found.undecided) == (4, 0, 1)
    assert shown(tmp_path / "new") == {
        "1.png": [("van", 4, 14, 12, 22), ("van", 22, 5, 32, 25)], "2.png": [("car", 1, 2, 9, 8)],
    }  # fmt: skip
    one = next(one for one in read_data(tmp_path / "new").examples if one.path.name == "1.png")
    assert [box.difficult for box in sorted(one.boxes, key=lambda box: box.xyxy[0])] == [True, False]
    with pytest.raises(DataError, match="was made by the changes of"):
        apply_changes(file, tmp_path / "new", to=tmp_path / "newer", progress=False)
    (next((tmp_path / "new").rglob(".labels.applied.csv"))).unlink()
    with pytest.raises(DataError, match=r"has the changes of .* already; nothing is left"):
        apply_changes(file, tmp_path / "new", to=tmp_path / "newer", progress=False)


def test_a_picture_that_any_row_sets_aside_is_left_out_once(lane, tmp_path):
    picture = next(lane.rglob("1.png")).relative_to(lane).as_posix()
    file = table(tmp_path, f"{picture},car,,1,set aside,2 3 12 11,", f"{picture},van,,1,set aside,20 5 30 25,")
    found = apply_changes(file, lane, to=tmp_path / "new", progress=False)
    assert found.set_aside == 1 and set(shown(tmp_path / "new")) == {"2.png"}


@pytest.mark.parametrize("form", [one.name for one in FORMATS if one.write is not None and "boxes" in one.carries])
def test_boxes_in_any_format_equal_the_old_but_for_the_decisions(lane, tmp_path, form):
    before = shown(lane)
    picture = next(lane.rglob("1.png")).relative_to(lane).as_posix()
    apply_changes(table(tmp_path, f"{picture},van,car,0.9,fix,20 5 30 25,20 5 30 25"), lane, to=tmp_path / "new",
                  format=form, progress=False)  # fmt: skip
    after = shown(tmp_path / "new")
    before["1.png"] = sorted(("car", *box[1:]) if box[1] == 20 else box for box in before["1.png"])
    assert set(after) == set(before)
    for name, boxes in before.items():
        assert [box[0] for box in after[name]] == [box[0] for box in boxes]
        assert np.allclose([box[1:] for box in after[name]], [box[1:] for box in boxes], atol=0.01)


@pytest.mark.parametrize(
    ("row", "error", "words"),
    [
        ("1.png,car,,0.9,fix,2 3 12,", FormatError, "need a box as x1 y1 x2 y2 for 1.png, got '2 3 12'"),
        ("images/1.png,car,van,0.9,fix,,", DataError, "got one without a box"),
        (
            "images/1.png,car,van,0.9,fix,2 3 12 12,2 3 12 12",
            DataError,
            "got 'car at 2 3 12 12' for images/1.png",
        ),
        ("images/1.png,,bus,0.9,fix,,2 3 12 12", DataError, "need a class of .* for images/1.png, got 'bus'"),
        ("images/1.png,,car,0.9,fix,,12 3 2 12", DataError, "images/1.png: inverted box"),
    ],
)
def test_rows_that_cannot_be_are_refused(street, tmp_path, row, error, words):
    with pytest.raises(error, match=words):
        apply_changes(table(tmp_path, row), street, to=tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()
