"""Restyle: the command line that it becomes, masks, the picture so far, and what is refused."""

import numpy as np
import pytest

from convolens.media.images import read_image, write_image
from tests.studio.conftest import pixels_in, png, queued

GRAY = np.full((30, 40, 3), 99, np.uint8)


def sent(**more):
    files = {"content": ("photo.png", png(GRAY)), "style": ("painting.png", png(GRAY + np.uint8(9)))}
    return {**files, **more}


def test_it_is_the_command_line_that_one_would_type(waiting, client, app, project):
    assert client.post("/restyle", files=sent(), data={"size": "128", "keep_colors": "true"}).url.path == "/jobs/1"
    job = queued(app)
    assert " ".join(job.arguments) == (
        f"stylize {job.folder}/photo.png {job.folder}/painting.png {job.folder}/restyled.png "
        "--size 128 --steps 40 --strength 0.5 --save-every 5 --keep-colors"
    )
    assert job.again == [*job.arguments, "--resume"]
    assert read_image(project.folder / job.folder / "photo.png").shape == (30, 40, 3)


def test_the_second_style_goes_where_the_mask_is_black(waiting, client, app, project):
    mask = np.zeros((30, 40, 3), np.uint8)
    mask[:, :20] = 255
    client.post("/restyle", files=sent(style2=("other.png", png(GRAY)), mask=("mask.png", png(mask))))
    words = queued(app).arguments
    first, second = (words[at + 1] for at, word in enumerate(words) if word == "--mask")
    assert (read_image(project.folder / first) == mask).all()
    assert (read_image(project.folder / second) == 255 - mask[..., 0]).all()


def test_what_cannot_be_restyled_is_refused(waiting, client, app):
    for files, data, status in (
        ({"content": sent()["content"]}, {}, 422), (sent(mask=("m.png", png(GRAY))), {}, 400),
        (sent(), {"size": "9"}, 422),
        (sent(style=("a.png", b"none")), {}, 400), (sent(), {"strength": "nan"}, 422), (sent(), {"steps": "1e9"}, 422),
    ):  # fmt: skip
        assert client.post("/restyle", files=files, data=data).status_code == status
    assert app.state.queue.jobs() == []


def test_the_picture_so_far_is_shown_and_can_be_taken(waiting, client, app, project, monkeypatch):
    client.post("/restyle", files=sent())
    job = queued(app)
    assert client.get("/restyle/picture.jpg", params={"folder": job.folder}).status_code == 400
    with app.state.database.writing() as connection:
        connection.execute("UPDATE job SET state = 'running'")
    assert "it begins: " in client.get(f"/jobs/{job.id}").text
    write_image(project.folder / job.folder / "restyled.png", GRAY)
    page = client.get(f"/jobs/{job.id}").text
    assert "The picture so far" in page and "this is the picture so far" in page and "it begins: " not in page
    said = "restyled.png: 4/60  content conv4_2 0.433  0:00:39, 0:09:00 left\n"
    monkeypatch.setattr(app.state.queue, "said", lambda number: said)
    page = client.get(f"/jobs/{job.id}").text
    assert "4/60 steps: this is the picture so far" in page and "0:09:00 left" in page and 'value="0.067"' in page
    assert abs(pixels_in(client.get("/restyle/picture.jpg", params={"folder": job.folder})).astype(int) - 99).max() < 3
    taken = client.get("/restyle/picture.png", params={"folder": job.folder})
    assert (pixels_in(taken) == GRAY).all() and "attachment" in taken.headers["content-disposition"]


@pytest.mark.parametrize("asked", ["photos/dark", "..", ".studio", ".studio/restyled"])
def test_only_what_was_restyled_is_given(client, project, asked):
    (project.folder / "photos" / "dark" / "restyled.png").write_bytes(png(GRAY))
    assert client.get("/restyle/picture.png", params={"folder": asked}).status_code == 400
