"""Drop: what is uploaded, how sliders change it, what a trunk sees in it, and what is refused."""

from io import BytesIO

import numpy as np
import pytest
import soundfile

import convolens as cl
from convolens.studio import pictures, uploads
from convolens.studio.changes import CHANGES
from tests.studio.conftest import pixels_in, png


@pytest.fixture
def step():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, 30:] = 200
    return picture


@pytest.fixture
def dropped(client, step):
    """The address of a picture that was dropped, and its name in the project."""
    answer = client.post("/drop", files={"file": ("a step.png", png(step))})
    assert answer.status_code == 200 and answer.url.path == "/drop/picture"
    return answer.url.params["file"]


def test_a_picture_is_kept_and_shown_with_its_plan_and_the_same_in_words(client, dropped):
    assert dropped == ".studio/uploads/a step.png"
    text = client.get("/drop/picture", params={"file": dropped, "sigma": "7"}).text
    assert (
        "convolens blur &#39;.studio/uploads/a step.png&#39; &#39;changed.png&#39; --sigma 7".replace(
            "&#39;changed.png&#39;", "changed.png"
        )
        in text
    )
    assert "* separable" in text or "* multirate" in text or "* direct" in text
    assert dropped.split("/")[-1] in client.get("/drop").text


@pytest.mark.parametrize("quick", [False, True])
def test_the_blurred_picture_is_that_of_blur(client, dropped, step, quick):
    answer = client.get("/drop/picture.jpg", params={"file": dropped, "change": "blur", "sigma": 4, "quick": quick})
    found = pixels_in(answer).astype(int)
    assert np.abs(found - cl.blur(step, 4)).max() <= 6  # a JPEG


def test_a_quick_answer_is_of_the_small_picture_with_lengths_made_small_too(client, monkeypatch):
    picture = np.zeros((300, 1800, 3), np.uint8)
    picture[:, 900:] = 200
    answer = client.post("/drop", files={"file": ("wide.png", png(picture))})
    query = {"file": answer.url.params["file"], "change": "blur", "sigma": 40}
    small = pixels_in(client.get("/drop/picture.jpg", params={**query, "quick": True}))
    assert small.shape == (150, 900, 3)
    whole = cl.blur(picture, 40)[::2, ::2]
    assert np.abs(small.astype(int) - whole).max() <= 8


def test_every_change_of_pictures_answers(client, dropped):
    for change in CHANGES.values():
        if not change.of_sounds and change.name != "learned":
            assert pixels_in(client.get("/drop/picture.jpg", params={"file": dropped, "change": change.name})).size
            assert client.get("/drop/picture", params={"file": dropped, "change": change.name}).status_code == 200
            assert "same" in client.get("/drop/changed", params={"file": dropped, "change": change.name}).text


def test_what_is_no_number_is_the_usual_and_what_is_too_large_the_most(client, dropped):
    assert CHANGES["blur"].values({"sigma": "a lot"}) == {"sigma": 5}
    assert CHANGES["blur"].values({"sigma": "nan"}) == {"sigma": 5}
    assert CHANGES["blur"].values({"sigma": "1e9"}) == {"sigma": 60}


def test_an_echo_is_heard_where_it_should_be(client):
    click = np.zeros(8000, np.float32)
    click[0] = 0.9
    file = BytesIO()
    soundfile.write(file, click, 8000, format="WAV")
    answer = client.post("/drop", files={"file": ("click.wav", file.getvalue())})
    assert answer.url.path == "/drop/sound" and "* sparse" in answer.text
    query = {"file": answer.url.params["file"], "change": "echo", "delay": 0.5, "weight": 0.5}
    heard, rate = soundfile.read(BytesIO(client.get("/drop/sound.wav", params=query).content))
    assert rate == 8000 and heard[4000] == pytest.approx(0.45, abs=1e-3)
    room, _ = soundfile.read(BytesIO(client.get("/drop/sound.wav", params={**query, "change": "reverb"}).content))
    assert room.shape[1] == 2 and len(room) > 8000


def test_maps_are_the_trunks_and_a_cell_looks_where_trace_says(client, dropped, step):
    answer = client.get("/drop/seen", params={"file": dropped, "tap": "conv2_1", "row": 3, "column": 5})
    trunk = cl.trunk("vgg16", weights="hed")
    x1, y1, x2, y2 = trunk.trace("conv2_1", 3, 5)
    assert f'x="{x1}" y="{y1}" width="{x2 - x1}" height="{y2 - y1}"' in answer.text
    values = trunk(trunk.preprocess(step), taps="conv2_1")["conv2_1"][0].detach().numpy()
    strongest = int(values.mean(axis=(1, 2)).argmax())
    assert f"<figcaption>map {strongest}</figcaption>" in answer.text.split("</figure>")[1]
    found = pixels_in(client.get("/drop/map.png", params={"file": dropped, "tap": "conv2_1", "number": 0}))
    one = values[strongest]
    np.testing.assert_allclose(found, 255 * (one - one.min()) / (one.max() - one.min()), atol=1)


def test_what_cannot_be_used_is_a_sentence(client, dropped):
    for path, query, words in (
        ("/drop/picture", {"file": dropped, "change": "blurr"}, "did you mean &#39;blur&#39;"),
        ("/drop/picture", {"file": "../../etc/passwd"}, "need something in the project"),
        ("/drop/picture", {"file": "photos"}, "need a file, found a folder"),
        ("/drop/seen", {"file": dropped, "tap": "conv9"}, "tap: need one of"),
        ("/drop/map.png", {"file": dropped, "tap": "conv2_1", "number": 99}, "number: need one from 0 to"),
        ("/drop/sound.wav", {"file": dropped}, ""),
    ):
        answer = client.get(path, params=query)
        assert answer.status_code == 400 and words in answer.text, (path, answer.text)
    assert client.get("/drop/picture").status_code == 422


def test_what_is_no_picture_is_refused_and_not_kept(client, project, monkeypatch):
    for name, data in (("a.png", b"no picture"), ("a.wav", b"no sound"), ("a.html", b"<script>alert(1)</script>")):
        assert client.post("/drop", files={"file": (name, data)}).status_code == 400
    monkeypatch.setattr(pictures, "MOST_PIXELS", 1000)
    answer = client.post("/drop", files={"file": ("large.png", png(np.zeros((40, 60, 3), np.uint8)))})
    assert answer.status_code == 400 and "need a picture of at most 1,000 pixels, got 60×40" in answer.text
    monkeypatch.setattr(uploads, "MOST_FILE_BYTES", 1000)
    answer = client.post("/drop", files={"file": ("large.png", b"x" * 2000)})
    assert answer.status_code == 400 and "need a file of at most" in answer.text
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    answer = client.post("/drop", files=[("file", ("a.png", b"x"))] * 3)
    assert answer.status_code == 400 and "need at most 2 at once, got 3" in answer.text
    assert list(project.uploads.iterdir()) == []


def test_malformed_forms_are_refused(client):
    kind = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", b"\0" * 100):
        assert 400 <= client.post("/drop", content=body, headers=kind).status_code < 500, body
    assert client.post("/drop", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_names_that_hold_a_script_are_text(client, step, project):
    (project.folder / "<img src=x onerror=alert(1)>.png").write_bytes(png(step))
    text = client.get("/drop/picture", params={"file": "<img src=x onerror=alert(1)>.png"}).text
    assert "<img src=x" not in text and "&lt;img src=x" in text
