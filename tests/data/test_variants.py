"""Data as programs and competitions really have it, where one thing is told in several ways."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.errors import DataError, FileNote
from convolens.media.images import write_image

LINE = "0 0.5 0.5 0.2 0.5\n"
SQUARE = (40, 20, 60, 60)
OBJECT = (
    "<object><name>cat</name><bndbox><xmin>41</xmin><ymin>21</ymin><xmax>60</xmax><ymax>60</ymax></bndbox></object>"
)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100), np.uint8))


def text(path: Path, content: str = LINE, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def squares(data) -> list:
    """Of every example: its split, and whether it has the one square of a cat."""
    found = []
    for one in data.examples:
        boxes = [(data.class_names[box.label], tuple(round(float(x), 4) for x in box.xyxy)) for box in one.boxes]
        found.append((one.split, boxes == [("cat", SQUARE)]))
    return found


# YOLO


@pytest.mark.parametrize("label", ["labels/0.jpg.txt", "images/0.jpg.txt", "labels/0.TXT"])
def test_a_text_may_be_named_after_the_whole_name_of_its_picture(tmp_path, label):
    picture(tmp_path / "images" / "0.jpg")
    text(tmp_path / label)
    text(tmp_path / "classes.txt", "cat\n")
    assert squares(read_data(tmp_path)) == [("", True)]


@pytest.mark.parametrize("splits", [("Train", "Validation"), ("train", "val"), ("TRAIN", "Test")])
def test_cvats_subsets_are_splits_in_any_capitals(tmp_path, splits):
    for name in splits:
        picture(tmp_path / f"obj_{name}_data" / "0.jpg")
        text(tmp_path / f"obj_{name}_data" / "0.txt")
        text(tmp_path / f"{name}.txt", f"data/obj_{name}_data/0.jpg\n")
    text(tmp_path / "obj.names", "cat\n")
    lists = "".join(f"{name} = data/{name}.txt\n" for name in splits)
    text(tmp_path / "obj.data", f"classes = 1\n{lists}names = data/obj.names\n")
    assert {split for split, _ in squares(read_data(tmp_path))} == {
        {"train": "train", "val": "validation", "validation": "validation", "test": "test"}[name.lower()]
        for name in splits
    }
    (tmp_path / "obj.data").unlink()
    text(tmp_path / "data.yaml", "path: .\nnames: {0: cat}\n" + lists.replace(" = data/", ": "))
    assert [right for _, right in squares(read_data(tmp_path))] == [True, True]


@pytest.mark.parametrize(
    ("images", "labels"), [("images", "labels"), ("train/images", "train/labels"), ("a", "labels")]
)
def test_text_files_without_names_of_classes_ask_for_them(tmp_path, images, labels):
    picture(tmp_path / images / "0.jpg")
    text(tmp_path / labels / "0.txt")
    with pytest.raises(DataError, match=r"need a data.yaml or classes.txt with the names of the classes"):
        read_data(tmp_path)


def test_a_folder_of_other_texts_is_no_class_without_pictures_and_says_so(tmp_path):
    picture(tmp_path / "images" / "0.jpg")
    text(tmp_path / "annotations" / "0.txt", "1,7,40,20,20,40,1,4,0,0\n")  # VisDrone's of films
    with pytest.raises(DataError, match=r"need pictures of the class 'annotations', found none, but .txt, of no"):
        read_data(tmp_path)


def test_label_studios_yolo_has_a_file_of_notes_beside_it(tmp_path):
    picture(tmp_path / "images" / "0a1b2c3d-0.jpg")
    text(tmp_path / "labels" / "0a1b2c3d-0.txt")
    text(tmp_path / "classes.txt", "cat\n")
    text(tmp_path / "notes.json", json.dumps({"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}}))
    assert squares(read_data(tmp_path)) == [("", True)]


@pytest.mark.parametrize("line", ["0 " + "0.5 0.5 1 " * 17 + "0.5 0.5", "0 0.5 0.5 0.2 0.5 0.1 0.1 2"])
def test_key_points_without_kpt_shape_ask_for_it(tmp_path, line):
    picture(tmp_path / "images" / "0.jpg")
    text(tmp_path / "labels" / "0.txt", line)
    text(tmp_path / "classes.txt", "cat\n")
    if len(line.split()) % 2:
        line += " 1"
        text(tmp_path / "labels" / "0.txt", line)
    (fault,) = read_with_faults(tmp_path).faults
    assert "data.yaml needs their kpt_shape" in fault.sentence


# COCO

IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 20, 20, 40]}


def coco(file: Path, image=IMAGE, **changes) -> Path:
    content = {"images": [image], "annotations": [ANNOTATION | changes], "categories": [{"id": 1, "name": "cat"}]}
    return text(file, json.dumps(content))


@pytest.mark.parametrize(
    ("mark", "crowd"),
    [("0", False), (False, False), ("false", False), (None, False), ("1", True), (True, True), (1, 1)],
)
def test_a_crowd_is_one_only_where_it_says_so(tmp_path, mark, crowd):
    picture(tmp_path / "a.jpg")
    assert read_data(coco(tmp_path / "a.json", iscrowd=mark)).examples[0].boxes[0].crowd == crowd


@pytest.mark.parametrize("mark", ["many", 2, [0]])
def test_a_crowd_that_is_neither_is_a_fault(tmp_path, mark):
    picture(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="annotation 0: need iscrowd as 0 or 1, got"):
        read_data(coco(tmp_path / "a.json", iscrowd=mark))


@pytest.mark.parametrize(
    ("file", "name", "there"),
    [
        ("lvis_v1_train.json", {"coco_url": "http://images.cocodataset.org/train2017/1.jpg"}, "train2017/1.jpg"),
        ("zhiyuan_objv2_train.json", {"file_name": "images/v1/patch8/1.jpg"}, "train/patch8/1.jpg"),  # Objects365
        ("annotations/instances_default.json", {"file_name": "1.jpg"}, "images/default/1.jpg"),  # CVAT
        ("annotations/instances_Train.json", {"file_name": "1.jpg"}, "images/train/1.jpg"),
        ("result.json", {"file_name": "images\\1.jpg"}, "images/1.jpg"),  # Label Studio
        ("result.json", {"file_name": "../../label-studio/data/media/upload/1/1.jpg"}, "images/1.jpg"),
    ],
)
def test_published_and_exported_files_find_their_pictures(tmp_path, file, name, there):
    picture(tmp_path / there)
    image = {"id": 1, "width": 100, "height": 80, **name}
    data = read_data(coco(tmp_path / file, image))
    assert [one.path for one in data.examples] == [tmp_path / there]
    assert [right for _, right in squares(data)] == [True]


@pytest.mark.parametrize("bbox", [[0, 0, 0, 0], [0.0, 0.0, 0.0, 0.0], [0, 0.0, 0, 0]])
def test_a_box_of_zeros_beside_an_outline_is_none(tmp_path, bbox):
    picture(tmp_path / "a.jpg")
    file = coco(tmp_path / "a.json", bbox=bbox, segmentation=[[40, 20, 60, 20, 60, 60]])
    assert squares(read_data(file)) == [("", True)]
    data = read_data(coco(tmp_path / "a.json", bbox=bbox))
    assert not data.examples and "box without area" in data.skipped[0].reason


# VOC


def test_the_years_of_vocdevkit_are_one_set(tmp_path):
    for year in ("VOC2007", "VOC2012"):
        picture(tmp_path / "VOCdevkit" / year / "JPEGImages" / "a.jpg")
        text(tmp_path / "VOCdevkit" / year / "Annotations" / "a.xml", f"<annotation>{OBJECT}</annotation>")
    text(tmp_path / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "train.txt", "a\n")
    for root in (tmp_path, tmp_path / "VOCdevkit"):
        assert squares(read_data(root)) == [("train", True), ("", True)]


def test_one_xml_file_may_be_given(tmp_path):
    picture(tmp_path / "a.jpg")
    assert squares(read_data(text(tmp_path / "a.xml", f"<annotation>{OBJECT}</annotation>"))) == [("", True)]


def test_folders_in_annotations_are_those_of_the_pictures(tmp_path):
    for split in ("train", "val"):
        picture(tmp_path / "JPEGImages" / split / "a.jpg")
        text(tmp_path / "Annotations" / split / "a.xml", f"<annotation>{OBJECT}</annotation>")
    data = read_data(tmp_path)
    assert squares(data) == [("train", True), ("validation", True)]
    assert data.examples[0].path == tmp_path / "JPEGImages" / "train" / "a.jpg"


@pytest.mark.parametrize(
    "shape",
    [
        "<bndbox><xmin>41</xmin><ymin>21</ymin><xmax>60</xmax><ymax>60</ymax></bndbox><polygon><x1>41</x1></polygon>",
        "<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>40</h><angle>0</angle></robndbox>",  # roLabelImg
        "<robndbox><cx>50</cx><cy>40</cy><w>40</w><h>20</h><angle>1.5707963267948966</angle></robndbox>",
        "<polygon><pt><x>40</x><y>20</y></pt><pt><x>60</x><y>20</y></pt><pt><x>60</x><y>60</y></pt></polygon>",
    ],
)
def test_outlines_and_turned_boxes_in_xml_become_upright_boxes(tmp_path, shape):
    picture(tmp_path / "a.jpg")
    gone = OBJECT.replace("</name>", "</name><deleted>1</deleted>")
    text(tmp_path / "a.xml", f"<annotation><object><name>cat</name>{shape}</object>{gone}</annotation>")
    assert squares(read_data(tmp_path)) == [("", True)]


def test_a_picture_that_vocs_lists_name_without_an_xml_file_shows_nothing_with_a_word(tmp_path):
    for name in "ab":
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
    text(tmp_path / "Annotations" / "a.xml", f"<annotation>{OBJECT}</annotation>")
    text(tmp_path / "ImageSets" / "Main" / "train.txt", "a\nb\nc\n")
    with pytest.warns(FileNote, match=r"b\.jpg: has no XML file, and is taken to show nothing$"):
        assert squares(read_data(tmp_path)) == [("train", True), ("train", False)]


@pytest.mark.parametrize("entity", ['<!ENTITY a "b">', '<!ENTITY a SYSTEM "/etc/passwd">', '<!ENTITY % a "b">'])
def test_entities_are_refused(tmp_path, entity):
    picture(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", f"<!DOCTYPE annotation [{entity}]><annotation>{OBJECT}</annotation>")
    (fault,) = read_with_faults(tmp_path).faults
    assert "need XML without entities of its own" in fault.sentence


# Folders


@pytest.mark.parametrize("name", ["@eaDir", "$RECYCLE.BIN", "System Volume Information", "#recycle", "lost+found"])
def test_what_disks_bring_along_is_no_class_and_no_picture(tmp_path, name):
    for folder in ("cat", "dog", name, f"cat/{name}"):
        picture(tmp_path / folder / "a.jpg")
    data = read_data(tmp_path)
    assert data.class_names == ("cat", "dog") and len(data) == 2


@pytest.mark.parametrize("name", ["log.csv", "results.csv", "notes.xml", "package.json"])
def test_files_about_something_else_do_not_hide_folders_of_classes(tmp_path, name):
    for folder in ("cat", "dog"):
        picture(tmp_path / folder / "a.jpg")
    text(tmp_path / name, {"xml": "<project/>", "json": '{"name": "x"}'}.get(name[-3:], "epoch,time,loss\n1,2,3\n"))
    assert read_data(tmp_path).class_names == ("cat", "dog")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_class_is_one_whichever_way_its_accents_are_written(tmp_path, forms):
    for split, form in zip(("train", "val"), forms, strict=True):
        for name in ("é", "b"):
            picture(tmp_path / split / unicodedata.normalize(form, name) / "a.jpg")
    data = read_data(tmp_path)
    assert [unicodedata.normalize("NFC", name) for name in data.class_names] == ["b", "é"]
    assert sorted(one.labels for one in data.examples) == [(0,), (0,), (1,), (1,)]
    assert read_data(tmp_path, class_names=("é", "b")).class_names == ("é", "b")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p-export.json", '{"tags": [], "assets": {"x": {"regions": []}}}'),  # VoTT
        ("train/_annotations.createml.json", '[{"image": "a.jpg", "annotations": [{"label": "cat"}]}]'),
        ("via_project.json", '{"project": {"pid": "1"}, "file": {"1": {"fid": "1", "fname": "a.jpg"}}}'),  # VIA 3
    ],
)
def test_annotations_of_no_known_format_are_named(tmp_path, name, content):
    picture(tmp_path / "train" / "a.jpg") if "/" in name else picture(tmp_path / "a.jpg")
    text(tmp_path / name, content)
    with pytest.raises(DataError, match=f"found no folders in it; {name} is of no format that is known"):
        read_data(tmp_path)


# Tables


@pytest.mark.parametrize(
    "table",
    [
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,80,cat,40,20,60,60\n",  # Roboflow, TensorFlow
        '"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",40.0,20.0,60.0,60.0,"cat"\n',  # VoTT
        "a.jpg,40,20,60,60,cat\n",  # RetinaNet
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
        "cat,40,20,20,40,a.jpg,100,80\n",  # makesense.ai
        "Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId;Path\n100;80;40;20;60;60;cat;a.jpg\n",  # traffic signs
        'image_id,width,height,bbox,label\na,100,80,"[40.0, 20.0, 20.0, 40.0]",cat\n',  # wheat
        "ImageId,bbox,class\na,40 20 20 40,cat\n",
        "Image Name, Class Name, X-Min, Y-Min, X-Max, Y-Max\na.jpg, cat, 40, 20, 60, 60\n",
        "image_id,class_name,class_id,x_min,y_min,x_max,y_max\na,cat,7,40,20,60,60\n",
        "filename\tleft\ttop\tright\tbottom\tlabel\na.jpg\t40\t20\t60\t60\tcat\n",
        "path|label|x1|y1|x2|y2\na.jpg|cat|40|20|60|60\n",
        "sep=;\npath;label;x1;y1;x2;y2\na.jpg;cat;40,0;20,0;60,00;+60,0\n",  # a spreadsheet's
        "# boxes\n# by hand\npath,label,x1,y1,x2,y2\r\na.jpg,cat,40,20,60,60\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_columns_of_boxes_are_found_by_name(tmp_path, table, encoding):
    picture(tmp_path / "train" / "a.jpg")
    file = text(tmp_path / "train" / "_annotations.csv", table, encoding)
    for source in (file, tmp_path):
        assert squares(read_data(source)) == [("", True)]
    assert not diagnose(file, progress=False).faults
    file.rename(tmp_path / "train.csv")
    assert squares(read_data(tmp_path)) == [("", True)]


@pytest.mark.parametrize(
    ("table", "kind", "labels"),
    [
        ("id,breed\na,cat\nb,dog\n", "label", ("cat", "dog")),
        ("image_id,label\na,0\nb,1\n", "label", ("0", "1")),
        ("Filename,Cat,Dog\na,1,0\nb,0,1\n", "labels", ("Cat", "Dog")),
        ("filename, Cat, Dog\na.jpg, 1, 0\nb.jpg, 0, 1\n", "labels", ("Cat", "Dog")),  # Roboflow's _classes.csv
        ("image_id,Smiling,Young\na.jpg,1,-1\nb.jpg,-1,1\n", "labels", ("Smiling", "Young")),  # CelebA
        ("img_name,x,y\na.jpg,True,False\nb.jpg,False,True\n", "labels", ("x", "y")),
        ("path,x,y\na.jpg,1.0,0.0\nb.jpg,0.0,1.0\n", "labels", ("x", "y")),
    ],
)
def test_columns_of_labels_are_found_by_name_or_by_what_is_in_them(tmp_path, table, kind, labels):
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.jpg")
    data = read_data(text(tmp_path / "train.csv", table))
    assert (data.kind, data.class_names) == (kind, labels)
    assert [one.labels for one in data.examples] == [(0,), (1,)]
    assert all(one.path.exists() for one in data.examples)


def test_boxes_of_no_class_are_of_one_with_a_word(tmp_path):
    picture(tmp_path / "a.jpg")
    file = text(tmp_path / "a.csv", "image,xmin,ymin,xmax,ymax\na.jpg,40,20,60,60\n")  # a competition about cars
    with pytest.warns(FileNote, match="has no class of its boxes, which are taken as 'object'"):
        data = read_data(file)
    assert data.class_names == ("object",) and data.examples[0].boxes[0].xyxy == SQUARE
    assert [one.kind for one in diagnose(file, progress=False).findings] == ["class without a name"]


def test_a_label_without_a_box_is_a_picture_without_objects_with_a_word(tmp_path):
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    rows = "a.jpg,cat,40,20,60,60\nb.jpg,No finding,,,,\n"  # X-rays of a competition
    file = text(tmp_path / "a.csv", "image_id,class_name,x_min,y_min,x_max,y_max\n" + rows)
    with pytest.warns(FileNote, match="line 3: has 'No finding' without a box, taken to show nothing"):
        data = read_data(file)
    assert data.class_names == ("cat",) and data.examples[1].labels == ()


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (("haze primary", "clear primary", "haze", "clear", "primary"), ("clear", "haze", "primary")),
        (("hot dog", "cat", "cat"), ("cat", "hot dog")),
        (("hot dog;cat", "cat", "cat"), ("cat", "hot dog")),
        (("hot dog | cat", "cat", "hot dog"), ("cat", "hot dog")),
    ],
)
def test_blanks_separate_labels_only_where_that_names_fewer(tmp_path, cells, names, recwarn):
    rows = "".join(f"{at}.jpg,{cell}\n" for at, cell in enumerate(cells))
    assert read_data(text(tmp_path / "a.csv", "image_name,tags\n" + rows)).class_names == names
    assert ["blanks to separate" in str(one.message) for one in recwarn] == [True] * (len(names) == 3)


def test_tables_of_answers_and_of_other_things_are_passed_over_with_a_word(tmp_path):
    for name in "ab":
        picture(tmp_path / "train" / f"{name}.jpg")
    text(tmp_path / "train.csv", "id,label\na,cat\nb,dog\n")
    text(tmp_path / "sample_submission.csv", "id,label\nc,cat\nd,cat\n")
    text(tmp_path / "log.csv", "epoch,time,loss\n1,2,3\n")
    with pytest.warns(FileNote, match=r"log.csv: passed over: need columns path and label .*; one of 2"):
        data = read_data(tmp_path)
    assert [one.path.name for one in data.examples] == ["a.jpg", "b.jpg"]


def test_decisions_on_labels_are_no_data_beside_what_they_are_about(tmp_path):
    for name in ("train/cat/a.jpg", "train/dog/b.jpg", "val/cat/c.jpg"):
        picture(tmp_path / name)
    rows = "path,label,suggested,probability,decision\ntrain/cat/a.jpg,cat,dog,0.9,relabel\n"
    text(tmp_path / "labels.changes.csv", rows)
    assert len(read_data(tmp_path)) == 3


@pytest.mark.parametrize("column", ["text", "caption", "prompt"])
def test_captions_are_no_classes(tmp_path, column):
    picture(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=f"need columns path and label .* got file_name, {column}"):
        read_data(text(tmp_path / "metadata.csv", f"file_name,{column}\na.jpg,a cat on a mat\n"))
