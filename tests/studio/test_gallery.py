"""Data as rows: every view is what a loop over the data would choose and sort, and every page follows the last."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolens.data import read_data
from convolens.errors import ArgumentError
from convolens.media.images import write_image
from convolens.studio.gallery.decisions import fix
from convolens.studio.gallery.filler import Filler
from convolens.studio.gallery.filling import fill, opened
from convolens.studio.gallery.galleries import galleries, gallery
from convolens.studio.gallery.listing import count_of, page_of, picture_of
from convolens.studio.gallery.results import kinds_of_findings, take_findings, take_suspects
from convolens.studio.gallery.thumbnails import Thumbnails
from convolens.studio.gallery.view import View
from tests.studio.gallery_data import HOSTILE, coco, folders, looked_through, made, predicted, table, took


@pytest.fixture
def database(tmp_path):
    return made(tmp_path / "home")


@pytest.fixture
def data(database, tmp_path):
    return looked_through(database, folders(tmp_path / "pets"))


def shown(database, data, **values):
    """All pictures of a view, by pages of two; each page must follow the last."""
    view, after, found = View(data.id, **values), "", []
    while True:
        page = page_of(database, view, data.classes, after=after, count=2)
        assert found == [] or page.start is None
        found += page.pictures
        at = page_of(database, view, data.classes, start=len(found) - len(page.pictures), count=2)
        assert [one.id for one in at.pictures] == [one.id for one in page.pictures]
        if not page.after:
            assert len(found) == count_of(database, view, data.classes)
            return found
        after = page.after


def test_what_the_data_says_is_in_the_rows(database, data):
    truth = read_data(data.path)
    assert (data.kind, data.classes, data.state, data.total) == ("label", truth.class_names, "ready", len(truth))
    rows = shown(database, data)
    assert [(str(row.path), row.labels, row.split) for row in rows] == [
        (str(one.path), tuple(truth.class_names[label] for label in one.labels), one.split) for one in truth.examples
    ]
    for row in rows:
        with Image.open(row.path) as image:
            assert row.size == image.size
    assert [one.id for one in galleries(database)] == [data.id]


def test_filters_choose_what_a_loop_would(database, data):
    rows = shown(database, data)
    for values, wanted in (
        ({"label": "cat"}, lambda one: one.labels == ("cat",)),
        ({"label": HOSTILE}, lambda one: one.labels == (HOSTILE,)),
        ({"label": "lynx"}, lambda one: False),
        ({"split": "validation"}, lambda one: one.split == "validation"),
        ({"smallest": 15, "largest": 20}, lambda one: 15 <= min(one.size) <= 20),
        ({"label": "dog", "split": "train"}, lambda one: one.labels == ("dog",) and one.split == "train"),
        ({"decided": "keep"}, lambda one: False),
        ({"decided": "undecided"}, lambda one: True),
    ):
        assert [one.id for one in shown(database, data, **values)] == [one.id for one in rows if wanted(one)], values
    by_size = sorted(rows, key=lambda one: min(one.size))
    assert [one.id for one in shown(database, data, order="side")] == [one.id for one in by_size]


def test_predictions_are_sorted_by_mistake_and_doubt(database, data, tmp_path):
    rows = shown(database, data)
    scores = [0.5 + 0.4 * ((7 * at) % 11) / 11 for at in range(len(rows))]
    said = {str(row.path): ("cat" if at % 3 else "dog", scores[at], "dog" if at % 3 else "cat")
            for at, row in enumerate(rows)}  # fmt: skip
    model = predicted(database, data, tmp_path, said)
    wrong = [(-scores[at], row.id) for at, row in enumerate(rows) if said[str(row.path)][0] not in row.labels]
    found = shown(database, data, order="mistake", model=model)
    assert [one.id for one in found] == [id_ for _, id_ in sorted(wrong)]
    unsure = sorted((2 * score - 1, row.id) for row, score in zip(rows, scores, strict=True))
    assert [one.id for one in shown(database, data, order="unsure", model=model)] == [id_ for _, id_ in unsure]
    first = found[0].predictions[0]
    assert (first.label, first.score) == said[str(found[0].path)][:2]
    for values, wanted in (
        ({"predicted": "dog"}, lambda at, row: at % 3 == 0),
        ({"right": "yes"}, lambda at, row: said[str(row.path)][0] in row.labels),
        ({"right": "no", "label": "cat"}, lambda at, row: row.labels == ("cat",) and at % 3 == 0),
        ({"above": 0.6, "below": 0.7}, lambda at, row: 0.6 <= scores[at] < 0.7),
    ):
        ids = [row.id for at, row in enumerate(rows) if wanted(at, row)]
        assert [one.id for one in shown(database, data, model=model, **values)] == ids, values


def test_two_models_are_side_by_side_where_they_differ_most(database, data, tmp_path):
    rows = shown(database, data)
    one = predicted(database, data, tmp_path, {str(row.path): ("cat", 0.9, "dog") for row in rows})
    said = {str(row.path): (("dog", 0.9, "cat") if at == 4 else ("cat", 0.9 - at / 100, "dog"))
            for at, row in enumerate(rows)}  # fmt: skip
    other = predicted(database, data, tmp_path, said, "other.safetensors")
    found = shown(database, data, order="differ", model=one, beside=other)
    assert found[0].id == rows[4].id
    assert [each.label for each in found[0].predictions] == ["cat", "dog"]
    assert [row.id for row in found[1:3]] == [rows[-1].id, rows[-2].id]


def test_a_detector_is_wrong_as_often_as_evaluate_counts(database, tmp_path):
    data = looked_through(database, coco(tmp_path / "street"))
    paths = [str(one.path) for one in shown(database, data)]
    car, van = [2, 3, 12, 11], [20, 5, 35, 25]
    lines = [
        {"path": paths[0], "labels": ["car", "van"], "scores": [0.9, 0.8], "boxes_xyxy": [car, van]},
        {"path": paths[1], "labels": ["van"], "scores": [0.7], "boxes_xyxy": [car]},  # another class, and one missed
        {"path": paths[2], "labels": [], "scores": [], "boxes_xyxy": []},  # both missed
    ]
    model = took(database, data, tmp_path, lines)
    assert [str(one.path) for one in shown(database, data, order="mistake", model=model)] == paths[1:]
    assert [str(one.path) for one in shown(database, data, right="yes", model=model)] == paths[:1]
    [right] = shown(database, data, right="yes", model=model)
    assert [(one.label, list(one.xyxy), one.score) for one in right.predictions[0].objects] == [
        ("car", car, 0.9), ("van", van, 0.8),
    ]  # fmt: skip
    assert [one.path for one in shown(database, data, predicted="-", model=model)] == [Path(paths[2])]


def test_the_doctors_findings_and_groups_of_copies(database, data, tmp_path):
    paths = [str(one.path) for one in shown(database, data)]
    rows = [
        {"level": "fault", "kind": "copy", "path": paths[1], "text": "as it", "other": paths[0]},
        {"level": "fault", "kind": "copy", "path": paths[5], "text": "as it", "other": paths[1]},
        {"level": "note", "kind": "near copy", "path": paths[3], "text": "", "other": paths[2]},
        {"level": "note", "kind": "small picture", "path": paths[3], "text": "8×8 pixels", "other": ""},
        {"level": "note", "kind": "small picture", "path": "elsewhere.png", "text": "", "other": ""},
    ]
    assert take_findings(database, data, table(tmp_path / "found.csv", rows)) == 4
    alike = [str(one.path) for one in shown(database, data, order="alike")]
    assert alike == [paths[0], paths[1], paths[5], paths[2], paths[3]]
    found = shown(database, data, order="findings")
    assert [str(one.path) for one in found] == [paths[1], paths[5], paths[3]]
    assert found[2].findings == ("near copy", "small picture: 8×8 pixels")
    assert [str(one.path) for one in shown(database, data, finding="small picture")] == [paths[3]]
    assert kinds_of_findings(database, data) == {"copy": 2, "near copy": 1, "small picture": 1}
    take_findings(database, data, table(tmp_path / "found.csv", rows[3:4]))
    assert shown(database, data, order="alike") == []


def test_suspects_are_sorted_by_how_likely_wrong_they_are(database, data, tmp_path):
    paths = [str(one.path) for one in shown(database, data)]
    rows = [{"path": paths[at], "label": "cat", "suggested": "dog", "probability": chance, "like_label": paths[0],
             "like_suggested": ""} for at, chance in ((1, 0.7), (2, 0.95))]  # fmt: skip
    assert take_suspects(database, data, table(tmp_path / "suspects.csv", rows)) == 2
    found = shown(database, data, order="wrong")
    assert [(str(one.path), one.wrong, one.suggested) for one in found] == [
        (paths[2], 0.95, "dog"), (paths[1], 0.7, "dog"),
    ]  # fmt: skip
    first = shown(database, data)[0].id
    assert found[0].likenesses == (first, None)


def test_boxes_that_are_likely_wrong_are_shown_as_they_likely_are_and_decided_on(database, tmp_path):
    data = looked_through(database, coco(tmp_path / "street"))
    first, second, _ = (str(one.path) for one in shown(database, data))
    row = {"path": first, "label": "van", "suggested": "van", "probability": 0.9, "kind": "shifted",
           "box": "20 5 35 25", "suggested_box": "22 5 36.5 25"}  # fmt: skip
    rows = [
        row,
        row
        | {
            "label": "car",
            "suggested": "",
            "kind": "invented",
            "box": "2 3 12 11",
            "suggested_box": "",
            "probability": 0.8,
        },
        row
        | {"path": second, "label": "", "suggested": "car", "kind": "missing", "box": "", "suggested_box": "1 1 9 9"},
    ]
    assert take_suspects(database, data, table(tmp_path / "suspects.csv", rows)) == 3
    found = shown(database, data, order="wrong")
    assert [(one.wrong, one.suggested) for one in found] == [(0.9, "shifted van, invented car"), (0.9, "missing car")]
    assert [(one.label, one.xyxy) for one in found[0].likely_objects] == [("van", (22, 5, 36.5, 25))]
    assert [one.label for one in found[1].likely_objects] == ["car", "van", "car"]
    assert shown(database, data)[2].likely_objects is None
    fix(database, data, found[0].id, [(one.label, one.xyxy) for one in found[0].likely_objects])
    assert [one.xyxy for one in shown(database, data)[0].new_objects] == [(22, 5, 36.5, 25)]
    take_suspects(database, data, table(tmp_path / "suspects.csv", rows[2:]))
    assert shown(database, data)[0].likely_objects is None


def test_a_second_reading_keeps_what_is_known_and_drops_what_is_gone(database, data, tmp_path):
    rows = shown(database, data)
    model = predicted(database, data, tmp_path, {str(row.path): ("cat", 0.9, "dog") for row in rows})
    rows[0].path.unlink()
    write_image(rows[1].path.with_name("new.png"), np.zeros((9, 9, 3), np.uint8))
    fill(database, data.id)
    again = shown(database, data, model=model)
    assert len(again) == len(rows)
    assert {row.id for row in rows[1:]} < {row.id for row in again}
    assert [one.predictions[0] is None for one in again].count(True) == 1


def test_data_is_read_by_a_process_of_its_own(database, tmp_path):
    number, filler = (
        opened(database, folders(tmp_path / "more", (("cat", 1), ("dog", 1)), ("train",))),
        Filler(database),
    )
    filler.go_on(gallery(database, number))
    filler._running[number].wait(120)
    assert (gallery(database, number).state, gallery(database, number).total) == ("ready", 2)
    filler.go_on(gallery(database, number))
    assert filler._running[number].returncode == 0
    filler.close()


def test_data_that_cannot_be_read_says_why(database, tmp_path):
    (tmp_path / "empty").mkdir()
    number = opened(database, tmp_path / "empty")
    fill(database, number)
    found = gallery(database, number)
    assert found.state == "failed"
    assert "need" in found.problem
    with pytest.raises(ArgumentError, match="data: need the number of data that was opened, got 99"):
        gallery(database, 99)


def test_a_view_is_its_url(data):
    view = View(data.id, label=HOSTILE, split="train", model=3, above=0.25, order="mistake")
    query = dict(pair.split("=") for pair in view.query().split("&"))
    assert "<" not in view.query()
    from urllib.parse import unquote_plus

    assert View.from_query(data.id, {name: unquote_plus(value) for name, value in query.items()}) == view
    assert View(data.id).query() == ""


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"order": "mistake"}, "order: need a model"),
        ({"order": "differ", "model": "1"}, "order: need two models"),
        ({"order": "random"}, "order: need one of"),
        ({"split": "all"}, "split: need"),
        ({"above": "2", "model": "1"}, "above: need a number from 0 to 1"),
        ({"model": "x"}, "model: need a number, got 'x'"),
        ({"model": "1e12"}, "model: need a number"),
        ({"smallest": "nan"}, "smallest: need a number"),
        ({"predicted": "cat"}, "predicted: need the model"),
    ],
)
def test_values_that_are_none_are_refused(query, words):
    with pytest.raises(ArgumentError, match=words):
        View.from_query(1, query)


def test_places_and_numbers_that_are_none_are_refused(database, data):
    view = View(data.id)
    for options, words in (
        ({"after": "x"}, "after: need the place"), ({"count": 0}, "count: need"), ({"start": -1}, "count: need"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            page_of(database, view, data.classes, **options)
    with pytest.raises(ArgumentError, match="picture: need the number of one of this data"):
        picture_of(database, view, data.classes, 12345)


def test_a_thumbnail_is_the_picture_small_and_is_made_anew_when_the_file_changes(tmp_path):
    path = tmp_path / "photo.png"
    write_image(path, np.full((600, 900, 3), (200, 30, 90), np.uint8))
    kept = Thumbnails(tmp_path)
    jpeg, stamp = kept.jpeg(path)
    assert kept.jpeg(path) == (jpeg, stamp)
    (tmp_path / "small.jpg").write_bytes(jpeg)
    with Image.open(tmp_path / "small.jpg") as image:
        assert image.size == (224, 149)
        assert np.abs(np.asarray(image).astype(int) - (200, 30, 90)).max() <= 4
    write_image(path, np.full((60, 90, 3), 0, np.uint8))
    newer, other = kept.jpeg(path)
    assert other != stamp
    assert newer != jpeg
    path.write_bytes(b"no picture")
    assert kept.jpeg(path) is None
    assert kept.jpeg(tmp_path / "none.png") is None


def test_thumbnails_do_not_grow_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("convolens.studio.gallery.thumbnails.MOST_BYTES", 30_000)
    monkeypatch.setattr("convolens.studio.gallery.thumbnails.CHECKED_EVERY", 5)
    kept, rng = Thumbnails(tmp_path), np.random.default_rng(0)
    for at in range(20):
        write_image(tmp_path / f"{at}.png", rng.integers(0, 255, (60, 60, 3), dtype=np.uint8))
        kept.jpeg(tmp_path / f"{at}.png")
    with kept._open() as connection:
        names = {json.dumps(path) for (path,) in connection.execute("SELECT path FROM thumbnails")}
        size = connection.execute("SELECT sum(length(jpeg)) FROM thumbnails").fetchone()[0]
    assert size <= 30_000
    assert json.dumps(str(tmp_path / "19.png")) in names


def test_all_of_the_data_is_not_counted_again_and_a_part_of_it_is(database, tmp_path):
    data = looked_through(database, folders(tmp_path / "pets", (("cat", 3), ("dog", 2)), ("train",)))
    assert data.state == "ready" and data.total == 5
    known = 99  # what is told of all the data holds for all of it alone
    assert count_of(database, View(data.id), data.classes, known) == 99
    assert count_of(database, View(data.id, order="side"), data.classes, known) == 99
    for view, count in (
        (View(data.id, label="cat"), 3),
        (View(data.id, smallest=9999), 0),
        (View(data.id, order="alike"), 0),
    ):
        assert count_of(database, view, data.classes, known) == count
