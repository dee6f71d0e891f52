import json
import re

import numpy as np
import pytest
from PIL import Image

from convolens.data import load, read_data, read_with_faults
from convolens.errors import ArgumentError, DataError, FileError, FileNote, FormatError
from convolens.media.images import write_image
from tests.data.writing import BOXES, NAMES, WRITERS, coco, write_coco, write_voc, write_yolo


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
    return WRITERS[request.param](tmp_path)


def test_every_format_gives_the_same_boxes_in_pixels(written):
    data = read_data(written)
    assert data.class_names == NAMES
    assert data.kind == "boxes"
    found = {
        example.path.name: [(NAMES[box.label], pytest.approx(box.xyxy)) for box in example.boxes]
        for example in data.examples
    }
    assert found == BOXES
    assert {example.path.name: example.labels for example in data.examples} == {
        "a.png": (0,),
        "b.png": (0, 1),
        "empty.png": (),
    }


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_recognised_as_itself(tmp_path, name):
    source = WRITERS[name](tmp_path)
    expected = {"csv with sizes": "csv", "label studio": "label-studio", "label studio, min": "label-studio"}
    expected["via, a table"] = "via"
    assert read_with_faults(source).format == expected.get(name, name)
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            (path / ".DS_Store").write_bytes(b"{")
            (path / "._a.xml").write_bytes(b"<annotation>")
    assert read_with_faults(source).format == expected.get(name, name)


def test_every_format_says_where_the_pictures_lie(written):
    for example in read_data(written).examples:
        loaded = load(example)
        assert loaded.pixels.shape == (30, 40, 3)
        np.testing.assert_allclose(loaded.boxes_xyxy, np.reshape([b for _, b in BOXES[example.path.name]], (-1, 4)))


def test_every_format_keeps_the_numbers_of_a_models_classes(written):
    data = read_data(written, class_names=("bird", "dog", "cat"))
    assert {example.path.name: example.labels for example in data.examples}["b.png"] == (1, 2)


def test_every_format_refuses_a_class_that_the_model_does_not_know(written):
    with pytest.raises(DataError, match=r"model's classes \(cat, cow\), got 'dog'"):
        read_data(written, class_names=("cat", "cow"))


def test_a_box_without_area_leaves_its_picture_out_with_the_reason(tmp_path):
    content = coco()
    content["annotations"][0]["bbox"] = [2, 4, 0, 16]
    content["annotations"][1]["bbox"] = [10, 10, -3, 4]
    write_coco(tmp_path)
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    data = read_data(tmp_path)
    assert [example.path.name for example in data.examples] == ["empty.png"]
    assert [one.reason.split(": ", 1)[1] for one in data.skipped] == [
        "box without area: need x1 < x2 and y1 < y2, got (2, 4, 2, 20)",
        "inverted box: need x1 < x2 and y1 < y2, got (10, 10, 7, 14)",
    ]


def test_ids_that_a_coco_file_does_not_have_are_faults(tmp_path):
    content = coco()
    content["annotations"][0]["category_id"] = 99
    content["annotations"][1]["image_id"] = 5
    write_coco(tmp_path)
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    assert [fault.kind for fault in read_with_faults(tmp_path).faults] == ["unknown class", "unknown picture"]
    with pytest.raises(DataError, match=r"category_id .* got 99 .*; one of 2 faults, `convolens doctor .*` lists them"):
        read_data(tmp_path)


def test_a_size_that_is_no_number_is_not_believed(tmp_path):
    content = coco()
    content["images"][0] |= {"width": "wide", "height": None}
    write_coco(tmp_path)
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    assert [example.size for example in read_data(tmp_path).examples] == [None, (40, 30), (40, 30)]


def test_areas_and_difficult_objects_are_kept(tmp_path):
    content = coco()
    content["annotations"][0]["area"] = 99.5
    write_coco(tmp_path / "coco")
    (tmp_path / "coco" / "annotations" / "instances.json").write_text(json.dumps(content))
    assert [box.area for example in read_data(tmp_path / "coco").examples for box in example.boxes] == [
        99.5,
        None,
        None,
    ]
    write_voc(tmp_path / "voc")
    (xml,) = (path for path in (tmp_path / "voc").rglob("a.xml"))
    xml.write_text(xml.read_text().replace("</object>", "<difficult>1</difficult></object>"))
    found = [box.difficult for example in read_data(tmp_path / "voc").examples for box in example.boxes]
    assert found == [True, False, False]


def test_a_crowd_is_a_box_but_no_object(tmp_path):
    content = coco()
    content["annotations"][0]["iscrowd"] = 1
    write_coco(tmp_path)
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    (first, *_) = read_data(tmp_path).examples
    assert [box.crowd for box in first.boxes] == [True]
    assert first.objects == first.labels == ()
    assert len(load(first).boxes_xyxy) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [', "need JSON, got "),
        ('{"images": []}', "need a list of categories, got none"),
        ('{"images": [{"id": 1}], "categories": [], "annotations": []}', "need id, file_name in each of its images"),
        (
            '{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, "a"]}]}',
            "annotation 0: need bbox of four numbers, got [1, 'a']",
        ),
        ('{"images": [], "categories": [], "annotations": []}', "need pictures, found none"),
    ],
)
def test_a_json_file_that_is_not_cocos_is_named(tmp_path, content, message):
    file = tmp_path / "a.json"
    file.write_text(content)
    with pytest.raises((FormatError, DataError), match=f"^{re.escape(str(file))}: {re.escape(message)}"):
        read_data(file, format="coco")


def test_parts_come_from_the_names_of_coco_files_and_their_folders(tmp_path):
    for part, number in (("train", 2), ("val", 3)):
        content = coco()
        content["images"] = content["images"][:number]
        (tmp_path / f"{part}2017").mkdir()
        for image in content["images"]:
            write_image(tmp_path / f"{part}2017" / image["file_name"], np.zeros((30, 40), np.uint8))
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(content))
    data = read_data(tmp_path)
    assert data.splits == ("train", "validation")
    assert len(data.split("train")) == 2
    assert data.split("validation").examples[0].path == tmp_path / "val2017" / "a.png"
    with pytest.raises(DataError, match="need a split 'test', got train, validation"):
        data.split("test")


def test_vocs_pixels_count_from_one_unless_a_zero_occurs(tmp_path):
    write_voc(tmp_path)
    file = tmp_path / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<xmin>3<", "<xmin>0<"))
    with pytest.warns(FileNote, match=r"a\.xml: has a corner below 1, so all of them are taken to count from 0"):
        data = read_data(tmp_path)
    boxes = [box.xyxy for example in data.examples for box in example.boxes]
    assert boxes == [(0, 5, 12, 20), (11, 11, 30, 28), (5, 3, 8, 8)]


def test_vocs_own_lists_say_the_parts(tmp_path):
    write_voc(tmp_path)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\nempty\n")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("b  1\n")
    assert [example.split for example in read_data(tmp_path).examples] == ["train", "validation", "train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "need XML, got no element found"),
        ("<html/>", "need an <annotation>, got <html>"),
        ("<annotation><object/></annotation>", "need <name> in each <object>, found none"),
        (
            "<annotation><object><name>cat</name><bndbox><xmin>one</xmin></bndbox></object></annotation>",
            "need a number in <bndbox/xmin>, got 'one'",
        ),
    ],
)
def test_an_xml_file_that_is_not_vocs_is_a_fault(tmp_path, text, message):
    write_voc(tmp_path)
    (tmp_path / "Annotations" / "a.xml").write_text(text)
    found = read_with_faults(tmp_path)
    assert [fault.kind for fault in found.faults] == ["unreadable annotation"]
    assert message in found.faults[0].sentence
    assert len(found.data) == 2


def test_yolos_outlines_become_their_boxes(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text("1 0.1 0.5 0.5 0.2 0.3 0.9\n")
    assert read_data(tmp_path).examples[0].boxes[0].xyxy == pytest.approx((4, 6, 20, 27))


def test_yolos_fractions_are_of_the_picture_as_displayed(tmp_path):
    write_yolo(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "side.jpg", exif=exif)
    (tmp_path / "labels" / "side.txt").write_text("0 0.5 0.5 1 1\n")
    example = next(one for one in read_data(tmp_path).examples if one.path.name == "side.jpg")
    assert example.boxes[0].xyxy == (0, 0, 30, 40)
    assert load(example).pixels.shape == (40, 30, 3)


def test_a_yolo_line_that_cannot_be_read_or_an_unknown_number_is_a_fault(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1\n2 0.5 0.5 1 1\ncat 0.5 0.5 1 1\n")
    sentences = [fault.sentence.split(".txt: ")[1] for fault in read_with_faults(tmp_path).faults]
    assert sentences == [
        "line 1: need a class and four numbers, got '0 0.5 0.5 1'",
        "line 2: need a class of 0 to 1, got 2",
        "line 3: need a class and four numbers, got 'cat 0.5 0.5 1 1'",
    ]


@pytest.mark.parametrize("names", ["names: [cat, 'dog']", "names:\n- cat\n- dog", 'names: {0: cat, 1: "dog"}'])
def test_yolos_names_are_read_in_each_of_their_forms(tmp_path, names):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(f"# ours\ntrain: ../images\n{names}\n")
    assert read_data(tmp_path).class_names == NAMES


def test_yolos_classes_txt_serves_as_well(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert read_data(tmp_path).class_names == NAMES
    assert len(read_data(tmp_path)) == 3


@pytest.mark.parametrize(
    ("text", "kind", "labels"),
    [
        ("path,label\na.png,cat\nb.png,dog\n", "label", [(0,), (1,)]),
        ("a.png,cat\nb.png,dog\n", "label", [(0,), (1,)]),
        ("\ufefffile;class\na.png;cat\nb.png;dog\n", "label", [(0,), (1,)]),
        ("image\ttarget\na.png\tcat\n\nb.png\tdog\n", "label", [(0,), (1,)]),
        ("path,labels\na.png,cat;dog\nb.png,\n", "labels", [(0, 1), ()]),
        ("path,labels\na.png,cat|dog\nb.png,dog\n", "labels", [(0, 1), (1,)]),
        ("path,cat,dog\na.png,1,1\nb.png,0,1\n", "labels", [(0, 1), (1,)]),
    ],
)
def test_a_table_may_have_one_label_several_or_a_column_for_each(tmp_path, text, kind, labels):
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    data = read_data(tmp_path / "labels.csv")
    assert (data.kind, data.class_names) == (kind, ("cat", "dog"))
    assert [example.labels for example in data.examples] == labels
    assert data.examples[0].path == tmp_path / "a.png"


def test_a_column_says_the_part_and_so_do_several_files(tmp_path):
    (tmp_path / "all.csv").write_text("path,label,split\na.png,cat,train\nb.png,dog,valid\n")
    assert [example.split for example in read_data(tmp_path).examples] == ["train", "validation"]
    (tmp_path / "all.csv").unlink()
    (tmp_path / "train.csv").write_text("path,label\na.png,cat\n")
    (tmp_path / "test.csv").write_text("path,label\nb.png,dog\n")
    assert [example.split for example in read_data(tmp_path).examples] == ["test", "train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "need rows with a path and a label, found none"),
        ("colour,shape\nred,round\n", "need columns path and label .*, got colour, shape"),
        ("path,label\na.png,cat\na.png,dog\n", "line 2: need one label for a.png, got cat, dog; for several, use"),
        ("path,label\na.png,cat\nb.png\nc.png,dog\n", r"line 3: need 2 columns with a path, got \['b.png'\]"),
        ("path,label\na.png,cat\nb.png,\nc.png,dog\n", "line 3: need a label, got none"),
        ("path,label,x1,y1,x2,y2\na.png,cat,1,2,3,\n", "line 2: need four numbers for a box, got 1, 2, 3, "),
        ("path,label\na.png,cat\nb.png,cat\n", r"need at least two classes, got one \('cat'\)"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_a_table_in_another_encoding_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes("path,label\na.png,müll\n".encode("latin-1"))
    with pytest.raises(FormatError, match=r"a\.csv: need a table in UTF-8, got other bytes at 18"):
        read_data(tmp_path)


def test_a_format_may_be_named_and_must_be_one_of_them(tmp_path):
    write_yolo(tmp_path)
    assert read_data(tmp_path, format="yolo").kind == "boxes"
    with pytest.raises(ArgumentError, match=r"format: need one of yolo, yolo-seg, coco, .*folders, got 'tfrecord'"):
        read_data(tmp_path, format="tfrecord")


def test_what_is_there_but_no_data_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileError, match=r"notes\.txt: need a folder, \.csv, .* got a file of another kind"):
        read_data(tmp_path / "notes.txt")
    with pytest.raises(FileError, match="/dev/null: need a folder or a file, got a device or a pipe"):
        read_data("/dev/null")
    with pytest.raises(FileError, match=r"nowhere: need .* found nothing there"):
        read_data(tmp_path / "nowhere")


def test_a_cell_in_quotes_may_have_line_breaks_and_later_lines_keep_their_numbers(tmp_path):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, np.zeros((4, 4), np.uint8))
    table = tmp_path / "notes.csv"
    table.write_text('path,label,notes\na.png,cat,"asleep,\nthen not"\nb.png,dog,\nc.png\n', encoding="utf-8")
    reading = read_with_faults(table)
    named = {one.path.name: reading.data.class_names[one.labels[0]] for one in reading.data.examples}
    assert named == {"a.png": "cat", "b.png": "dog"}
    assert ["line 5" in fault.sentence for fault in reading.faults] == [True]
