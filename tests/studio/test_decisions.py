"""Decisions: made, undone, redone; the file of them makes the data that was meant, and the user's files stay."""

import hashlib
import json

import pytest

from convolens import cli
from convolens.data import read_data
from convolens.errors import ArgumentError
from convolens.labels import apply_changes
from convolens.labels.change_files import read_changes
from convolens.studio.gallery import decisions
from convolens.studio.gallery.changes import apply_command, write_decisions
from convolens.studio.gallery.listing import page_of
from convolens.studio.gallery.view import View
from tests.studio.gallery_data import coco, folders, looked_through, made


@pytest.fixture
def database(tmp_path):
    return made(tmp_path / "home")


@pytest.fixture
def data(database, tmp_path):
    return looked_through(database, folders(tmp_path / "pets", (("cat", 3), ("dog", 3))))


def rows(database, data):
    return page_of(database, View(data.id), data.classes).pictures


def digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def state(database, data):
    return [(row.decision, row.new_labels) for row in rows(database, data)]


def test_every_decision_is_undone_and_redone(database, data):
    first, second, third, *_ = rows(database, data)
    states = [state(database, data)]
    for step in (
        lambda: decisions.relabel(database, data, first.id, ["dog"]),
        lambda: decisions.keep(database, data, second.id),
        lambda: decisions.set_aside(database, data, third.id),
        lambda: decisions.keep(database, data, first.id),
    ):
        step()
        states.append(state(database, data))
    assert states[1][0] == ("relabel", ("dog",))
    assert states[4][:3] == [("keep", None), ("keep", None), ("set aside", None)]
    for before in reversed(states[:-1]):
        assert decisions.undo(database, data) is not None
        assert state(database, data) == before
    assert decisions.undo(database, data) is None
    for after in states[1:]:
        assert decisions.redo(database, data) is not None
        assert state(database, data) == after
    assert decisions.redo(database, data) is None
    assert decisions.counts(database, data) == {"keep": 2, "set aside": 1, "": 9}


def test_what_was_undone_is_not_redone_over_another_decision(database, data):
    first, second, *_ = rows(database, data)
    decisions.keep(database, data, first.id)
    decisions.undo(database, data)
    decisions.set_aside(database, data, second.id)
    decisions.undo(database, data)
    assert decisions.redo(database, data).picture == second.id
    assert decisions.redo(database, data) is None
    assert state(database, data)[0] == ("", None)


@pytest.mark.parametrize("form", ["label-studio", "folders", "csv"])
def test_the_file_of_decisions_makes_the_data_that_was_meant(database, data, tmp_path, form):
    pets = tmp_path / "pets"
    before, truth = digests(pets), read_data(pets)
    first, second, third, *_ = rows(database, data)
    decisions.relabel(database, data, first.id, ["dog"])
    decisions.set_aside(database, data, second.id)
    decisions.keep(database, data, third.id)
    file = write_decisions(database, data, tmp_path / "home")
    assert [(one.path, one.decision) for one in read_changes(file)] == [
        ("train/cat/0.png", "fix"), ("train/cat/1.png", "set aside"), ("train/cat/2.png", "keep"),
    ]  # fmt: skip
    if form == "folders":
        assert cli.run(apply_command(data, file, tmp_path / "new", form)) == 0
    else:
        apply_changes(file, pets, to=tmp_path / "new", format=form, progress=False)
    new = read_data(tmp_path / "new")

    def told(data):
        return sorted((hashlib.sha256(one.path.read_bytes()).hexdigest(), data.class_names[one.labels[0]])
                      for one in data.examples)  # fmt: skip

    expected = sorted(
        (digest, "dog" if digest == before[first.path] else label)
        for digest, label in told(truth)
        if digest != before[second.path]
    )
    assert told(new) == expected
    assert digests(pets) == before


def test_a_box_is_fixed_and_the_others_keep_what_was_known_of_them(database, tmp_path):
    data = looked_through(database, coco(tmp_path / "street"))
    first, second, third = rows(database, data)
    car, van = first.objects
    decisions.fix(database, data, first.id, [("car", (1, 2, 14, 12.5)), (van.label, van.xyxy)])
    decisions.fix(database, data, second.id, [("van", second.objects[0].xyxy)])
    decisions.set_aside(database, data, third.id)
    assert [one.xyxy for one in rows(database, data)[0].shown_objects] == [(1, 2, 14, 12.5), van.xyxy]
    file = write_decisions(database, data, tmp_path / "home")
    assert file.name == "labels.changes.jsonl"
    source = tmp_path / "street" / "instances.json"
    before = source.read_bytes()
    found = apply_changes(file, tmp_path / "street", to=tmp_path / "new", format="coco", progress=False)
    assert (found.fixed, found.set_aside, found.relabelled) == (2, 1, 0)
    new = read_data(tmp_path / "new")
    assert [[(new.class_names[box.label], tuple(box.xyxy)) for box in one.boxes] for one in new.examples] == [
        [("car", (1, 2, 14, 12.5)), ("van", van.xyxy)], [("van", car.xyxy)],
    ]  # fmt: skip
    assert [box.area for box in new.examples[0].boxes][1] == 300  # of the van, as COCO had it
    assert source.read_bytes() == before
    written = json.loads(next((tmp_path / "new").rglob("*.json")).read_text())
    assert len(written["images"]) == 2


def test_a_box_is_cut_to_its_picture(database, tmp_path):
    data = looked_through(database, coco(tmp_path / "street", 1))
    [row] = rows(database, data)
    decisions.fix(database, data, row.id, [("van", (-5, 10, 100, 99))])
    assert rows(database, data)[0].shown_objects[0].xyxy == (0, 10, 40, 30)


def test_what_cannot_be_decided_is_refused(database, data, tmp_path):
    first = rows(database, data)[0].id
    street = looked_through(database, coco(tmp_path / "street", 1))
    box = rows(database, street)[0].id
    for wrong, words in (
        (lambda: decisions.relabel(database, data, first, ["lynx"]), "label: need one of"),
        (lambda: decisions.relabel(database, data, first, ["cat", "dog"]), "label: need one class"),
        (lambda: decisions.keep(database, data, box), "picture: need the number of one of"),
        (lambda: decisions.fix(database, data, first, []), "need data with boxes"),
        (lambda: decisions.relabel(database, street, box, ["car"]), "need boxes with other classes"),
        (lambda: decisions.fix(database, street, box, [("car", (5, 5, 5, 9))]), "boxes: box without area"),
        (
            lambda: decisions.fix(database, street, box, [("car", (float("nan"), 0, 1, 1))]),
            "boxes: box without numbers",
        ),
        (lambda: decisions.fix(database, street, box, [("car", (1, 2, 3))]), "boxes: need four corners"),
        (lambda: decisions.fix(database, street, box, [("bus", (1, 2, 3, 4))]), "label: need one of"),
    ):
        with pytest.raises(ArgumentError, match=words):
            wrong()
    assert decisions.undo(database, data) is None
