"""Teach: classes made on the spot, the command line that a training becomes, and answers that are corrected."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens.data import read_data
from convolens.errors import ArgumentError
from convolens.studio.jobs.curves import curves
from convolens.studio.made_data import made as made_data
from tests.studio.conftest import pixels_in, png, queued
from tests.studio.gallery_data import coco

GRAY = np.full((20, 20, 3), 99, np.uint8)


@pytest.fixture
def made(client):
    answer = client.post("/teach/data", data={"name": "my cups", "classes": "full\nhalf full, empty\n\nfull"})
    assert answer.status_code == 200 and answer.url.path == "/teach/data/my cups"
    return "/teach/data/my%20cups"


def test_classes_are_folders_of_the_projects_own(client, project, made):
    assert sorted(one.name for one in (project.data / "my cups").iterdir()) == ["empty", "full", "half full"]
    assert "two are needed" in client.get(made).text and "my cups" in client.get("/teach").text


def test_pictures_are_added_shown_and_removed(client, project, made):
    files = [("file", ("a.png", png(GRAY))), ("file", ("a.png", png(GRAY)))]
    answer = client.post(f"{made}/add", data={"label": "half full"}, files=files)
    assert answer.status_code == 200 and "2 pictures" in answer.text
    one, other = sorted(path.name for path in (project.data / "my cups" / "half full").iterdir())
    shown = client.get(f"{made}/picture.jpg", params={"label": "half full", "picture": one})
    assert pixels_in(shown).shape == (20, 20, 3)
    client.post(f"{made}/remove", data={"label": "half full", "picture": one})
    assert [path.name for path in (project.data / "my cups" / "half full").iterdir()] == [other]


def test_pictures_to_draw_boxes_in_are_data_of_a_format_that_is_read(client, project):
    files = [("file", (f"{number}.png", png(GRAY + np.uint8(number)))) for number in range(3)]
    answer = client.post("/teach/data/boxes", data={"name": "street", "classes": "car, bus"}, files=files)
    assert answer.status_code == 200 and "Draw boxes in street" in answer.text
    data = read_data(project.data / "street")
    assert (data.kind, data.class_names, len(data.examples)) == ("boxes", ("car", "bus"), 3)
    assert client.get("/teach/data/street").status_code == 400  # no folder for each class
    assert (
        client.post(
            "/teach/data/boxes", data={"name": "b", "classes": "a"}, files={"file": ("a.png", b"no")}
        ).status_code
        == 400
    )
    assert sorted(one.name for one in project.data.iterdir()) == ["street"]


def test_what_cannot_be_a_class_or_a_picture_is_refused(client, project, made):
    for data, words in (
        ({"classes": "one"}, "classes: need from 2 to 100 names, got 1"),
        ({"name": "a", "classes": "one"}, "classes: need from 2 to 100 names, got 1"),
        ({"name": "my cups", "classes": "a\nb"}, "name: need one that is not taken"),
        ({"name": "../out", "classes": "a\nb"}, "name: need one that a folder can have"),
        ({"name": "b", "classes": "a\n<script>x</script>"}, "name: need one that a folder can have"),
        ({"name": ".hidden", "classes": "a\nb"}, "name: need one that a folder can have"),
    ):
        answer = client.post("/teach/data", data=data)
        assert answer.status_code == 400 and words in answer.text, answer.text
    assert [one.name for one in project.data.iterdir()] == ["my cups"]
    files = [("file", ("a.png", png(GRAY))), ("file", ("b.png", b"none"))]
    assert client.post(f"{made}/add", data={"label": "full"}, files=files).status_code == 400
    for label in ("../my cups/full", "..", ".", "/", str(project.data / "my cups" / "full")):  # all are folders
        assert client.post(f"{made}/add", data={"label": label}, files=files[:1]).status_code == 400, label
    assert client.post(f"{made}/remove", data={"label": "full", "picture": "../../../studio.db"}).status_code == 400
    assert client.get("/teach/data/..%2f..").status_code in (400, 404)
    assert list((project.data / "my cups" / "full").iterdir()) == []


@pytest.mark.parametrize("name", ["../../photos", "..", ".", "", "my cups/full", "my cups\0"])
def test_only_data_made_here_is_found_by_its_name(project, made, name):
    assert made_data(project, "my cups") == project.data / "my cups"
    with pytest.raises(ArgumentError, match="data: need data made in the studio"):
        made_data(project, name)


def test_a_training_is_the_command_line_that_one_would_type(waiting, client, app, project):
    form = {"data": "photos", "task": "classify"}
    assert client.post("/teach/train", data=form).url.path == "/jobs/1"
    assert queued(app).arguments == ["train", "classify", "photos", "--out", ".studio/runs/photos"]
    assert queued(app).again == [*queued(app).arguments, "--resume"]
    client.post(
        "/teach/train", data={**form, "amount": "all", "minutes": "0.5", "trunk": "resnet18", "taps": "layer1, layer2"}
    )
    assert " ".join(queued(app).arguments) == (
        "train classify photos --out .studio/runs/photos --trunk resnet18 --stem small "
        "--tap layer1 --tap layer2 --finetune all --minutes 0.5 --checkpoint-seconds 5"
    )
    client.post("/teach/train", data={"data": "photos", "task": "detect", "trunk": "vgg16/hed"})
    assert "--trunk vgg16 --weights hed --finetune all --minutes 2" in " ".join(queued(app).arguments)


def test_what_cannot_be_trained_is_refused_before_it_is_a_job(waiting, client, app, project):
    (project.folder / "-x").mkdir()
    for form, status in (
        ({"data": "../elsewhere"}, 400), ({"data": "photos", "task": "paint"}, 400),
        ({"data": "photos", "trunk": "resnet18/--out"}, 400), ({"data": "photos", "minutes": "-1"}, 422),
        ({"data": "photos", "amount": "some"}, 422), ({}, 422),
    ):  # fmt: skip
        assert client.post("/teach/train", data=form).status_code == status, form
    assert app.state.queue.jobs() == []
    client.post("/teach/train", data={"data": "-x"})
    assert queued(app).arguments[2] == "./-x"  # a folder, no option


def test_a_picture_is_tried_and_a_wrong_answer_put_into_a_copy_of_the_data(client, project, model):
    before = sorted(project.folder.glob("photos/**/*"))
    answer = client.post("/teach/play", data={"run": model}, files={"file": ("new.png", png(GRAY))})
    assert answer.status_code == 200
    file = answer.url.params["file"]
    expected = cl.load(project.folder / model).predict(project.folder / file)
    assert f'<h2 id="answer">{expected.labels[0]}</h2>' in answer.text
    assert f"{100 * expected.scores[0]:.1f} %" in answer.text
    answer = client.post("/teach/play/correct", data={"run": model, "file": file, "label": "light"})
    assert "Noted: this is light" in answer.text and ".studio/data/photos-corrected" in answer.text
    copied = project.data / "photos-corrected"
    assert len(list(copied.glob("dark/*"))) == 3 and len(list(copied.glob("light/*"))) == 4
    client.post("/teach/play/correct", data={"run": model, "file": file, "label": "dark"})
    assert len(list(copied.glob("dark/*"))) == 4  # into the same copy
    assert sorted(project.folder.glob("photos/**/*")) == before
    assert client.post("/teach/play/correct", data={"run": model, "file": file, "label": "cat"}).status_code == 400


def test_what_is_no_model_or_no_picture_is_a_sentence(client, project, model):
    assert "need a trained model" in client.get("/teach/play", params={"run": "photos"}).text
    assert client.get("/teach/play", params={"run": "../x"}).status_code == 400
    assert client.get("/teach/play", params={"run": model, "file": "photos"}).status_code == 400
    answer = client.post("/teach/play", data={"run": model}, files={"file": ("a.png", b"none")})
    assert answer.status_code == 400 and list(project.uploads.iterdir()) == []


def test_what_a_detector_finds_is_drawn(client, project):
    cl.detector("resnet18", classes=["a", "b"], width=0.25, size=96).save(project.runs / "d.safetensors")
    query = {"run": ".studio/runs/d.safetensors", "file": "photos/dark/0.png"}
    assert client.get("/teach/play", params=query).status_code == 200
    assert Image.open(BytesIO(client.get("/teach/play/answer.jpg", params=query).content)).width >= 64


def test_classes_without_a_name_are_called_after_them(client, project):
    for _ in range(2):
        client.post("/teach/data", data={"classes": "cat\ndog"})
    client.post("/teach/data", data={"classes": "\n".join(f"class {number:02}" for number in range(20))})
    names = sorted(one.name for one in project.data.iterdir())
    assert names[:2] == ["cat, dog", "cat, dog 2"]
    assert names[2].startswith("class 00, class 01") and len(names[2]) <= 60
    assert "cat, dog 2" in client.get("/teach/data/cat,%20dog%202").text


def test_one_who_fills_the_last_class_is_led_back_to_it(client, made):
    client.follow_redirects = False
    answer = client.post(f"{made}/add", data={"label": "half full"}, files={"file": ("a.png", png(GRAY))})
    assert answer.headers["location"] == "/teach/data/my%20cups#class-3"


@pytest.fixture
def detector(project):
    run = project.runs / "street"
    run.mkdir()
    cl.detector("resnet18", classes=["car", "van"], width=0.25, size=96).save(run / "best.safetensors")
    return ".studio/runs/street"


def corrected(client, run, file, labels, boxes):
    return client.post("/teach/play/boxes", data={"run": run, "file": file, "label": labels, "boxes": boxes})


def told(folder):
    data = read_data(folder)
    return {one.path.name: [(data.class_names[box.label], *box.xyxy) for box in one.boxes] for one in data.examples}


def test_wrong_boxes_are_corrected_into_data_that_grows(client, project, detector):
    before = sorted(project.folder.glob("photos/**/*"))
    page = client.get("/teach/play", params={"run": detector, "file": "photos/dark/0.png"}).text
    assert 'id="stage" data-width="64" data-height="48"' in page and 'name="boxes"' in page
    answer = corrected(client, detector, "photos/dark/0.png", ["car", "van", "car"], ["1 2 30 40", "-5,3,20,90", ""])
    assert answer.status_code == 200 and "Noted: this is 2 boxes" in answer.text
    target = project.data / "street-corrected"
    assert told(target) == {"corrected-0.png": [("car", 1, 2, 30, 40), ("van", 0, 3, 20, 48)]}
    corrected(client, detector, "photos/light/1.png", ["van"], ["5 5 9 9"])
    corrected(client, detector, "photos/light/2.png", [], [])  # there is nothing in it
    corrected(client, detector, "photos/dark/0.png", ["van"], ["1 2 30 40"])  # once more: these hold
    assert told(target) == {
        "corrected-0.png": [("van", 1, 2, 30, 40)], "corrected-1.png": [("van", 5, 5, 9, 9)], "corrected-2.png": [],
    }  # fmt: skip
    assert [one.name for one in project.data.iterdir()] == ["street-corrected"]
    assert sorted(project.folder.glob("photos/**/*")) == before


def test_wrong_boxes_of_ones_own_data_go_into_a_copy(client, project, detector):
    coco(project.folder / "street", 4)
    (project.folder / detector / "config.json").write_text('{"settings": {"data": "street"}}')
    own = told(project.folder / "street")
    files = {one: one.read_bytes() for one in (project.folder / "street").rglob("*") if one.is_file()}
    assert corrected(client, detector, "photos/dark/0.png", ["car"], ["1 2 30 40"]).status_code == 200
    assert told(project.data / "street-corrected") == own | {"corrected-0.png": [("car", 1, 2, 30, 40)]}
    assert {one: one.read_bytes() for one in (project.folder / "street").rglob("*") if one.is_file()} == files


def test_boxes_that_cannot_be_are_refused_and_leave_the_data_alone(client, project, detector, model):
    corrected(client, detector, "photos/dark/0.png", ["car"], ["1 2 30 40"])
    before = told(project.data / "street-corrected")
    for labels, boxes, words in (
        (["car"], ["1 2 3"], "need four corners"), (["bus"], ["1 2 3 4"], "label: need one of car, van"),
        (["car"], ["9 9 1 1"], "inverted box"), (["car"], ["a b c d"], "need four numbers"),
        (["car", "van"], ["1 2 3 4"], "need a class for each box"), (["car"], ["70 1 90 5"], "box"),
    ):  # fmt: skip
        answer = corrected(client, detector, "photos/light/0.png", labels, boxes)
        assert answer.status_code == 400 and words in answer.text, answer.text
    assert told(project.data / "street-corrected") == before
    assert len(list((project.data / "street-corrected").rglob("*.png"))) == 1
    assert "got a classifier" in corrected(client, model, "photos/dark/0.png", ["dark"], ["1 2 3 4"]).text
    answer = client.post("/teach/play/correct", data={"run": detector, "file": "photos/dark/0.png", "label": "car"})
    assert answer.status_code == 400 and "draw boxes" in answer.text


def test_a_localizer_is_taught_one_box(client, project):
    run = project.runs / "one"
    run.mkdir()
    cl.localizer(cl.trunk("resnet18", stem="small", width=0.25), classes=["car", "van"]).save(run / "best.safetensors")
    assert "need one box" in corrected(client, ".studio/runs/one", "photos/dark/0.png", [], []).text
    assert "1 box." in corrected(client, ".studio/runs/one", "photos/dark/0.png", ["car"], ["1 2 30 40"]).text


def test_a_curve_goes_through_the_values():
    rows = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "loss": 1.0, "validation_top1": 0.5},
        {"step": 3, "loss": 2.0, "validation_top1": 1},
    ]
    loss, top1 = curves(rows)
    assert (loss.points, loss.first, loss.last) == ("0.0,0.0 150.0,66.7 300.0,33.3", "3", "2")
    assert top1.points == "150.0,50.0 300.0,0.0"
    assert curves(rows[:1]) == []
