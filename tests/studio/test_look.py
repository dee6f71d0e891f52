"""Look and Mend without a browser: pages, pages behind them, decisions by forms, and jobs whose results are read."""

import html
import re
import time
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data
from convolens.media.images import write_image
from convolens.studio.gallery.filler import Filler
from convolens.studio.gallery.filling import fill
from convolens.studio.gallery.galleries import gallery
from tests.studio.gallery_data import HOSTILE, coco, folders, took


def until(wanted, seconds=60):
    end = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)
    return found


def opened(client, app, path):
    """The number of the data, read."""
    answer = client.post("/look", data={"path": path}, headers={"origin": str(client.base_url)})
    assert answer.status_code == 200, answer.text
    number = int(answer.url.path.rpartition("/")[2])
    return gallery(app.state.database, number)


@pytest.fixture(autouse=True)
def read_at_once(monkeypatch):
    """Data is read by the request itself, in place of a process that takes seconds to begin."""
    monkeypatch.setattr(Filler, "start", lambda self, number: fill(self.database, number))


@pytest.fixture
def pets(client, app, folder):
    folders(folder / "pets", (("cat", 4), ("dog", 3), (HOSTILE, 2)))
    return opened(client, app, "pets")


@pytest.fixture
def post(client):
    def posted(address, **values):
        return client.post(address, data=values, headers={"origin": str(client.base_url)})

    return posted


def names(text):
    found = re.findall(r'<span class="where" title="(.*?)"><span>(.*?)</span><span>(.*?)</span></span>', text)
    assert all(name == folder + file for name, folder, file in found)
    return [html.unescape(name) for name, _, _ in found]


def ids(text):
    return [int(one) for one in re.findall(r'<li class="card[^"]*" data-id="(\d+)"', text)]


def test_the_grid_shows_what_the_filters_say(client, pets):
    page = client.get(f"/look/{pets.id}").text
    assert "18 pictures" in page
    assert HOSTILE not in page
    assert html.escape(HOSTILE) in page
    some = client.get(f"/look/{pets.id}", params={"label": "dog", "split": "validation"}).text
    assert names(some) == [f"val/dog/{number}.png" for number in range(3)]
    assert "3 pictures" in some


def test_pages_follow_without_scripts(client, pets, monkeypatch):
    monkeypatch.setattr("convolens.studio.screens.data.look.PAGE", 7)
    monkeypatch.setattr("convolens.studio.gallery.listing.PAGE", 7)
    found, address = [], f"/look/{pets.id}"
    while address:
        page = client.get(address).text
        found += ids(page)
        following = re.search(r'rel="next" href="(.*?)"', page)
        address = f"/look/{pets.id}{html.unescape(following[1])}" if following else ""
    assert len(found) == len(set(found)) == 18


def test_cards_are_fetched_from_any_place(client, pets):
    whole = ids(client.get(f"/look/{pets.id}").text)
    assert ids(client.get(f"/look/{pets.id}/cards?start=5").text) == whole[5:]


def test_pictures_and_their_thumbnails_are_given_and_nothing_outside(client, app, folder, tmp_path, pets):
    [first, *_] = ids(client.get(f"/look/{pets.id}").text)
    small = client.get(f"/look/{pets.id}/thumbnails/{first}")
    assert small.headers["content-type"] == "image/jpeg"
    again = client.get(f"/look/{pets.id}/thumbnails/{first}", headers={"if-none-match": small.headers["etag"]})
    assert again.status_code == 304
    assert client.get(f"/look/{pets.id}/shown/{first}").content.startswith(b"\x89PNG")
    assert client.get(f"/look/{pets.id}/thumbnails/99999").status_code == 400
    write_image(tmp_path / "secret.png", np.zeros((9, 9, 3), np.uint8))
    (folder / "out.csv").write_text(f"path,label\n{tmp_path / 'secret.png'},a\npets/train/cat/0.png,b\n")
    (folder / "pets/train/cat/link.png").symlink_to(tmp_path / "secret.png")
    for path in ("out.csv", "pets"):
        if path == "pets":
            client.post(f"/look/{pets.id}/again", headers={"origin": str(client.base_url)})
            until(lambda: len(ids(client.get(f"/look/{pets.id}").text)) == 19)
        data = opened(client, app, path)
        page = client.get(f"/look/{data.id}").text
        [at] = [at for at, name in enumerate(names(page)) if name.endswith(("secret.png", "link.png"))]
        for kind in ("thumbnails", "shown"):
            answer = client.get(f"/look/{data.id}/{kind}/{ids(page)[at]}")
            assert answer.status_code == 400
            assert "leads outside" in answer.text


@pytest.mark.parametrize(
    "query",
    ["order=mistake", "order=x", "model=7", "smallest=-1", "start=-5", "after=x", "split=all", "above=2&model=1"],
)
def test_what_is_no_view_is_refused_with_a_sentence(client, pets, query):
    answer = client.get(f"/look/{pets.id}?{query}")
    assert answer.status_code == 400
    assert "need" in answer.text


def test_data_outside_the_project_is_not_opened(client, post):
    for path in ("..", "/etc", "no/such", "\x00"):
        assert post("/look", path=path).status_code == 400


def test_data_that_has_become_a_link_out_of_the_project_is_not_shown(client, pets, folder, tmp_path):
    (folder / "pets").rename(tmp_path / "moved")
    (folder / "pets").symlink_to(tmp_path / "moved")
    answer = client.get(f"/look/{pets.id}")
    assert answer.status_code == 400 and "leads outside" in answer.text


def test_decisions_by_forms_go_to_the_next_picture_and_are_undone(client, app, post, pets, folder):
    first, second, *_ = ids(client.get(f"/look/{pets.id}?label=cat").text)
    answer = post(f"/mend/{pets.id}/{first}", decision="relabel", label="dog", query="label=cat")
    assert (answer.url.path, answer.url.query) == (f"/mend/{pets.id}/{second}", b"label=cat")
    page = client.get(f"/mend/{pets.id}/{first}").text
    assert "relabelled" in page
    assert client.get(f"/mend/{pets.id}/changes").text.splitlines()[1:] == ["train/cat/0.png,cat,dog,,relabel"]
    [file] = until(lambda: list(folder.rglob("labels.changes.csv")))
    assert file.read_text().count("relabel") == 1
    assert post(f"/mend/{pets.id}/undo").url.path == f"/mend/{pets.id}/{first}"
    assert client.get(f"/mend/{pets.id}/changes").text.splitlines()[1:] == []
    assert post(f"/mend/{pets.id}/redo").url.path == f"/mend/{pets.id}/{first}"
    until(lambda: file.read_text().count("relabel") == 1)  # soon, unasked
    assert "1 relabelled" in client.get(f"/mend/{pets.id}").text
    for values in ({"decision": "burn"}, {"decision": "relabel", "label": "lynx"}, {"decision": "fix", "label": "cat"}):
        assert post(f"/mend/{pets.id}/{second}", **values).status_code == 400
    assert post(f"/mend/{pets.id}/undo", back="https://elsewhere.org/").url.path == f"/mend/{pets.id}/{first}"


def test_a_decision_of_the_grid_gives_the_new_card(client, pets):
    [first, *_] = ids(client.get(f"/look/{pets.id}").text)
    headers = {"origin": str(client.base_url), "hx-request": "true"}
    card = client.post(f"/mend/{pets.id}/{first}", data={"decision": "keep"}, headers=headers)
    assert ids(card.text) == [first] and "kept" in card.text
    assert client.post(f"/mend/{pets.id}/undo", headers=headers).text == str(first)
    assert client.post(f"/mend/{pets.id}/undo", headers=headers).status_code == 409
    assert "18 undecided" in client.get(f"/mend/{pets.id}/counts").text


def test_boxes_are_fixed_by_the_form_and_written_as_coco(client, app, post, folder):
    coco(folder / "street")
    data = opened(client, app, "street")
    first, second, third = ids(client.get(f"/mend/{data.id}").text)
    page = client.get(f"/mend/{data.id}/{first}").text
    assert 'value="2 3 12 11"' in page
    post(f"/mend/{data.id}/{first}", decision="fix", label=["van", "van", "car"], boxes=["2 3 12 11", "20 5 35 25", ""])
    post(f"/mend/{data.id}/{second}", decision="fix", label=["car"], boxes=["1, 2, 30.5, 20"])
    post(f"/mend/{data.id}/{third}", decision="set aside")
    assert post(f"/mend/{data.id}/{first}", decision="fix", label=["car"], boxes=["1 2 x"]).status_code == 400
    answer = post(f"/mend/{data.id}/write", form="coco", name="../../street mended")
    job = app.state.queue.get(int(answer.url.path.rpartition("/")[2]))
    assert until(lambda: app.state.queue.get(job.id).is_over and app.state.queue.get(job.id)).state == "done"
    new = read_data(folder / ".studio/data/street mended")
    assert [[(new.class_names[box.label], *box.xyxy) for box in one.boxes] for one in new.examples] == [
        [("van", 2, 3, 12, 11), ("van", 20, 5, 35, 25)], [("car", 1, 2, 30.5, 20)],
    ]  # fmt: skip


def test_what_is_written_goes_beside_what_is_there(waiting, client, app, post, pets, folder):
    [first, *_] = ids(client.get(f"/look/{pets.id}").text)
    post(f"/mend/{pets.id}/{first}", decision="keep")
    for name in ("new", "new-2"):
        (folder / ".studio" / "data" / name).mkdir()
    assert post(f"/mend/{pets.id}/write", form="csv", name="new").status_code == 200
    [job] = app.state.queue.jobs("apply")
    assert Path(job.arguments[job.arguments.index("--to") + 1]).name == "new-3"


def test_nothing_is_written_before_something_is_decided(post, pets):
    answer = post(f"/mend/{pets.id}/write", form="csv", name="new")
    assert answer.status_code == 400 and "need decisions" in answer.text


def test_the_doctor_is_asked_and_its_findings_are_sorted_by(client, app, post, folder, pets):
    (folder / "pets/train/cat/9.png").write_bytes((folder / "pets/train/cat/0.png").read_bytes())
    post(f"/look/{pets.id}/again")
    until(lambda: "19 pictures" in client.get(f"/look/{pets.id}").text)
    post(f"/look/{pets.id}/ask", kind="doctor")
    until(lambda: not re.search("under way", client.get(f"/look/{pets.id}/state").text))
    [job] = app.state.queue.jobs("doctor")
    assert (job.state, job.message) == ("done", "")
    assert "Look at what was found" in client.get(f"/jobs/{job.id}").text
    assert client.get(f"/look/of/{job.id}").url.query == b"order=findings"
    assert {"train/cat/0.png", "train/cat/9.png"} <= set(names(client.get(f"/look/{pets.id}?order=alike").text))
    page = client.get(f"/look/{pets.id}?finding=copy")
    assert names(page.text) == ["train/cat/9.png"]


def test_two_models_stand_side_by_side(client, app, folder, pets):
    rows = read_data(pets.path).examples
    for model, label in (("a", "cat"), ("b", "dog")):
        lines = [{"path": str(one.path), "labels": [label], "scores": [0.8]} for one in rows]
        took(app.state.database, pets, folder, lines, model)
    page = client.get(f"/look/{pets.id}?model=1&beside=2&order=differ").text
    assert page.count("cat 80 %") == page.count("dog 80 %") == 18
    assert "first a, then b" in page
    assert names(client.get(f"/look/{pets.id}?model=1&right=yes&label=cat").text) == [
        f"{split}/cat/{number}.png" for split in ("train", "val") for number in range(4)
    ]


def test_every_choice_that_the_grid_offers_is_a_view(client, app, folder, pets):
    lines = [{"path": str(one.path), "labels": ["cat"], "scores": [0.8]} for one in read_data(pets.path).examples]
    for model in ("a", "b"):
        took(app.state.database, pets, folder, lines, model)
    page = client.get(f"/look/{pets.id}?model=1&beside=2").text
    tried = 0
    for name, options in re.findall(r'<select id="\w+" name="(\w+)">(.*?)</select>', page, re.S):
        for value in re.findall(r'<option value="([^"]*)"', options):
            answer = client.get(f"/look/{pets.id}", params={"model": 1, "beside": 2, name: value})
            assert answer.status_code == 200, (name, value, answer.text)
            tried += 1
    assert tried > 20


def test_every_screen_says_how_it_is_done_without_the_studio(client, pets):
    [first, *_] = ids(client.get(f"/look/{pets.id}").text)
    for address in ("/look", "/mend", f"/look/{pets.id}", f"/mend/{pets.id}", f"/mend/{pets.id}/{first}", "/measure"):
        page = client.get(address).text
        assert "The same without the studio" in page, address
        command, python = re.findall(r'<pre tabindex="0"><code>(.*?)</code></pre>', page, re.S)
        assert command.startswith("convolens ")
        assert len(html.unescape(python).splitlines()) == 3, python
        compile(html.unescape(python), address, "exec")
        assert "<script>" not in page and "onclick" not in page and " style=" not in page


def test_a_database_that_is_busy_is_told_and_nothing_breaks(client, app, post, pets, monkeypatch):
    monkeypatch.setattr("convolens.studio.database.PATIENCE", 0.1)
    [first, *_] = ids(client.get(f"/look/{pets.id}").text)
    with app.state.database.writing():
        answer = post(f"/mend/{pets.id}/{first}", decision="keep")
        assert answer.status_code == 503 and "busy" in answer.text
        assert client.get(f"/look/{pets.id}").status_code == 200  # who reads is not held up
    assert post(f"/mend/{pets.id}/{first}", decision="keep").status_code == 200
