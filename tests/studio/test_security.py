"""Who may ask: nobody without the token, no other site, by no other name; and nothing outside the folder is read."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from convolens.errors import FileError
from convolens.studio import security
from convolens.studio.security import POLICY, Guard
from convolens.studio.uploads import safe_name
from tests.studio.conftest import BASE, PORT, TOKEN


def test_without_the_token_nothing_is_answered(stranger):
    for path in ("/", "/jobs", "/static/studio.css", "/openapi.json", "/?token=wrong", f"/jobs?token={TOKEN}"):
        answer = stranger.get(path)
        assert answer.status_code == 403, path
        assert "printed" in answer.text


@pytest.mark.parametrize("value", ["", "guessed", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper()])
def test_a_cookie_that_holds_no_token_is_none(stranger, value):
    answer = stranger.get("/jobs", headers={"cookie": f"convolens_studio_{PORT}={value}"})
    assert answer.status_code == 403 and "printed" in answer.text


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_has(stranger):
    answer = stranger.get(f"/?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert stranger.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1:80", "127.0.0.1", "10.0.0.1:8080", ""]
)
def test_another_name_that_leads_here_is_refused(client, host):
    assert client.get("/jobs", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_the_names_of_this_machine_are_answered(client, host):
    name = "convolens_studio_8080"
    assert client.get("/jobs", headers={"host": host, "cookie": f"{name}={TOKEN}"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8080", "http://127.0.0.1:8081"])
def test_another_sites_page_may_not_ask(client, origin):
    assert client.post("/jobs/1/stop", headers={"origin": origin}).status_code == 403
    assert client.get("/jobs", headers={"origin": origin}).status_code == 403


def test_a_form_of_another_site_is_refused_where_the_browser_says_so(client):
    assert client.post("/jobs/1/stop", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/jobs/1/stop", headers={"origin": BASE}).status_code == 400  # there is no such job


def test_every_answer_forbids_scripts_that_are_not_ours(client):
    for path in ("/jobs", "/nowhere", "/jobs/77", "/static/studio.css"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"  # the address with the token goes nowhere
        assert answer.headers["cache-control"] == "no-store"
    told = dict(one.split(" ", 1) for one in POLICY.split("; "))
    assert "unsafe" not in POLICY and "http" not in POLICY and "*" not in POLICY
    for name in ("default-src", "frame-ancestors", "base-uri"):
        assert told[name] == "'none'", name
    for name in ("script-src", "style-src", "connect-src", "form-action"):
        assert told[name] == "'self'", name


def test_no_websocket_reaches_the_application():
    reached = []

    async def everything(scope, receive, send):
        reached.append(scope["type"])
        await send({"type": "websocket.close"})  # who waits for an answer gets one

    client = TestClient(Guard(everything, TOKEN, "127.0.0.1", PORT), base_url=BASE)
    cookie = {"cookie": f"convolens_studio_{PORT}={TOKEN}"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/jobs/1/events", headers=cookie):
        pass
    assert reached == []


def test_no_page_holds_what_the_policy_would_stop(client):
    for path in ("/jobs", "/nowhere"):
        text = client.get(path).text
        assert " style=" not in text and "<style" not in text and " onclick" not in text
        assert all("src=" in part.split(">")[0] for part in text.split("<script")[1:])


def test_a_request_may_not_be_endless(client, monkeypatch):
    monkeypatch.setattr(security, "MOST_BYTES", 1000)
    assert client.post("/jobs/1/stop", content=b"x" * 2000).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "/etc/passwd", "photos/../../secret.txt", "leak", "a\0b", "circle", "no", "../work-secret/a"],
)
def test_nothing_outside_the_folder_is_found(project, path):
    (project.folder.parent / "secret.txt").write_text("secret")
    (project.folder.parent / "work-secret").mkdir()  # its name begins with that of the folder
    (project.folder.parent / "work-secret" / "a").write_text("secret")
    (project.folder / "leak").symlink_to(project.folder.parent / "secret.txt")
    (project.folder / "circle").symlink_to("circle")
    with pytest.raises(FileError, match="need something in the project's folder"):
        project.inside(path)


def test_what_is_in_the_folder_is_found(project):
    (project.folder / "link").symlink_to("photos")
    assert project.inside("link/dark/0.png") == project.folder / "photos" / "dark" / "0.png"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../.bashrc", "bashrc"), ("<script>alert(1)</script>.png", "script.png"),
        ("", "unnamed"), ("...", "unnamed"),
        ("x" * 500 + ".jpg", "x" * 80 + ".jpg"), ("photo.jpg\0.exe", "photo.jpg.exe"), ("Grüße 1.PNG", "Grüße 1.png"),
    ],
)  # fmt: skip
def test_names_of_uploads_are_ours(given, kept):
    assert safe_name(given) == kept


@pytest.mark.parametrize("multipart", [False, True])
def test_a_form_with_too_many_fields_is_told_how_many_it_may_have(client, multipart):
    fields = {f"label{number}": "a" for number in range(1001)}
    sent = {"files": {name: (None, value) for name, value in fields.items()}} if multipart else {"data": fields}
    answer = client.post("/teach/data", **sent)
    assert answer.status_code == 400 and "need at most 1,000 fields" in answer.text


def test_too_many_files_are_told_how_many_may_come(client):
    files = [("file", ("a.png", b"")) for _ in range(1001)]
    answer = client.post("/teach/play", data={"run": "x"}, files=files)
    assert answer.status_code == 400 and "need at most 500 at once" in answer.text


def test_a_request_that_does_not_say_its_length_may_not_be_endless(client, monkeypatch):
    monkeypatch.setattr(security, "MOST_BYTES", 1000)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/teach/data", content=(b"a=b&" * 100 for _ in range(50)), headers=headers)
    assert answer.status_code == 413
