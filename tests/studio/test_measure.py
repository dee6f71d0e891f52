"""Measure and Explain: every number leads to the pictures it counts, and maps come by class, contrast and tap."""

import csv
import html
import itertools
import json
import re
import subprocess
import sys
from urllib.parse import parse_qsl, urlsplit

import pytest

from convolens.studio.gallery import asking, reports
from convolens.studio.gallery.heat import SLOW
from convolens.studio.gallery.listing import count_of, page_of
from convolens.studio.gallery.view import View
from convolens.studio.jobs.worker import SAID
from convolens.studio.screens.model.plots import curves, reliability_points
from tests.studio.browser_data import SHAPES, shapes_project
from tests.studio.conftest import queued
from tests.studio.gallery_data import looked_through, predicted

BASELINES = ["random", "center"]


@pytest.fixture
def shapes(app, folder):
    shapes_project(folder / "more", count=4)
    return looked_through(app.state.database, folder / "more" / "shapes")


@pytest.fixture
def model(app, folder, shapes):
    """Predictions: of each class the first is wrong, with the scores .55, .65, …."""
    rows = page_of(app.state.database, View(shapes.id), shapes.classes).pictures
    said = {}
    for at, row in enumerate(rows):
        label = row.labels[0] if at % 4 else SHAPES[(SHAPES.index(row.labels[0]) + 1) % 3]
        said[str(row.path)] = (label, 0.55 + 0.1 * (at % 4), "square" if label != "square" else "circle")
    return predicted(app.state.database, shapes, folder, said, "more/model.safetensors")


def counted(database, data, address):
    query = dict(parse_qsl(urlsplit(html.unescape(address)).query))
    return count_of(database, View.from_query(data.id, query), data.classes)


def test_each_cell_of_the_matrix_leads_to_its_pictures(client, app, shapes, model):
    page = client.get(f"/measure/{shapes.id}/{model}").text
    cells = re.findall(r'<td class="(hit|miss)"><a href="(.*?)" aria-label="(\d+) of (.*?) predicted as (.*?)">', page)
    found = {(actual, predicted): int(count) for _, _, count, actual, predicted in cells}
    assert found == {(name, name): 3 for name in SHAPES} | {
        (name, SHAPES[(at + 1) % 3]): 1 for at, name in enumerate(SHAPES)
    }
    for _, address, count, _, _ in cells:
        assert counted(app.state.database, shapes, address) == int(count)
    worst = re.findall(r'<span class="predicted off">(.*?)</span>', page)
    assert worst == ["cross 55 %", "square 55 %", "circle 55 %"]


def test_each_range_of_confidence_leads_to_its_pictures(app, shapes, model):
    ranges = reports.reliability(app.state.database, shapes, model)
    assert [(one.count, one.right, round(one.confidence, 6)) for one in ranges] == [
        (3, 0, 0.55), (3, 3, 0.65), (3, 3, 0.75), (3, 3, 0.85),
    ]  # fmt: skip
    for one in ranges:
        of_range = one.view.having(order="number")
        assert count_of(app.state.database, of_range, shapes.classes) == one.count
    assert [(round(one.x), one.y) for one in reliability_points(ranges)] == [
        (132, 240),
        (156, 0),
        (180, 0),
        (204, 0),
    ]


def test_what_was_measured_is_shown_with_links_for_each_class(client, app, folder, shapes, model):
    made = asking.evaluate(app.state.database, shapes, app.state.project.home, folder / "more/model.safetensors")
    assert made.model == model
    job = asking.ask(app.state.database, app.state.queue, shapes, made)
    with (made.folder / asking.MEASURED).open("w", newline="") as file:
        rows = [{"class": "all", "count": 12, "top1": 0.75}, {"class": "circle", "count": 4, "f1": 0.5}]
        writer = csv.DictWriter(file, ["class", "count", "top1", "f1"])
        writer.writeheader()
        writer.writerows(rows)
    (made.folder / asking.MEASURED_PAGE).write_text("<p>whole</p>")
    assert asking.take(app.state.database, app.state.queue, app.state.queue.get(job)) == ""
    page = client.get(f"/measure/{shapes.id}/{model}").text
    assert "<dt>top1</dt><dd>0.750</dd>" in page
    [address] = re.findall(r'<th scope="row"><a href="(.*?)">circle</a>', page)
    assert counted(app.state.database, shapes, address) == 4
    whole = client.get(f"/measure/{shapes.id}/{model}/page")
    assert whole.text == "<p>whole</p>"
    assert "sandbox" in whole.headers["content-security-policy"]


def test_results_that_cannot_be_read_are_told(app, folder, shapes):
    made = asking.doctor(shapes, app.state.project.home)
    job = app.state.queue.get(asking.ask(app.state.database, app.state.queue, shapes, made))
    assert "what it found cannot be read" in asking.take(app.state.database, app.state.queue, job)


def test_the_faithfulness_table_is_what_the_job_said(app, client, shapes, model, folder, monkeypatch):
    made = asking.faithful(
        app.state.database, shapes, app.state.project.home, folder / "more/model.safetensors", ["cam"], 2
    )
    job = app.state.queue.get(asking.ask(app.state.database, app.state.queue, shapes, made))
    said = json.dumps({"cam": {"deletion": 0.25, "seconds": 0.5}, "random": {"deletion": 0.75}}, indent=2)
    monkeypatch.setattr(
        app.state.queue, "said", lambda number: f"note: a{{b}}: passed over\n{said}\nnext: {{say so}}\n"
    )
    assert asking.take(app.state.database, app.state.queue, job) == ""
    page = client.get(f"/measure/{shapes.id}/{model}").text
    assert '<th scope="col">method</th><th scope="col">deletion</th><th scope="col">seconds</th>' in page
    assert '<th scope="row">cam</th><td>0.250</td><td>0.500</td>' in page
    assert '<th scope="row">random</th><td>0.750</td><td></td>' in page


def test_what_the_command_says_of_faithfulness_is_read_with_all_that_it_says_beside_it(waiting, client, shapes, model):
    pytest.importorskip("torch")
    project, queue = waiting.state.project, waiting.state.queue
    file = project.folder / "more" / "model.safetensors"
    made = asking.faithful(waiting.state.database, shapes, project.home, file, ["cam"], 1)
    job = queue.get(asking.ask(waiting.state.database, queue, shapes, made))
    queue.folder_of(job.id).mkdir(parents=True)
    with (queue.folder_of(job.id) / SAID).open("wb") as said:
        command = [sys.executable, "-m", "convolens", *job.arguments]
        subprocess.run(command, stdout=said, stderr=said, cwd=project.folder, check=True, timeout=300)
    assert asking.take(waiting.state.database, queue, job) == ""
    page = client.get(f"/measure/{shapes.id}/{model}").text
    assert re.findall(r'<th scope="row">(\w+)</th><td>0\.', page.partition('id="faithful"')[2]) == ["cam", *BASELINES]


@pytest.mark.parametrize("slow", [False, True])
def test_methods_of_hundreds_of_passes_are_measured_where_they_are_asked_for(waiting, client, shapes, model, slow):
    pytest.importorskip("torch")
    form = {"count": 3} | ({"slow": "true"} if slow else {})
    assert client.post(f"/measure/{shapes.id}/{model}/faithful", data=form).status_code == 200
    words = queued(waiting).arguments
    assert words[words.index("--count") + 1] == "3"
    asked = [word for before, word in itertools.pairwise(words) if before == "--method"]
    assert {"cam", "gradcam", "ablationcam"} < set(asked) and "auto" not in asked
    assert set(SLOW) & set(asked) == (set(SLOW) if slow else set())


def test_data_that_was_not_looked_at_yet_is_opened_to_be_measured_on(app, client, folder):
    shapes_project(folder, count=2)
    page = client.get("/measure").text
    assert "Which data?" in page and '<button name="path" value="shapes">' in page
    answer = client.post("/look", data={"path": "shapes", "then": "measure"})
    assert answer.url.path == "/measure" and answer.url.params["data"] == "1"
    assert '<p role="status">Being read: shapes.</p>' in answer.text or "shapes (6)" in answer.text
    looked_through(app.state.database, folder / "photos")
    looked_through(app.state.database, folder / "shapes")
    page = client.get(str(answer.url)).text
    assert '<option value="1" selected>shapes (6)</option>' in page and "Being read" not in page
    assert "Other data" in page and 'name="path" value="shapes"' not in page and 'value="photos"' not in page


def test_a_page_about_a_model_says_how_far_its_jobs_are(waiting, client, shapes, model, folder, monkeypatch):
    client.post("/measure", data={"data": shapes.id, "model": "more/model.safetensors"})
    monkeypatch.setattr(waiting.state.queue, "said", lambda number: "pictures: 3/12  0:00:06, 0:00:18 left\n")
    page = client.get(f"/measure/{shapes.id}/{model}").text
    assert "is under way: 3/12, 0:00:18 left." in page and 'value="0.250"' in page


def test_a_model_predicts_for_the_smallest_folder_that_has_all_of_the_data(app, folder, shapes):
    (folder / "wide").mkdir()
    (folder / "more" / "shapes").rename(folder / "wide" / "train")
    data = looked_through(app.state.database, folder / "wide")
    made = asking.predict(app.state.database, data, app.state.project.home, folder / "more/model.safetensors")
    assert made.arguments[2] == str(folder / "wide" / "train")


def test_a_picture_is_explained_for_a_class_against_another_at_a_tap(client, shapes, model):
    pytest.importorskip("torch")
    first = 1
    page = client.get(f"/explain/{shapes.id}/{first}?model={model}").text
    assert 'role="alert"' not in page
    usual = re.findall(r'name="taps" value="(.*?)"', page)
    assert len(usual) > 2
    [address] = re.findall(r'<img src="(/look/\d+/heat/.*?)"', page)
    plain = client.get(html.unescape(address))
    assert plain.headers["content-type"] == "image/jpeg"
    query = f"model={model}&target=cross&against=circle&method=gradcam&taps={usual[0]}"
    page = client.get(f"/explain/{shapes.id}/{first}?{query}").text
    assert f"--target cross --against circle --method gradcam --tap {usual[0]}" in page
    [address] = re.findall(r'<img src="(/look/\d+/heat/.*?)"', page)
    assert client.get(html.unescape(address)).content != plain.content
    page = client.get(f"/explain/{shapes.id}/{first}?model={model}&target=lynx").text
    assert 'role="alert"' in page and "lynx" in page


def test_curves_are_the_rows_of_a_training():
    found = curves([{"loss": 2.0}, {"loss": 1.0}, {"loss": float("nan")}, {"loss": 0.0, "top1": 0.5}], ("loss", "top1"))
    assert [(line.name, line.points, line.last) for line in found.lines] == [
        ("loss", "0.0,0.0 106.7,100.0 320.0,200.0", "0")
    ]
    assert (found.lowest, found.highest, found.rows) == ("0", "2", 4)
    assert curves([{"loss": 1.0}], ("loss",)) is None
