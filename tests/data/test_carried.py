"""What readers keep beside labels and boxes: outlines, where they are asked for, ids and marks."""

import json
from array import array

import pytest

from convolens.data import read_data
from convolens.errors import FileNote
from tests.data.writing import coco, write_coco, write_pictures, write_voc

TRIANGLE = [2.0, 4.0, 12.0, 4.0, 12.0, 20.0]


def coco_with(folder, **changes):
    content = coco()
    content["annotations"][0] |= changes
    write_coco(folder)
    (folder / "annotations" / "instances.json").write_text(json.dumps(content))
    return folder


def test_outlines_of_coco_are_read_where_they_are_asked_for(tmp_path):
    folder = coco_with(tmp_path, segmentation=[TRIANGLE])
    assert read_data(folder, outlines=True).examples[0].boxes[0].outlines == (array("d", TRIANGLE),)
    assert read_data(folder).examples[0].boxes[0].outlines == ()


def test_a_mask_of_coco_gives_its_outline_where_it_is_asked_for(tmp_path):
    folder = coco_with(tmp_path, segmentation={"size": [30, 40], "counts": [100, 5, 1095]})  # rows 10 to 14 of column 3
    assert read_data(folder, outlines=True).examples[0].boxes[0].outlines == (array("d", [3, 10, 4, 10, 4, 15, 3, 15]),)


def test_an_outline_of_two_points_is_a_fault_where_it_is_asked_for(tmp_path):
    folder = coco_with(tmp_path, segmentation=[[1, 2, 3, 4]])
    with pytest.raises(Exception, match="need outlines of three points or more"):
        read_data(folder, outlines=True)
    assert len(read_data(folder)) == 3


def test_coco_keeps_ids_of_pictures_and_classes_and_scores(tmp_path):
    data = read_data(coco_with(tmp_path, score=0.25))
    assert [example.id for example in data.examples] == [10, 11, 12]
    assert dict(zip(data.class_names, data.class_ids, strict=True)) == {"cat": 3, "dog": 7}
    assert data.examples[0].boxes[0].score == 0.25


def test_class_ids_of_coco_that_are_their_places_are_not_kept(tmp_path):
    folder = coco_with(tmp_path)
    file = folder / "annotations" / "instances.json"
    text = file.read_text().replace('"id": 3', '"id": 0').replace('"id": 7', '"id": 1')
    file.write_text(
        text.replace('"category_id": 3', '"category_id": 0').replace('"category_id": 7', '"category_id": 1')
    )
    assert read_data(folder).class_ids == ()


def test_outlines_of_yolo_are_in_pixels(tmp_path):
    write_pictures(tmp_path / "images")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.1 0.2 0.3 0.2 0.3 0.4\n0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    with pytest.warns(FileNote, match="no text file"):
        first, second = read_data(tmp_path, outlines=True).examples[0].boxes
    assert list(first.outlines[0]) == pytest.approx([4, 6, 12, 6, 12, 12])
    assert second.outlines == ()


def test_voc_keeps_what_is_truncated(tmp_path):
    file = write_voc(tmp_path) / "Annotations" / "b.xml"
    file.write_text(file.read_text().replace("<name>dog</name>", "<name>dog</name><truncated>1</truncated>"))
    assert [box.truncated for box in read_data(tmp_path).examples[1].boxes] == [True, False]
