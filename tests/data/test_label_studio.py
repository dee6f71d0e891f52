"""Label Studio's exports as people have them."""

import json
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.errors import DataError, FileNote, FormatError
from convolens.media.images import write_image

VALUE = {"x": 40, "y": 25, "width": 20, "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}
REGION = {"id": "r", "type": "rectanglelabels", "original_width": 100, "original_height": 80, "value": VALUE}
SQUARE = (40, 20, 60, 60)


@pytest.fixture
def pair(tmp_path):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, np.zeros((80, 100), np.uint8))
    return tmp_path


def task(*regions, image="/data/upload/1/0a1b2c3d-a.png", **more) -> dict:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(regions)}]} | more


def write(folder: Path, *tasks) -> Path:
    file = folder / "export.json"
    file.write_text(json.dumps(list(tasks)))
    return file


def boxes(data) -> list:
    return [
        [(data.class_names[box.label], tuple(round(one, 6) for one in box.xyxy)) for box in example.boxes]
        for example in data.examples
    ]


def region(**changes) -> dict:
    return REGION | {"value": {**VALUE, **changes}}


@pytest.mark.parametrize(
    ("regions", "box"),
    [
        ([REGION], SQUARE),
        # 90 degrees clockwise about the upper left corner: 40 pixels of height go to the left, 20 of width down.
        ([region(x=60, rotation=90, height=25, width=40)], (40, 20, 60, 60)),
        ([region(x=60, y=75, rotation=180)], SQUARE),
        ([region(rotation=360)], SQUARE),
        ([{**REGION, "original_width": None}], SQUARE),  # of the picture's own header
        ([REGION | {"type": "polygonlabels", "value": {"points": [[40, 25], [60, 25], [60, 75]],
          "polygonlabels": ["cat"]}}], SQUARE),
        ([REGION | {"type": "ellipselabels", "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 25,
          "ellipselabels": ["cat"]}}], SQUARE),
        ([REGION | {"type": "rectangle", "value": {k: v for k, v in VALUE.items() if k != "rectanglelabels"}},
          REGION | {"type": "labels", "value": {**VALUE, "labels": ["cat"]}}], SQUARE),
    ],
)  # fmt: skip
def test_shapes_become_upright_boxes_in_pixels(pair, regions, box):
    assert boxes(read_data(write(pair, task(*regions)))) == [[("cat", box)]]


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0a1b2c3d-a.png",
        "/data/upload/a.png",
        "/data/local-files/?d=set/a.png",
        "/data/local-files/?d=C%3A%5Cset%5Ca.png",
        "https://example.org/pictures/a.png?sign=1",
        "s3://bucket/set/a.png",
        "http://localhost:8080/data/local-files/?d=set%2Fa.png",
        "a.png",
        "upload/1/0a1b2c3d-A.PNG",
    ],
)
def test_a_picture_is_found_by_the_end_of_its_address(pair, address):
    (example,) = read_data(write(pair, task(REGION, image=address))).examples
    assert example.path == pair / "a.png"


def test_an_address_of_a_picture_that_is_not_here_is_a_fault(pair):
    with pytest.raises(DataError, match=r"task 0: need the names of picture files, got the address 'https://x.org/c.p"):
        read_data(write(pair, task(REGION, image="https://x.org/c.png"), task(REGION)))


def test_choices_are_labels_of_the_picture(pair):
    def chosen(*names, image):
        return task({"type": "choices", "value": {"choices": list(names)}}, image=image)

    one = read_data(write(pair, chosen("cat", image="a.png"), chosen("dog", image="b.png")))
    assert (one.kind, [example.labels for example in one.examples]) == ("label", [(0,), (1,)])
    several = read_data(write(pair, chosen("cat", "dog", image="a.png"), chosen(image="b.png")))
    assert (several.kind, [example.labels for example in several.examples]) == ("labels", [(0, 1), ()])
    config = '<View><Image name="i" value="$image"/><Choices name="c" toName="i" choice="multiple">{}</Choices></View>'
    (pair / "config.xml").write_text(config.format('<Choice value="dog"/><Choice value="cat"/><Choice value="cow"/>'))
    told = read_data(write(pair, chosen("cat", image="a.png"), chosen("dog", image="b.png")))
    assert (told.kind, told.class_names) == ("labels", ("dog", "cat", "cow"))


@pytest.mark.parametrize(("field", "value"), [("choice", "cat"), ("anything", {"choices": ["cat"]}), ("class", "cat")])
def test_choices_of_json_min_are_labels_too(pair, field, value):
    rows = [{"image": "/data/upload/1/0a1b2c3d-a.png", "annotation_id": 1, "lead_time": 2.5, field: value}]
    rows.append({**rows[0], "image": "b.png", field: "dog" if isinstance(value, str) else {"choices": ["dog"]}})
    data = read_data(write(pair, *rows))
    assert (data.kind, data.class_names) == ("label", ("cat", "dog"))


def test_what_nobody_annotated_is_left_out_and_what_shows_nothing_is_not(pair):
    file = write(pair, task(REGION), {"id": 2, "data": {"image": "b.png"}, "annotations": []}, task(image="b.png"))
    with pytest.warns(FileNote, match="task 1 is not annotated, and is left out"):
        assert boxes(read_data(file)) == [[("cat", SQUARE)], []]


def test_data_that_nobody_annotated_at_all_says_so(pair):
    with pytest.raises(DataError, match=r"need pictures, found none; .*task 0 is not annotated, and is left out"):
        read_data(write(pair, {"data": {"image": "a.png"}, "predictions": []}))


def test_of_several_annotations_the_ground_truth_or_the_first_is_taken_with_a_word(pair):
    other = REGION | {"value": {**VALUE, "rectanglelabels": ["dog"]}}
    two = [{"result": [REGION]}, {"result": [other], "ground_truth": True}]
    cancelled = [{"result": [other], "was_cancelled": True}, {"result": [REGION]}]
    file = write(pair, task(annotations=two), task(image="b.png", annotations=cancelled))
    with pytest.warns(FileNote, match="task 0 has 2 annotations, of which one is taken"):
        assert boxes(read_data(file)) == [[("dog", SQUARE)], [("cat", SQUARE)]]


def test_predictions_serve_where_there_is_nothing_else_with_a_word(pair):
    scored = {"predictions": [{"model_version": "1", "score": 0.5, "result": [REGION | {"score": 0.25}]}]}
    file = write(pair, task(annotations=[], **scored))
    with pytest.warns(FileNote, match="task 0 is not annotated; its first prediction is taken"):
        assert read_data(file).examples[0].boxes[0].score == 0.25


@pytest.mark.parametrize("kind", ["brushlabels", "keypointlabels", "videorectangle"])
def test_what_has_no_box_is_passed_over_with_a_word(pair, kind):
    file = write(pair, task(REGION, {"type": kind, "value": {"rle": [1, 2], kind: ["cat"]}}))
    with pytest.warns(FileNote, match=f"task 0: passed over a region that is no box or outline: {kind}"):
        assert boxes(read_data(file)) == [[("cat", SQUARE)]]
    assert [one.count for one in diagnose(file, progress=False).findings if one.kind == "shape passed over"] == [1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (7, "task 0: need an object, got 7"),
        ({"data": 7}, "task 0: need data with the picture's address, got 7"),
        ({"data": {}}, "task 0: need a field with the address of a picture, got none"),
        ({"data": {"text": 3}, "annotations": []}, "task 0: need a field with the address of a picture, got text"),
        (task(annotations=3), "task 0: need a list of annotations, got 3"),
        (task(annotations=[{"result": [3]}]), r"task 0: need a list of result, got \[3\]"),
        (task(REGION | {"value": None}), "task 0: region 0: need a value, got"),
        (task(region(x="10")), "task 0: region 0: need x in percent, got '10'"),
        (task(region(x=10**400)), "task 0: region 0: need x in percent, got 1000"),
        (task(region(width=float("nan"))), "task 0: region 0: need width in percent, got nan"),
        (task(region(rectanglelabels=[])), "task 0: region 0: need a label for the rectangle, got none"),
        (task(region(rectanglelabels="cat")), "task 0: region 0: need labels that are texts, got 'cat'"),
        (task(REGION | {"image_rotation": 90}), "task 0: region 0: need a picture as it is, got regions of one"),
        (task(REGION | {"type": "polygonlabels"}), "task 0: region 0: need three points or more, got None"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_fault_and_the_others_are_read(pair, wrong, message):
    found = read_with_faults(write(pair, wrong, task(REGION, image="b.png")), format="label-studio")
    assert len(found.faults) == 1
    with pytest.raises(DataError, match=message):
        read_data(write(pair, wrong, task(REGION, image="b.png")), format="label-studio")
    assert boxes(found.data)[-1] == [("cat", SQUARE)]


@pytest.mark.parametrize("content", ["[" * 200_000, '[{"data":' + "[" * 100_000, '{"a": 1}', "[", ""])
def test_json_that_is_no_list_of_tasks_is_refused_in_words(pair, content):
    (pair / "a.json").write_text(content)
    with pytest.raises(FormatError, match=r"a\.json: need (JSON|a list of tasks), got "):
        read_data(pair / "a.json", format="label-studio")
