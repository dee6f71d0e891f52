"""Mutated requests to every route that the studio has: none is an error of ours, none reads or writes elsewhere.

The routes are those of the application's own OpenAPI, so that a new one is tried by itself. Jobs wait meanwhile.
"""

import random
import struct
import zlib

import numpy as np
import pytest

from convolens.media.images import write_image
from tests.studio.conftest import BASE, TOKEN

SCRIPT = "<script>alert(1)</script>"
SECRET = "nobody may read this"
TEXTS = (
    "", "a", "0", "-1", "1e309", "nan", "inf", "9" * 400, "true", "null", "\0", "\ud800", "é\u202e", "%00",
    "%2e%2e%2f", "../secret.txt", "../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "C:\\x", "photos",
    "photos/dark/0.png", "photos/leak.png", ".studio", ".studio/studio.db", ".studio/../../secret.txt", SCRIPT,
    f"{SCRIPT}.png", "a" * 5000, "'; DROP TABLE job; --", "-x", "--out", "$(id)", "`id`", "{{ 7 * 7 }}", "{%",
    "\r\nX: y", "blur", "echo", "classify", "light", "conv3_3", "[", "*", "s3://x/y", "http://127.0.0.1:1/x",
    ".studio/runs/photos", ".studio/data/my cups", "[[0, 0, 1, 1]]", "[1e400]", '{"a": []}',
)  # fmt: skip


def bomb():
    """A PNG of a gigapixel of zeros in a megabyte."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packed = zlib.compressobj(9)
    rows = b"".join(packed.compress(bytes(1 << 20)) for _ in range(200)) + packed.flush()
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


FILES = (
    b"",
    b"\0" * 100,
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"\xff\xd8\xff\xe0",
    SCRIPT.encode(),
    bomb(),
)
BODIES = (
    b"",
    b"--x",
    b"--x\r\n\r\n",
    b"--x\r\nContent-Disposition: form-data\r\n\r\n",
    b"\xff" * 300,
    b"a=b&" * 3000,
    b"{" * 500,
)
KINDS = (
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "application/json",
    "a/b",
)


def operations(app):
    for path, methods in app.openapi()["paths"].items():
        for method, said in methods.items():
            yield (
                path,
                method.upper(),
                [one["name"] for one in said.get("parameters", ()) if one["in"] == "query"],
                fields(app, said),
            )


def fields(app, said):
    content = said.get("requestBody", {}).get("content", {})
    schemas = app.openapi()["components"]["schemas"]
    for one in content.values():
        yield from schemas[one["schema"]["$ref"].rpartition("/")[2]]["properties"]


def ask(client, operation, luck):
    """One request, as somebody would make it who means no good."""
    path, method, names, sent = operation
    text = lambda: luck.choice(TEXTS).encode("utf-8", "surrogatepass")  # noqa: E731
    path = "".join(part if luck.random() > 0.03 else "/../" for part in path)
    while "{" in path:
        begin, _, rest = path.partition("{")
        path = (
            begin
            + luck.choice(("1", "0", "-5", "x", "%2e%2e", "%00", "%3Cscript%3E", "my%20cups", "9" * 30))
            + rest.partition("}")[2]
        )
    query = [(name, text()) for name in names if luck.random() < 0.9]
    headers = dict(
        luck.sample((("accept", "*/*"), ("hx-request", "true"), ("range", "bytes=9-1"), ("if-none-match", "x")), 1)
    )
    if method == "POST" and luck.random() < 0.3:
        headers["content-type"] = luck.choice(KINDS)
        return client.request(method, path, params=query, headers=headers, content=luck.choice(BODIES))
    files = {
        name: (luck.choice(TEXTS), luck.choice(FILES))
        for name in sent
        if name in ("file", "content", "style", "style2", "mask")
    }
    form = {name: luck.choice(TEXTS).encode("utf-8", "replace").decode() for name in sent if name not in files}
    files = {name: (given.encode("utf-8", "replace").decode(), data) for name, (given, data) in files.items()}
    return client.request(method, path, params=query, headers=headers, data=form or None, files=files or None)


def seen(folder):
    """What there is beside the studio's own, and when it was changed."""
    return {
        one: one.stat().st_mtime_ns for one in sorted(folder.rglob("*")) if ".studio" not in one.parts and one.exists()
    }


@pytest.mark.parametrize("count", [250, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_requests_are_answered_and_reach_nothing_else(waiting, client, app, folder, model, count):
    (folder.parent / "secret.txt").write_text(SECRET)
    write_image(folder.parent / "secret.png", np.zeros((4, 4, 3), np.uint8))
    (folder / "photos" / "leak.png").symlink_to(folder.parent / "secret.png")
    client.post("/teach/data", data={"name": "my cups", "classes": "full\nempty"})
    before, luck, known = seen(folder.parent), random.Random(1), list(operations(app))
    client.follow_redirects = False
    answered = {}
    for _ in range(count):
        operation = luck.choice([one for one in known if "events" not in one[0]])
        answer = ask(client, operation, luck)
        answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (operation, answer.request.url)
        assert SECRET not in answer.text and "root:x:0" not in answer.text
        if "html" in answer.headers.get("content-type", ""):
            assert SCRIPT not in answer.text, (operation, answer.request.url)
    print(dict(sorted(answered.items())))
    assert seen(folder.parent) == before
    assert client.get("/jobs", headers={"cookie": f"convolens_studio_8080={TOKEN}", "origin": BASE}).status_code == 200
