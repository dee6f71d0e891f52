"""COCO data as people have it: each case after a public report about some tool, remade small."""

import json
from pathlib import Path

import faster_coco_eval.core.mask as coco_masks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.data.formats.coco.boxes import corners_of
from convolens.errors import DataError, FileNote, FormatError
from convolens.media.images import write_image

BBOX, BOX = [40, 20, 20, 40], (40, 20, 60, 60)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100), np.uint8))


def image(number, name: str, **more) -> dict:
    return {"id": number, "file_name": name, "width": 100, "height": 80, **more}


def annotation(picture_number, category=1, **more) -> dict:
    return {"image_id": picture_number, "category_id": category, "bbox": BBOX, "area": 800, "iscrowd": 0, **more}


def write(file: Path, images, annotations, categories=({"id": 1, "name": "cat"}, {"id": 3, "name": "dog"})) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": list(images), "annotations": list(annotations), "categories": list(categories)}
    file.write_text(json.dumps(content))
    return file


def boxes(data) -> dict:
    return {one.path.name: [(data.class_names[box.label], box.xyxy) for box in one.boxes] for one in data.examples}


@pytest.fixture
def pair(tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    return tmp_path


PAIR = (image(1, "a.png"), image(2, "b.png"))


@pytest.mark.parametrize(
    ("numbers", "used"),
    [
        ((1, "3"), (1, "3")),
        ((1, "3"), (1, 3)),
        (("1", 3), (1, "3")),
        ((1.0, 3), (1, 3.0)),
        (("x", "y"), ("x", "y")),
        ((10, "9"), (10, 9)),
    ],
)
def test_numbers_and_texts_may_be_mixed_as_ids(pair, numbers, used):
    categories = [{"id": number, "name": name} for number, name in zip(numbers, ("cat", "dog"), strict=True)]
    images = [image("1", "a.png"), image(2, "b.png")]
    file = write(pair / "a.json", images, [annotation(1, used[0]), annotation("2", used[1])], categories)
    data = read_data(file)
    assert boxes(data) == {"a.png": [("cat", BOX)], "b.png": [("dog", BOX)]}
    assert data.class_names == (("dog", "cat") if numbers[0] == 10 else ("cat", "dog"))  # by number, not by letters


@pytest.mark.parametrize("number", [None, True, 1.5, float("nan"), float("inf"), [1]])
def test_what_is_no_id_is_one_fault(pair, number):
    found = read_with_faults(write(pair / "a.json", PAIR, [annotation(number), annotation(2)]))
    (fault,) = found.faults
    assert "annotation 0: need image_id and category_id" in fault.sentence
    assert boxes(found.data) == {"a.png": [], "b.png": [("cat", BOX)]}
    found = read_with_faults(write(pair / "a.json", [image(number, "a.png"), PAIR[1]], [annotation(2)]))
    assert [fault.kind for fault in found.faults] == ["unreadable annotation"]
    with pytest.raises(FormatError, match="need id, name in each of its categories, got number 0"):
        read_data(write(pair / "a.json", PAIR, [], [{"id": number, "name": "cat"}]))


def test_an_id_given_twice_is_a_fault_and_a_picture_given_twice_is_one(pair):
    file = write(pair / "a.json", [*PAIR, image(1, "b.png")], [])
    with pytest.raises(DataError, match=r"need an id for each picture, got 1 for 'a.png' and 'b.png'"):
        read_data(file)
    file = write(pair / "a.json", PAIR, [], [{"id": 1, "name": "cat"}, {"id": "1", "name": "dog"}])
    with pytest.raises(DataError, match=r"need an id for each category, got '1' for 'dog' and 'cat'"):
        read_data(file)
    assert diagnose(file, progress=False).faults[0].kind == "id given twice"
    for again in (
        1,
        7,
    ):  # under its own id, as where files were joined; under another, as where they were numbered anew
        file = write(pair / "a.json", [*PAIR, image(again, "a.png")], [annotation(1), annotation(again, 3)])
        with pytest.warns(FileNote, match=r"lists 'a.png' more than once, taken as one picture"):
            data = read_data(file)
        assert boxes(data) == {"a.png": [("cat", BOX), ("dog", BOX)], "b.png": []}
        assert data.examples[0].labels == (0, 1)


# Rows 20 to 59 of columns 40 to 59: 40 whole columns and 20 rows of nothing, then 40 and 40 in turn, then the rest.
SQUARE = {"size": [80, 100], "counts": [40 * 80 + 20, *([40, 40] * 19), 40, 20 + 40 * 80]}


@pytest.mark.parametrize("bbox", [{}, {"bbox": None}, {"bbox": []}, {"bbox": [0, 0, 0, 0]}, {"bbox": [None] * 4}])
@pytest.mark.parametrize(
    "outline",
    [
        [[40, 20, 60, 20, 60, 60, 40, 60]],
        [40, 20, 60, 20, 60, 60.0],
        [[], [40, 20, 60, 20, 60, 60]],
        [[40, 20, 45, 20, 45, 30], [50, 50, 60, 60, 50, 60]],
        SQUARE,
    ],
)
def test_an_outline_or_a_mask_gives_its_box(pair, bbox, outline):
    one = annotation(1, segmentation=outline)
    del one["bbox"]
    file = write(pair / "a.json", PAIR, [one | bbox, annotation(2)])
    assert boxes(read_data(file)) == {"a.png": [("cat", BOX)], "b.png": [("cat", BOX)]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bbox": []}, "need bbox of four numbers, or an outline, got neither"),
        ({"bbox": None, "segmentation": []}, "need bbox of four numbers, or an outline, got neither"),
        ({"bbox": [1, 2, 3]}, r"need bbox of four numbers, got \[1, 2, 3\]"),
        ({"bbox": [1, 2, 3, "4"]}, "need bbox of four numbers, got"),
        ({"bbox": [1, 2, 3, True]}, "need bbox of four numbers, got"),
        ({"bbox": [10**400, 2, 3, 4]}, "need bbox of four numbers that a double can hold"),
        ({"bbox": "1 2 3 4"}, "need bbox of four numbers, got '1 2 3 4'"),
        ({"bbox": None, "segmentation": [[]]}, "need outlines of three points or more"),
        ({"bbox": [None] * 4}, "need bbox of four numbers, got"),
        ({"bbox": None, "segmentation": [[1, 2, 3, 4]]}, "need outlines of three points or more"),
        ({"bbox": None, "segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "need outlines of three points or more"),
        ({"bbox": None, "segmentation": [[[1, 2], [3, 4], [5, 6]]]}, "need outlines of numbers"),
        ({"bbox": None, "segmentation": "mask.png"}, "need segmentation as outlines or a mask, got str"),
        ({"bbox": None, "segmentation": {"size": [2], "counts": []}}, "need the size of a mask"),
        ({"bbox": None, "segmentation": {"size": [2, 2], "counts": [1, 1]}}, "need runs that fill the mask's 2×2"),
        ({"bbox": None, "segmentation": {"size": [2, 2], "counts": [5, -1]}}, "need runs that fill the mask's 2×2"),
        ({"bbox": None, "segmentation": {"size": [2, 2], "counts": [4]}}, "need a mask with an object, got one withou"),
        ({"bbox": None, "segmentation": {"size": [2, 2], "counts": "é"}}, "need the compressed runs of a mask"),
        ({"bbox": None, "segmentation": {"size": [2, 2], "counts": "oooooooooooooooo"}}, "need the compressed runs"),
        ({"area": "large"}, "need area as a number or none, got 'large'"),
        ({"area": 10**400}, "need area as a number or none"),
        ({"category_id": None}, "need image_id and category_id"),
    ],
)
def test_one_bad_annotation_is_one_fault(pair, wrong, message):
    file = write(pair / "a.json", PAIR, [annotation(1) | wrong, annotation(2)])
    found = read_with_faults(file)
    with pytest.raises(DataError, match=f"annotation 0: {message}"):
        read_data(file)
    assert [fault.kind for fault in found.faults] == ["unreadable annotation"]
    assert boxes(found.data)["b.png"] == [("cat", BOX)]


def test_an_annotation_that_is_no_object_and_one_for_no_picture_are_faults(pair):
    found = read_with_faults(write(pair / "a.json", PAIR, [7, annotation(9), annotation(9), annotation(1)]))
    assert [fault.kind for fault in found.faults] == ["unreadable annotation", "unknown picture"]


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_the_box_of_a_mask_is_cocos_own(height, width, data):
    rows = data.draw(
        st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=height, max_size=height)
    )
    mask = np.asfortranarray(np.array(rows, np.uint8))
    packed = coco_masks.encode(mask)
    flat = mask.T.ravel()
    ends = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    runs = [0] * int(flat[0]) + np.diff(ends).tolist()
    for counts in (runs, bytes(packed["counts"]).decode()):
        one = {"segmentation": {"size": [height, width], "counts": counts}}
        if mask.any():
            x, y, w, h = np.ravel(coco_masks.toBbox(packed))
            ys, xs = mask.nonzero()
            assert corners_of(one) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x, y, x + w, y + h)
        else:
            with pytest.raises(ValueError, match="without a pixel"):
                corners_of(one)


def published(folder: Path, *kinds: str) -> Path:
    """As COCO publishes it; each kind of file for both splits."""
    for split in ("train", "val"):
        names = [f"{split}{number}.png" for number in (1, 2)]
        for name in names:
            picture(folder / f"{split}2017" / name)
        images = [image(number, name) for number, name in enumerate(names, start=1)]
        for kind in kinds:
            file = folder / "annotations" / f"{kind}_{split}2017.json"
            if kind == "captions":
                file.parent.mkdir(exist_ok=True)
                rows = [{"id": 9, "image_id": 1, "caption": "a cat"}]
                file.write_text(json.dumps({"images": images, "annotations": rows}))
            else:
                one = [annotation(1), annotation(2, 3)][: 1 if kind == "person_keypoints" else 2]
                write(file, images, one)
    return folder


@pytest.mark.parametrize(
    ("kinds", "meant", "count"),
    [
        (("instances", "captions", "person_keypoints"), "instances", 4),
        (("instances", "stuff"), "instances", 4),
        (("captions", "person_keypoints"), "person_keypoints", 2),
        (("lvis_v1", "captions"), "lvis_v1", 4),
        (("panoptic", "mine", "image_info"), "mine", 4),
    ],
)
def test_of_files_for_the_same_pictures_those_with_boxes_are_read(tmp_path, kinds, meant, count):
    with pytest.warns(FileNote, match=rf"passed over beside {meant}_train2017.json, which has the boxes"):
        data = read_data(published(tmp_path, *kinds))
    assert [(one.path.name, one.split) for one in data.examples] == [
        ("train1.png", "train"),
        ("train2.png", "train"),
        ("val1.png", "validation"),
        ("val2.png", "validation"),
    ]
    assert sum(len(one.boxes) for one in data.examples) == count
    assert all(one.path.exists() for one in data.examples)
    found = diagnose(tmp_path, progress=False).findings
    assert [one.count for one in found if one.kind == "other annotations"] == [2 * (len(kinds) - 1)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_json_as_other_shells_write_it(pair, encoding):
    file = write(pair / "a.json", PAIR, [annotation(1)])
    text = file.read_text()
    file.write_bytes((b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding))
    assert boxes(read_data(pair)) == {"a.png": [("cat", BOX)], "b.png": []}


def test_pictures_in_two_files_whose_names_say_nothing_are_refused(pair):
    write(pair / "one.json", PAIR, [annotation(1)])
    write(pair / "two.json", PAIR, [annotation(1, 3)])
    with pytest.raises(DataError, match=r"need each picture in one file, got a.png in one.json and two.json"):
        read_data(pair)


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (("images\\sub\\a.png", "images\\b.png"), ("images/sub/a.png", "images/b.png")),
        ((".\\sub\\a.png", "b.png"), ("images/sub/a.png", "images/b.png")),
        (("C:\\Users\\me\\set\\a.png", "C:\\Users\\me\\set\\b.png"), ("a.png", "b.png")),
        (("/home/me/photos/sub/a.png", "/home/me/photos/b.png"), ("sub/a.png", "b.png")),
    ],
)
def test_paths_of_other_machines_are_found(tmp_path, names, where):
    for place in where:
        picture(tmp_path / place)
    file = write(tmp_path / "a.json", [image(n, name) for n, name in enumerate(names)], [annotation(0)])
    assert [one.path.relative_to(tmp_path).as_posix() for one in read_data(file).examples] == list(where)


@pytest.mark.parametrize("address", ["http://x.org/a.png", "https://x.org/a.png", "S3://bucket/a.png", "gs://b/a.png"])
def test_an_address_is_said_to_be_one(pair, address):
    file = write(pair / "a.json", [image(1, address), PAIR[1]], [annotation(2)])
    with pytest.raises(DataError, match=f"need the names of picture files, got the address '{address}'; download it"):
        read_data(file)
    assert [one.kind for one in diagnose(file, progress=False).faults] == ["address for a picture"]


def test_a_file_that_only_lists_pictures_or_holds_captions_says_so(tmp_path):
    file = tmp_path / "image_info_test.json"
    file.write_text(json.dumps({"images": list(PAIR), "categories": [{"id": 1, "name": "cat"}]}))
    with pytest.raises(FormatError, match="need a list of annotations, got none: it only lists pictures"):
        read_data(file)
    folder = published(tmp_path / "set", "captions")
    with pytest.raises(FormatError, match="need a list of categories, got none: it holds captions"):
        read_data(folder)


@pytest.mark.parametrize(
    "content",
    [
        '{"images":' + "[" * 200_000,
        '{"images":' + '{"a":' * 200_000,
        '{"images": [], "categories": [], "annotations": [' + "[" * 100_000 + "]" * 100_000 + "]}",
        '{"images": [{"id": ' + "1" * 5000 + "}]}",
    ],
)
def test_json_too_deep_or_with_numbers_too_long_is_refused_in_words(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FormatError, match=r"a\.json: need JSON, got "):
        read_data(tmp_path / "a.json", format="coco")


def test_rows_that_are_deep_are_shown_short(pair):
    row = json.loads("[" * 500 + "]" * 500)
    (fault,) = read_with_faults(write(pair / "a.json", PAIR, [row])).faults
    assert len(fault.sentence) < 300


@pytest.mark.parametrize("size", [{"width": 10**30}, {"height": -1}, {"width": 100.0}])
def test_a_size_that_no_picture_has_is_not_believed(pair, size):
    assert read_data(write(pair / "a.json", [image(1, "a.png", **size)], [])).examples[0].size is None


def test_a_name_too_long_for_a_file_is_no_traceback(pair):
    file = write(pair / "a.json", [image(1, "x" * 5000), PAIR[1]], [])
    assert [one.kind for one in diagnose(file, progress=False).faults] == ["unreadable file"]
