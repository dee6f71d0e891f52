"""A project with a few pictures, and its studio without a server: requests go straight to the application."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import convolens as cl
from convolens.media.images import write_image
from convolens.studio.app import create_app
from convolens.studio.project import Project
from convolens.studio.security import Guard

TOKEN, PORT = "let-me-in", 8080
BASE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def folder(tmp_path):
    """A folder with two classes of three pictures."""
    random = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (tmp_path / "work" / "photos" / name).mkdir(parents=True)
        for number in range(3):
            noise = random.integers(0, 40, (48, 64, 3), np.uint8)
            write_image(tmp_path / "work" / "photos" / name / f"{number}.png", noise + np.uint8(level))
    return tmp_path / "work"


@pytest.fixture
def project(folder):
    return Project.in_folder(folder)


@pytest.fixture
def app(project):
    return create_app(project)


@pytest.fixture
def stranger(app):
    """A browser that has the address, without the token."""
    with TestClient(Guard(app, TOKEN, "127.0.0.1", PORT), base_url=BASE, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(stranger):
    """A browser that opened the printed address."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 303
    stranger.follow_redirects = True
    return stranger


@pytest.fixture
def waiting(app, monkeypatch):
    """Jobs wait: what is asked for is looked at, not done."""
    monkeypatch.setattr(app.state.queue, "_work", lambda: None)
    return app


@pytest.fixture
def model(project):
    """A classifier with random weights, as a run that was trained on the user's own photos."""
    run = project.runs / "photos"
    run.mkdir()
    from convolens.models.classify import classifier  # loads torch

    classifier(cl.trunk("resnet18", stem="small", width=0.25), classes=["dark", "light"]).save(run / "best.safetensors")
    (run / "config.json").write_text('{"settings": {"data": "photos"}}')
    return ".studio/runs/photos"


def queued(app):
    return app.state.queue.jobs()[0]


def png(pixels):
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels_in(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(BytesIO(answer.content)))
