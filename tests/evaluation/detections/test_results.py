import json

import pytest

from convolens.errors import DataError, FormatError
from convolens.evaluation.detections import read_coco_ids, write_coco_results

ANNOTATIONS = {
    "images": [{"id": 70, "file_name": "a.jpg"}, {"id": 71, "file_name": "deep/a.jpg"}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
    "annotations": [],
}


def written(folder, *lines):
    (folder / "truth.json").write_text(json.dumps(ANNOTATIONS))
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    count = write_coco_results(folder / "predictions.jsonl", folder / "truth.json", folder / "results.json")
    rows = json.loads((folder / "results.json").read_text())
    assert count == len(rows)
    return rows


def line(path, *rows):
    boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return {"path": path, "boxes_xyxy": boxes, "labels": labels, "scores": scores}


def test_ids_are_found_by_name_and_boxes_have_a_width_and_a_height(tmp_path):
    rows = written(
        tmp_path,
        line("photos/a.jpg", ((1.0, 2.0, 4.0, 8.0), "cat", 0.5), ((0.0, 0.0, 2.0, 2.0), "dog", 0.25)),
        line("photos/deep/a.jpg", ((3.0, 3.0, 4.0, 5.0), "cat", 0.75)),
        line("photos/deep/a.jpg"),
        {"path": "photos/broken.jpg", "error": "cannot be read"},
    )
    assert rows == [
        {"image_id": 70, "category_id": 17, "bbox": [1.0, 2.0, 3.0, 6.0], "score": 0.5},
        {"image_id": 70, "category_id": 18, "bbox": [0.0, 0.0, 2.0, 2.0], "score": 0.25},
        {"image_id": 71, "category_id": 17, "bbox": [3.0, 3.0, 1.0, 2.0], "score": 0.75},
    ]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (line("b.jpg", ((0, 0, 1, 1), "cat", 0.5)), r"truth\.json: need a picture named like b\.jpg, got none"),
        (line("a.jpg", ((0, 0, 1, 1), "owl", 0.5)), r"truth\.json: need a category 'owl', which the model found"),
        (
            {"path": "a.jpg", "labels": ["cat"]},
            r"predictions\.jsonl: need predictions with boxes, got a line with path",
        ),
    ],
)
def test_what_the_annotations_do_not_know_is_refused_and_nothing_written(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        written(tmp_path, row)
    assert not (tmp_path / "results.json").exists()


def test_a_file_without_annotations_serves_and_is_checked_before_the_work(tmp_path):
    file = tmp_path / "image_info_test.json"
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": "8", "file_name": ".\\deep\\b.jpg"}]
    file.write_text(json.dumps({"images": images, "categories": ANNOTATIONS["categories"]}))
    known = read_coco_ids(file, ["cat", "owl"])
    lines = tmp_path / "predictions.jsonl"
    rows = [line("photos/deep/b.jpg", ((0.0, 0.0, 1.0, 1.0), "cat", 0.5)), line("photos/a.jpg")]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for annotations in (known, file):
        assert write_coco_results(lines, annotations, tmp_path / "results.json") == 1
        (row,) = json.loads((tmp_path / "results.json").read_text())
        assert (row["image_id"], row["category_id"]) == ("8", 17)
    with pytest.raises(DataError, match=r"need categories named like the model's classes \(owl\), got dog, cat"):
        read_coco_ids(file, ["owl"])
    file.write_text(json.dumps({"images": [{"id": 1}], "categories": ANNOTATIONS["categories"]}))
    with pytest.raises(FormatError, match="need id, file_name in each of its images, got number 0"):
        read_coco_ids(file, ["cat"])


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[1]"])
def test_lines_that_are_no_predictions_are_refused_in_words(tmp_path, text):
    (tmp_path / "truth.json").write_text(json.dumps(ANNOTATIONS))
    (tmp_path / "predictions.jsonl").write_text(text + "\n")
    with pytest.raises(FormatError, match=r"predictions\.jsonl: need "):
        write_coco_results(tmp_path / "predictions.jsonl", tmp_path / "truth.json", tmp_path / "results.json")
