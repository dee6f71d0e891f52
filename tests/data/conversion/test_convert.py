"""Conversions: what is kept, what is lost and told, what is refused, and that nothing half-done is left."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens.cli import run
from convolens.data import read_data
from convolens.data.conversion import place
from convolens.errors import ArgumentError, DataError, FileError
from convolens.media.images import read_header, write_image
from tests.data.writing import BOXES, WRITERS, coco, write_coco, write_csv, write_pictures, write_yolo

TRIANGLE, SQUARE = [2, 4, 12, 4, 12, 20], [20, 20, 30, 20, 30, 28, 20, 28]


@pytest.fixture
def annotated(tmp_path):
    """COCO data with all that it can hold: a crowd, outlines, one of them in two parts, a box beyond its picture."""
    write_coco(tmp_path / "from")
    content = coco()
    first, second, third = content["annotations"]
    first |= {"segmentation": [TRIANGLE], "area": 80}
    second |= {"segmentation": [SQUARE, TRIANGLE], "bbox": [2, 4, 28, 24], "score": 0.5}
    third |= {"iscrowd": 1}
    content["annotations"].append({"id": 9, "image_id": 10, "category_id": 3, "bbox": [-4, 0, 10, 10]})
    (tmp_path / "from" / "annotations" / "instances.json").write_text(json.dumps(content))
    return tmp_path / "from"


@pytest.fixture
def folders(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            level = number + 20 * (name == "dog")
            write_image(tmp_path / "photos" / name / f"{number // 2}_{number}.png", np.full((9, 8), level, np.uint8))
    return tmp_path / "photos"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def boxes_of(data):
    return {
        example.path.name: [(data.class_names[box.label], box.xyxy) for box in example.boxes]
        for example in data.examples
    }


@pytest.mark.parametrize("to", ["csv", "coco", "voc", "yolo"])
@pytest.mark.parametrize("source", WRITERS)
def test_boxes_of_every_format_become_those_of_every_other(source, to, tmp_path):
    found = cl.convert(WRITERS[source](tmp_path / "from"), tmp_path / "to", to=to)
    assert boxes_of(read_data(tmp_path / "to")) == BOXES
    assert (sum(found.pictures.values()), found.objects) == (3, 3)


def test_what_a_format_cannot_carry_is_counted(annotated, tmp_path):
    found = cl.convert(annotated, tmp_path / "other", to="yolo")
    assert str(found) == (
        "yolo: 3 pictures, 3 objects\n"
        "yolo cannot carry: 3 ids, 2 ids of classes, 2 outlines, 1 area, 1 object in part outside of their pictures, "
        "1 score, 1 crowd"
    )


def test_coco_keeps_all_that_coco_has(annotated, tmp_path):
    found = cl.convert(annotated, tmp_path / "to", to="coco")
    assert found.losses == ()
    before, after = (read_data(folder, outlines=True) for folder in (annotated, tmp_path / "to"))
    assert [e.id for e in after.examples] == [10, 11, 12]
    assert after.class_ids == before.class_ids == (3, 7)
    for a, b in zip(before.examples, after.examples, strict=True):
        assert [(x.xyxy, x.crowd, x.outlines, x.score) for x in a.boxes] == [
            (x.xyxy, x.crowd, x.outlines, x.score) for x in b.boxes
        ]


def test_outlines_in_parts_are_joined_for_yolo(annotated, tmp_path):
    found = cl.convert(annotated, tmp_path / "to", to="yolo-seg")
    assert "1 object in several parts, which are joined by lines" in found.losses
    assert "1 box without outlines, which become rectangles" in found.losses
    joined = read_data(tmp_path / "to", outlines=True).examples[1].boxes[0].outlines
    assert [list(part) for part in joined] == [SQUARE + SQUARE[:2] + TRIANGLE + TRIANGLE[:2]]


def test_a_box_is_cut_at_its_picture_where_readers_want_it_inside(annotated, tmp_path):
    cl.convert(annotated, tmp_path / "to", to="voc")
    assert boxes_of(read_data(tmp_path / "to"))["a.png"][1] == ("cat", (0, 0, 6, 10))


def test_pictures_keep_their_bytes_and_links_are_of_the_same_file(folders, tmp_path):
    cl.convert(folders, tmp_path / "copied", to="csv")
    cl.convert(folders, tmp_path / "linked", to="csv", link=True)
    before = folders / "cat" / "0_0.png"
    copy, linked = (tmp_path / name / "images" / "cat" / "0_0.png" for name in ("copied", "linked"))
    assert copy.read_bytes() == before.read_bytes()
    assert not copy.samefile(before)
    assert linked.samefile(before)


def test_links_to_pictures_are_followed(folders, tmp_path):
    (folders / "dog" / "link.png").symlink_to(folders / "cat" / "0_0.png")
    cl.convert(folders, tmp_path / "to", to="folders", link=True)
    made = tmp_path / "to" / "dog" / "link.png"
    assert made.samefile(folders / "cat" / "0_0.png") and not made.is_symlink()


def test_where_no_link_can_be_made_there_is_a_sentence_and_no_copy(folders, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(place.os, "link", refuse)
    with pytest.raises(FileError, match="cannot get a hard link there, it is on another disk; leave out link"):
        cl.convert(folders, tmp_path / "to", to="csv", link=True)
    assert names_in(tmp_path) == ["photos"]


def test_boxes_are_those_of_the_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "from").mkdir()
    Image.new("L", (30, 20)).save(tmp_path / "from" / "a.jpg", exif=exif)
    (tmp_path / "from" / "boxes.csv").write_text("path,label,x1,y1,x2,y2\na.jpg,cat,4,20,16,28\n")
    cl.convert(tmp_path / "from", tmp_path / "to", to="yolo")
    assert (tmp_path / "to" / "labels" / "a.txt").read_text() == "0 0.5 0.8 0.6 0.266666667\n"
    assert read_header(tmp_path / "to" / "images" / "a.jpg").size == (20, 30)
    assert boxes_of(read_data(tmp_path / "to")) == {"a.jpg": [("cat", (4, 20, 16, 28))]}


def test_names_that_readers_cannot_tell_apart_are_changed_and_told(tmp_path):
    write_pictures(tmp_path / "from")
    (tmp_path / "from" / "b.png").rename(tmp_path / "from" / "a.jpg")
    rows = "a.png,cat,1,2,3,4\na.jpg,dog,5,6,7,8\nempty.png,,,,,\n"
    (tmp_path / "from" / "boxes.csv").write_text("path,label,x1,y1,x2,y2\n" + rows)
    found = cl.convert(tmp_path / "from", tmp_path / "to", to="yolo")
    assert found.renamed == 1
    assert "renamed: 1 of the pictures" in str(found)
    assert boxes_of(read_data(tmp_path / "to")) == {
        "a.png": [("cat", (1, 2, 3, 4))], "a_2.jpg": [("dog", (5, 6, 7, 8))], "empty.png": [],
    }  # fmt: skip
    assert cl.convert(tmp_path / "from", tmp_path / "coco", to="coco").renamed == 0


def test_voc_has_no_folders_within(tmp_path):
    write_csv(tmp_path / "from" / "deep")
    text = (tmp_path / "from" / "deep" / "boxes.csv").read_text().replace("\nb.png", "\n../b.png")
    (tmp_path / "from" / "deep" / "b.png").rename(tmp_path / "from" / "b.png")
    (tmp_path / "from" / "deep" / "boxes.csv").write_text(text)
    cl.convert(tmp_path / "from" / "deep", tmp_path / "to", to="voc")
    assert names_in(tmp_path / "to" / "JPEGImages") == ["b.png", "deep_a.png", "deep_empty.png"]


@pytest.mark.parametrize("name", ["line\nbreak", " space", "caf\udce9"])
@pytest.mark.parametrize("to", ["csv", "voc"])
def test_names_that_text_cannot_hold_are_refused(to, name, tmp_path):
    write_coco(tmp_path / "from")
    content = coco()
    (tmp_path / "from" / "images" / "a.png").rename(tmp_path / "from" / "images" / f"{name}.png")
    content["images"][0]["file_name"] = f"{name}.png"
    (tmp_path / "from" / "annotations" / "instances.json").write_text(json.dumps(content))
    if name != " space":
        with pytest.raises(DataError, match="need the name of a picture in UTF-8, without control characters"):
            cl.convert(tmp_path / "from", tmp_path / "to", to=to)
    cl.convert(tmp_path / "from", tmp_path / "coco", to="coco")
    assert len(read_data(tmp_path / "coco")) == 3


def test_labels_are_no_boxes(folders, tmp_path):
    with pytest.raises(DataError, match="need boxes for yolo, got a label for each picture"):
        cl.convert(folders, tmp_path / "to", to="yolo")


def test_boxes_become_labels_of_folders_where_each_picture_shows_one_class(tmp_path):
    write_csv(tmp_path / "from")
    with pytest.raises(DataError, match="need one class, got cat, dog"):
        cl.convert(tmp_path / "from", tmp_path / "to", to="folders")
    text = (tmp_path / "from" / "boxes.csv").read_text()
    kept = [line for line in text.splitlines() if "b.png,cat" not in line and "empty" not in line]
    (tmp_path / "from" / "boxes.csv").write_text("\n".join(kept))
    assert cl.convert(tmp_path / "from", tmp_path / "to", to="folders").losses == ("2 boxes",)
    assert (tmp_path / "to" / "cat" / "a.png").exists() and (tmp_path / "to" / "dog" / "b.png").exists()


def test_a_picture_that_cannot_be_read_is_left_out_and_told(folders, tmp_path, capsys):
    (folders / "cat" / "0_0.png").write_bytes(b"no picture")
    assert run(["convert", str(folders), str(tmp_path / "to"), "--to", "csv"]) == 2
    said = capsys.readouterr()
    assert "skipped: " in said.err and "0_0.png" in said.err
    assert said.out == "csv: 19 pictures\n"


@pytest.mark.parametrize("broken", [KeyboardInterrupt, DataError("no"), OSError(28, "No space left on device")])
def test_after_any_end_nothing_half_done_is_left(folders, tmp_path, monkeypatch, broken):
    def fail(*_):
        raise broken

    monkeypatch.setattr("convolens.data.conversion.converting.need_equal", fail)
    with pytest.raises(FileError if isinstance(broken, OSError) and not isinstance(broken, DataError)
                       else type(broken) if isinstance(broken, Exception) else broken):  # fmt: skip
        cl.convert(folders, tmp_path / "to", to="csv")
    assert names_in(tmp_path) == ["photos"]


def test_what_reads_back_as_something_else_is_refused(folders, tmp_path, monkeypatch):
    whole = place.Placing.put

    def other(self, picture, name):
        size = whole(self, picture, name)
        Path(self._folder, name).rename(Path(self._folder, name.replace("0_", "x_")))
        return size

    monkeypatch.setattr(place.Placing, "put", other)
    with pytest.raises(DataError, match=r"got other data when it was read again: nothing of 'cat/0_0.png'"):
        cl.convert(folders, tmp_path / "to", to="folders")


def test_what_is_there_is_never_replaced(folders, tmp_path):
    cl.convert(folders, tmp_path / "to", to="csv")
    with pytest.raises(FileError, match="to: is already there; give the name of a new folder"):
        cl.convert(folders, tmp_path / "to", to="csv")
    with pytest.raises(FileError, match="need a folder outside of the data"):
        cl.convert(folders, folders / "to", to="csv")
    (tmp_path / "empty").mkdir()
    cl.convert(folders, tmp_path / "empty", to="csv")
    assert len(read_data(tmp_path / "empty")) == 20


def test_formats_that_are_none_are_refused(folders, tmp_path):
    with pytest.raises(ArgumentError, match=r"to: need one of yolo, .* got 'yollo'; did you mean 'yolo'"):
        cl.convert(folders, tmp_path / "to", to="yollo")


def test_the_command_splits_and_says_what_was_written(folders, tmp_path, capsys):
    line = ["convert", folders, tmp_path / "to", "--to", "folders", "--split", "0.6,0.2,0.2", "--group-by", "prefix"]
    assert run([*map(str, line), "--link"]) == 0
    said = capsys.readouterr()
    assert said.out == "folders: 20 pictures (train 12, validation 4, test 4)\n"
    assert said.err.splitlines()[0] == f"wrote {tmp_path / 'to'}"
    assert names_in(tmp_path / "to") == ["test", "train", "val"]


def with_patients(folder, rows, kind):
    """Thirty pictures of two classes and ten patients, whose names say nothing of them."""
    folder.mkdir()
    for name in rows:
        write_image(folder / name, np.zeros((4, 5), np.uint8))
    if kind == "csv":
        lines = [f"{name},{label},{patient}\n" for name, (label, patient) in rows.items()]
        (folder / "data.csv").write_text("path,label,patient\n" + "".join(lines))
    else:
        lines = [json.dumps({"file_name": name, "label": label, "patient": patient})
                 for name, (label, patient) in rows.items()]  # fmt: skip
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("kind", ["csv", "metadata"])
def test_a_split_keeps_what_a_column_says_together(tmp_path, kind):
    rows = {f"{n:02}.png": ("cat" if n % 3 else "dog", n * 7 % 10) for n in range(30)}
    source = with_patients(tmp_path / "from", rows, kind)
    line = ["convert", source, tmp_path / "to", "--to", "csv", "--split", "0.6,0.2,0.2", "--group-by", "column:patient"]
    assert run([*map(str, line)]) == 0
    splits = {}
    for example in read_data(tmp_path / "to").examples:
        splits.setdefault(rows[example.path.name][1], set()).add(example.split)
    assert len(splits) == 10 and all(len(one) == 1 for one in splits.values())
    assert {next(iter(one)) for one in splits.values()} == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("rows", "group_by", "message"),
    [
        ("a.png,cat,\n", "column:patient", r"data\.csv: line 2: need one patient for a\.png, got none"),
        ("a.png,cat,1\na.png,cat,2\n", "column:patient", r"line 3: need one patient for a\.png, got '1' and '2'"),
        ("a.png,cat,1\n", "column:patients", r"need a column 'patients', got path, .*; did you mean 'patient'"),
    ],
)
def test_a_column_that_cannot_group_is_named(tmp_path, rows, group_by, message):
    write_pictures(tmp_path / "from")
    (tmp_path / "from" / "data.csv").write_text(f"path,label,patient\n{rows}b.png,dog,3\n")
    with pytest.raises(DataError, match=message):
        cl.convert(tmp_path / "from", tmp_path / "to", to="csv", split=(0.5, 0.5), group_by=group_by)
    with_patients(tmp_path / "lines", {"a.png": ("cat", None), "b.png": ("dog", 1)}, "metadata")
    with pytest.raises(DataError, match=r"jsonl: line 1: need a text or a number as 'patient', got None"):
        cl.convert(tmp_path / "lines", tmp_path / "to", to="csv", split=(0.5, 0.5), group_by="column:patient")


def test_data_without_columns_has_none_to_group_by(folders, tmp_path):
    with pytest.raises(ArgumentError, match=r"need metadata or csv for a column 'patient', got folders, which has no"):
        cl.convert(folders, tmp_path / "to", to="csv", split=(0.5, 0.5), group_by="column:patient")


def test_splits_stay_what_they_are(tmp_path):
    write_yolo(tmp_path / "from")
    assert read_data(tmp_path / "from").splits == ("train",)
    cl.convert(tmp_path / "from", tmp_path / "voc", to="voc")
    assert read_data(tmp_path / "voc").splits == ("train",)
    found = cl.convert(tmp_path / "from", tmp_path / "coco", to="coco")
    assert "1 split" in found.losses


def test_labels_with_blanks_stay_whole(tmp_path):
    write_pictures(tmp_path / "from")
    rows = "a.png,big cat;\nb.png,small cat;\nempty.png,\n"
    (tmp_path / "from" / "data.csv").write_text("path,labels\n" + rows)
    cl.convert(tmp_path / "from", tmp_path / "to", to="csv")
    assert read_data(tmp_path / "to").class_names == ("big cat", "small cat")
