"""The page that runs a model: what is in its folder, and what is refused. In a browser it is in test_browser.py."""

import base64
import hashlib
import json
import os
import re
import tarfile
from html import unescape
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import convolens as cl
from convolens.errors import ArgumentError, ExportError, FileError
from convolens.exporting import browser_runtime as runtime
from convolens.exporting.making import Made
from convolens.exporting.page import Field, page
from tests.export.conftest import NAMES, export, picture

RUNTIME = {name: f"// {name} </script>".encode() for name in runtime.FILES}


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A folder with files that are taken for onnxruntime-web's; kept files would be in another."""
    monkeypatch.setattr(runtime, "FILES", {name: hashlib.sha256(one).hexdigest() for name, one in RUNTIME.items()})
    monkeypatch.setattr(runtime, "cache_folder", lambda: tmp_path / "cache" / "weights")
    folder = tmp_path / "package"
    (folder / "dist").mkdir(parents=True)
    for name, content in RUNTIME.items():
        (folder / "dist" / name).write_bytes(content)
    return folder


def unpacked(folder, name):
    return base64.b64decode(re.fullmatch(r'convolens\.part\("(.*)"\);\n', (folder / name).read_text())[1])


def test_the_folder_has_all_that_it_needs(classifier, given, tmp_path):
    """Its model gives the map that a class's score is the mean of, as `cl.explain` has it."""
    model, whole = classifier
    written = export(model, tmp_path / "model.onnx", page=tmp_path / "page", runtime=given, check=[picture(50, 60)])
    folder = tmp_path / "page"
    assert {one.name for one in folder.iterdir()} == {
        "index.html", "LICENSE-onnxruntime.txt", "model-0.js", *(f"runtime-{number}.js" for number in range(3)),
    }  # fmt: skip
    assert [unpacked(folder, f"runtime-{number}.js") for number in range(3)] == list(RUNTIME.values())
    assert written.path.stat().st_size == pytest.approx(whole.path.stat().st_size, abs=20)  # other figures in it
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', (folder / "index.html").read_text())[1])
    assert facts["class_names"] == NAMES
    assert facts["preprocessing"] == {"resize": 48, "crop": 40, "stretch": None}
    session = onnxruntime.InferenceSession(unpacked(folder, facts["parts"][0]))
    pixels = picture(64, 80)
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"picture": pixels}), strict=True))
    assert set(found) == {"probabilities", *(f"activation {field['tap']}" for field in facts["fields"])}
    why = cl.explain(model, pixels, method="cam", target="bee")
    for field in facts["fields"]:
        place = model.trunk.receptive_field(field["tap"])
        assert (field["first"], field["stride"]) == (place.offset + place.size / 2, place.stride)
        np.testing.assert_allclose(found[f"activation {field['tap']}"][1], why.grids[field["tap"]], atol=1e-4)
    np.testing.assert_allclose(found["probabilities"], session_of(whole.path, pixels), atol=1e-6)


def session_of(path, pixels):
    return onnxruntime.InferenceSession(path).run(["probabilities"], {"picture": pixels})[0]


def test_names_cannot_leave_their_text(classifier):
    names = ["</script><script>alert(1)</script>", "<!--", "a & b \u2028", "\u202ebackwards\x00", "caf\udce9"]
    facts = cl.load(classifier[1].path).facts
    facts = type(facts)(**vars(facts) | {"class_names": names})
    made = page("<b>photos & co", facts, [Field("layer1.0", 3.5, 4)], ["model-0.js"])
    made.encode()  # no half of a character is left
    assert "<script>alert" not in made
    assert "<b>photos" not in made
    assert "&lt;b&gt;photos &amp; co" in made
    data = json.loads(re.search(r'id="facts">(.*?)</script>', made, re.DOTALL)[1])
    assert data["class_names"] == [*names[:3], "\\u202ebackwards\\x00", "caf\\xe9"]


def test_the_page_says_that_it_connects_to_nowhere(classifier):
    made = page("photos", cl.load(classifier[1].path).facts, [], ["model-0.js"])
    policy = unescape(re.search(r'Content-Security-Policy" content="(.*?)"', made)[1])
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy  # so that default-src holds
    (script,) = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", made, re.DOTALL)
    for text in (script, style):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert not re.search(r"https?://", made)
    assert "innerHTML" not in made


def test_where_the_runtime_comes_from(given, tmp_path, monkeypatch):
    contents = list(RUNTIME.values())
    assert runtime.browser_runtime(given) == runtime.browser_runtime(given / "dist") == contents
    packed = tmp_path / "onnxruntime-web.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(given, "package")
    assert runtime.browser_runtime(packed) == contents
    fake = tmp_path / "bin" / "npm"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nfor last; do :; done\ncp {packed} "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    assert runtime.browser_runtime() == contents
    fake.write_text("#!/bin/sh\nexit 1\n")
    assert runtime.browser_runtime() == contents  # it was kept


def test_a_runtime_that_cannot_be_had(given, tmp_path, monkeypatch):
    fake = tmp_path / "npm"
    fake.write_text("#!/bin/sh\necho npm error network offline >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(runtime, "which", lambda _: str(fake))
    by_hand = r"run `npm pack onnxruntime-web@[\d.]+` where there is one, and give the file by runtime"
    with pytest.raises(ExportError, match=rf"npm cannot fetch it: npm error network offline; {by_hand}"):
        runtime.browser_runtime()
    monkeypatch.setattr(runtime, "which", lambda _: None)
    with pytest.raises(ExportError, match=f"found no npm to fetch it; {by_hand}"):
        runtime.browser_runtime()
    with pytest.raises(FileError, match=r"none: need onnxruntime-web .*No such file"):
        runtime.browser_runtime(tmp_path / "none")
    with pytest.raises(FileError, match=r"npm: need onnxruntime-web .*, as npm packs it"):
        runtime.browser_runtime(fake)
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(fake, "package/other")
    with pytest.raises(FileError, match=r"ort\.wasm\.min\.js is not in it"):
        runtime.browser_runtime(tmp_path / "other.tgz")
    (given / "dist" / "ort.wasm.min.js").write_text("of another version")
    with pytest.raises(ExportError, match=r"need ort.wasm.min.js of onnxruntime-web .*, got another"):
        runtime.browser_runtime(given)


@pytest.mark.usefixtures("exported")
def test_what_is_refused(classifier, given, tmp_path):
    model, target, folder = classifier[0], tmp_path / "model.onnx", tmp_path / "page"
    with pytest.raises(ArgumentError, match="page: need a model that takes single pictures, got batched or raw"):
        cl.export(model, target, page=folder, runtime=given, batched=True)
    with pytest.raises(ArgumentError, match="page: need a model that answers, got features"):
        cl.export(model.trunk, target, page=folder, runtime=given)
    with pytest.raises(ArgumentError, match="runtime: need page with it"):
        cl.export(model, target, runtime=given)
    with pytest.raises(FileError, match="is already there"):
        cl.export(model, target, page=given, runtime=given)
    with pytest.raises(FileError, match="need onnxruntime-web"):
        cl.export(model, target, page=folder, runtime=tmp_path / "none")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["package"]


def test_a_page_that_cannot_be_written_leaves_no_file(classifier, given, tmp_path, monkeypatch):
    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    model, whole = classifier
    done = Made(whole.path.read_bytes(), cl.load(whole.path).facts)
    monkeypatch.setattr("convolens.exporting.export.make", lambda *_, **__: done)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(FileError, match="No space left on device"):
        cl.export(model, tmp_path / "model.onnx", page=tmp_path / "page", runtime=given)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["package"]
