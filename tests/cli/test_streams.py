"""`-` is standard input and output, of sounds, pictures and JSON; in a pipe, and never a broken file."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

import convolens as cl
from convolens.media.images import read_image, write_image


def run(*words, stdin=b""):
    return subprocess.run([sys.executable, "-m", "convolens", *map(str, words)], input=stdin, capture_output=True)


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)
    write_image(tmp_path / "photo.png", pixels)
    return tmp_path / "photo.png"


def test_a_picture_goes_through_a_pipe_as_it_would_through_files(photo, tmp_path):
    done = run("blur", "-", "-", "--sigma", "1", stdin=photo.read_bytes())
    assert done.returncode == 0, done.stderr
    assert run("blur", photo, tmp_path / "soft.png", "--sigma", "1").returncode == 0
    assert done.stdout == (tmp_path / "soft.png").read_bytes()
    said = done.stderr.decode().splitlines()
    assert said[0] == "wrote stdout" and said[1].startswith("next: ")


def test_a_sound_does_too_and_keeps_its_format(tmp_path):
    samples = np.sin(np.arange(4000) / 9) / 2
    soundfile.write(tmp_path / "a.flac", samples, 8000)
    done = run("echo", "-", "-", "--delay", "0.1", "--weight", "0.5", "-q", stdin=(tmp_path / "a.flac").read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    heard, rate = soundfile.read(io.BytesIO(done.stdout))
    assert rate == 8000 and len(heard) == 4800 and soundfile.info(io.BytesIO(done.stdout)).format == "FLAC"


def test_an_answer_in_json_is_about_stdin(photo, tmp_path):
    model = cl.classifier(cl.trunk("resnet18", device="cpu"), classes=("a", "b"))
    model.save(tmp_path / "model.safetensors")
    done = run("predict", tmp_path / "model.safetensors", "-", "--json", stdin=photo.read_bytes())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["path"] == "stdin" and found["labels"][0] == model.predict(photo).labels[0]


def test_a_drawing_of_a_photo_is_a_png(photo):
    file = io.BytesIO()
    Image.fromarray(read_image(photo)).save(file, "JPEG")
    done = run("edges", "-", "-", "-q", stdin=file.getvalue())
    assert Image.open(io.BytesIO(done.stdout)).format == "PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("blur", "-", "out.png", "--sigma", "1"), b"error: stdin: "),
        (("reverb", "-", "-", "out.wav"), b"error: impulse: need a file, as stdin is source already"),
        (("predict", "model.safetensors", "photo.png", "--out", "-"), b"need a folder to write into"),
        (("blur", "FOLDER", "-", "--sigma", "1"), b"error: -: need one file to write to stdout, got a folder"),
    ],
)
def test_what_cannot_be_is_one_sentence(photo, words, message):
    words = [photo.parent if word == "FOLDER" else word for word in words]
    done = run(*words, stdin=b"nonsense")
    assert done.returncode == 2 and message in done.stderr and done.stdout == b"", done.stderr
    assert b"Traceback" not in done.stderr and b"convolens-" not in done.stderr
