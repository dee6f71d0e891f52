"""The command: what it prints, who it lets in, and that one folder has one studio."""

import signal
import socket
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest
from starlette.testclient import TestClient

from convolens.errors import ArgumentError
from convolens.studio import serving
from convolens.studio.gallery import decisions
from convolens.studio.gallery.changes import changes_file
from convolens.studio.gallery.listing import page_of
from convolens.studio.gallery.view import View
from convolens.studio.security import Guard
from tests.studio.gallery_data import looked_through


def command(folder, *more):
    return [sys.executable, "-m", "convolens", "studio", str(folder), "--no-browser", "--port", "0", *more]


def test_the_printed_address_lets_in_and_ctrl_c_ends_it(tmp_path):
    with subprocess.Popen(
        command(tmp_path, "--host", "0.0.0.0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as studio:
        address = studio.stdout.readline().strip()
        base = address.partition("/?")[0]
        with pytest.raises(HTTPError, match="403"):
            urlopen(f"{base}/jobs")
        browser = build_opener(HTTPCookieProcessor())
        assert "What would you like to do?" in browser.open(address).read().decode()
        second = subprocess.run(command(tmp_path), capture_output=True, text=True)
        assert second.returncode == 2 and "is being written to by process" in second.stderr
        studio.send_signal(signal.SIGINT)
        _, said = studio.communicate(timeout=60)
    assert "note: whoever reaches 0.0.0.0 and has the address below can use this studio; nothing is encrypted" in said
    assert "Traceback" not in said


def test_a_folder_that_is_not_there_and_a_port_that_is_taken_are_said(tmp_path):
    missing = subprocess.run(command(tmp_path / "no"), capture_output=True, text=True)
    assert missing.returncode == 2 and "need a folder to work in, found none" in missing.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ArgumentError, match=rf"port: cannot listen at 127.0.0.1:{port}: .*give another by --port"):
            serving._listening("127.0.0.1", port)


def test_a_studio_starts_without_torch_and_scipy():
    code = "import sys, convolens.studio.serving; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "convolens.studio.seeing" in loaded
    assert not loaded & {"torch", "scipy", "matplotlib", "onnxruntime"}


@pytest.mark.parametrize(
    ("host", "status"), [("192.168.1.7:8080", 403), ("evil.example:8080", 421), ("[fe80::1]:8080", 403)]
)
def test_one_that_listens_everywhere_answers_to_numbers_and_to_no_other_name(host, status):
    client = TestClient(Guard(lambda *_: None, "token", "0.0.0.0", 8080))
    assert client.get("/", headers={"host": host}).status_code == status


def test_an_address_that_is_none_says_so_and_leads_back(client):
    answer = client.get("/nowhere/at-all", headers={"accept": "text/html"})
    assert answer.status_code == 404 and "There is no page /nowhere/at-all here." in answer.text
    assert '<a href="/">To the beginning</a>' in answer.text


def test_decisions_are_written_when_the_studio_ends(app, project, monkeypatch):
    monkeypatch.setattr("convolens.studio.gallery.changes.SOON", 3600)
    with TestClient(app):
        data = looked_through(app.state.database, project.folder / "photos")
        [first, *_] = page_of(app.state.database, View(data.id), data.classes).pictures
        decisions.set_aside(app.state.database, data, first.id)
        app.state.changes.note(data)
        assert not changes_file(project.home, data).exists()
    assert "set aside" in changes_file(project.home, data).read_text()
