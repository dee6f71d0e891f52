"""Take away: the model file, what is asked of the command line, and what was made, as a file or a ZIP."""

import time
from io import BytesIO
from zipfile import ZipFile

import pytest

from convolens.data import read_data
from tests.studio.conftest import queued


def test_a_model_is_offered_and_downloaded_as_it_is(client, project, model):
    assert model in client.get("/take").text
    answer = client.get("/take/model", params={"model": model})
    assert answer.content == (project.folder / model / "best.safetensors").read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="photos.safetensors"'


def test_what_is_made_is_the_command_line_that_one_would_type(waiting, client, app, model):
    client.post("/take/onnx", data={"model": model})
    job = queued(app)
    assert job.arguments == ["export", model, f"{job.folder}/photos.onnx"]
    client.post("/take/onnx", data={"model": model, "web_page": "true"})
    job = queued(app)
    assert job.arguments == ["export", model, f"{job.folder}/photos.onnx", "--page", f"{job.folder}/photos-page"]
    client.post("/take/labels", data={"model": model, "pictures": "photos/dark", "form": "label-studio"})
    job = queued(app)
    words = ["predict", model, "photos/dark", "--out", f"{job.folder}/labels", "--as", "label-studio", "--no-pictures"]
    assert job.arguments == words
    assert "Made before" in client.get("/take").text


def test_a_data_set_is_written_in_a_format_and_comes_as_a_zip(client, app, project):
    assert '<option value="photos" selected>' in client.get("/take", params={"data": "photos"}).text
    client.post("/take/data", data={"data": "photos", "form": "csv"})
    job = queued(app)
    assert job.arguments == ["convert", "photos", f"{job.folder}/photos", "--to", "csv"]
    while not queued(app).is_over:
        time.sleep(0.1)
    assert f"/take/made?folder={job.folder}" in client.get(f"/jobs/{job.id}").text
    answer = client.get("/take/made", params={"folder": job.folder})
    with ZipFile(BytesIO(answer.content)) as archive:
        archive.extractall(project.home / "unpacked")
    assert "Classes go into label-studio, csv, labelme, folders; boxes into" in client.get("/take").text
    data = read_data(project.home / "unpacked" / "photos")
    assert (data.class_names, len(data)) == (("dark", "light"), 6)


def test_one_file_comes_as_it_is_and_several_as_a_zip(client, project):
    folder = project.home / "taken" / "x"
    folder.mkdir(parents=True)
    query = {"folder": ".studio/taken/x"}
    assert client.get("/take/made", params=query).status_code == 400
    (folder / "a.onnx").write_bytes(b"one")
    assert client.get("/take/made", params=query).content == b"one"
    (folder / "page").mkdir()
    (folder / "page" / "index.html").write_text("two")
    answer = client.get("/take/made", params=query)
    assert answer.headers["content-type"] == "application/zip"
    with ZipFile(BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.onnx": b"one",
            "page/index.html": b"two",
        }


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/take/model", {"model": "photos"}), ("/take/model", {"model": "../x"}),
        ("/take", {"model": "photos/dark/0.png"}),
        ("/take/made", {"folder": "photos"}), ("/take/made", {"folder": ".studio"}),
        ("/take/made", {"folder": ".studio/runs"}),
    ],
)  # fmt: skip
def test_nothing_else_is_given(client, path, query):
    assert client.get(path, params=query).status_code == 400


def test_what_cannot_be_made_is_refused(client, app, model):
    for path, form in (
        ("/take/onnx", {"model": "photos"}), ("/take/labels", {"model": model, "pictures": "../x"}),
        ("/take/labels", {"model": model, "pictures": "photos", "form": "word"}),
        ("/take/data", {"data": "../x"}), ("/take/data", {"data": "photos", "form": "word"}),
    ):  # fmt: skip
        assert client.post(path, data=form).status_code == 400
    assert app.state.queue.jobs() == []
