"""One guard around foreign decoders; what is no ordinary file; names that hold anything."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens.errors import ArgumentError, ConvolensError, FileError, FileNote, FormatError, MemoryRefused, printable
from convolens.media.audio import read_audio, write_audio
from convolens.media.audio_extras import read_extras
from convolens.media.audio_reading import audio_length
from convolens.media.decoding import decoding
from convolens.media.files import need_file
from convolens.media.images import read_header, read_image, read_pages, write_image
from convolens.media.kernels import read_kernel
from convolens.media.notes import note

READERS = {"a.wav": read_audio, "a.mp3": read_audio, "a.png": read_image, "b.png": read_header, "a.npy": read_kernel,
           "a.txt": read_kernel}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(FormatError, match=rf"{name}: need .*, got a device or a pipe; write it into a file first"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_link_to_a_device_is_refused(tmp_path, name):
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(FormatError, match=rf"{name}: need .*, got a device or a pipe"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_may_not_be_read_is_a_sentence(tmp_path, name, monkeypatch):
    (tmp_path / name).write_bytes(b"RIFF....WAVE1 2 3")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(tmp_path / name))

    monkeypatch.setattr("io.open", refuse)  # what Path.open calls; the tests may run as root, whom no mode stops
    with pytest.raises(FileError, match=rf"{name}: cannot be read: Permission denied"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("path", ["x" * 300 + ".png", "a\0b.png", "loop/loop.png"])
@pytest.mark.parametrize("reader", [read_audio, read_image, read_kernel])
def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path, monkeypatch, path, reader):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises(FileError, match=r": need .*, (cannot look at it|found nothing there)"):
        reader(path)


@pytest.mark.parametrize(
    ("raised", "kind", "sentence"),
    [
        (ValueError("bad block"), FormatError, "a.tif: damaged picture: bad block"),
        (SyntaxError("odd\nlines"), FormatError, "a.tif: damaged picture: odd lines"),
        (KeyError(), FormatError, "a.tif: damaged picture: KeyError"),
        (OSError("broken data stream"), FormatError, "a.tif: damaged picture: broken data stream"),
        (OSError(5, "Input/output error"), FileError, "a.tif: cannot be read: Input/output error"),
        (MemoryError(), MemoryRefused, "a.tif: need more memory than this machine has to decode it"),
        (NotImplementedError("LZW"), FormatError, "a.tif: a picture of a kind that is not read here: LZW; save anew"),
        (RuntimeError("Unsupported bits"), FormatError,
         "a.tif: a picture of a kind that is not read here: Unsupported bits; save anew"),
        (FormatError("need 8 bits"), FormatError, "a.tif: need 8 bits"),
        (FormatError("a.tif: need 8 bits"), FormatError, "a.tif: need 8 bits"),
    ],
)  # fmt: skip
def test_whatever_a_decoder_raises_becomes_one_sentence(raised, kind, sentence):
    with pytest.raises(kind) as found, decoding("a.tif", "picture", remedy="save anew"):
        raise raised
    assert str(found.value) == sentence and type(found.value) is kind


def test_ctrl_c_and_notes_pass_through_the_guard():
    with pytest.raises(KeyboardInterrupt), decoding("a.tif", "picture"):
        raise KeyboardInterrupt
    with pytest.raises(FileNote), decoding("a.tif", "picture"):
        note("a.tif: something")


def test_what_a_terminal_would_obey_is_shown_as_escapes(tmp_path):
    name = "a\x1b[2J\nb\u202e\udce9.png"
    with pytest.raises(FileError) as found:
        need_file(tmp_path / name)
    assert "a\\x1b[2J\\nb\\u202e\\xe9.png" in str(found.value) and str(found.value).isprintable()
    with pytest.warns(FileNote) as notes:
        note(f"{name}: something")
    assert str(notes[0].message) == "a\\x1b[2J\\nb\\u202e\\xe9.png: something"
    assert printable("Füße 写真　één 👩‍🚀.png") == "Füße 写真　één 👩‍🚀.png"


def test_the_command_line_says_each_note_once_and_counts_what_is_alike(capsys, monkeypatch):
    from convolens.cli.telling import telling_notes

    with telling_notes():
        for number in [*range(9), 3]:
            note(f"{number}.gif: only the first of {number} frames was taken")
        note("a\x1b.wav: another")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:5] == [f"note: {n}.gif: only the first of {n} frames was taken" for n in range(5)]
    assert lines[5:] == ["note: a\\x1b.wav: another", "note: 4 more files: only the first of  frames was taken"]


def _inputs(folder):
    """A small file of each kind, and what reads it."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 17, 3)).astype(np.uint8)
    for name in ("a.png", "a.jpg", "a.tif", "a.webp", "a.gif", "a.bmp"):
        write_image(folder / name, pixels)
    write_image(folder / "deep.tif", pixels.astype(np.uint16) * 257)
    write_image(folder / "deep.png", pixels.astype(np.uint16) * 257)
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.caf"):
        write_audio(folder / name, np.sin(np.arange(6000) / 9), 22050)
    np.save(folder / "a.npy", np.arange(6.0))
    pictures, sounds = (read_image, read_header, read_pages), (read_audio, audio_length, read_extras)
    for path in sorted(folder.iterdir()):
        is_sound = path.suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".caf")
        yield path, (read_kernel,) if path.suffix == ".npy" else sounds if is_sound else pictures


@pytest.mark.filterwarnings("ignore")
def test_whatever_bytes_are_changed_the_error_is_one_sentence_with_the_name(tmp_path):
    chance = random.Random(0)
    for path, readers in list(_inputs(tmp_path)):
        whole = path.read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            for _ in range(chance.choice([1, 3, 20])):
                data[chance.randrange(min(len(data), 600))] = chance.randrange(256)
            path.write_bytes(data[: chance.choice([len(data), len(data) // 2])])
            for reader in readers:
                sentence = _refusal(reader, path)
                assert sentence is None or (sentence.startswith(f"{path}: ") and sentence.isprintable())


def _refusal(reader, path):
    try:
        reader(path)
    except ConvolensError as error:  # anything else fails the test
        return str(error)
    return None


@pytest.mark.bad_input
@pytest.mark.parametrize("reader", [read_audio, read_image, read_kernel, read_header])
@pytest.mark.parametrize("path", [None, 5, 2.5, ["a.png"]])
def test_what_is_no_path_is_a_sentence(reader, path):
    with pytest.raises(ArgumentError, match=r"(path|source): need .*, got (NoneType|int|float|list)"):
        reader(path)


def test_an_open_file_that_is_only_written_or_was_closed_is_a_sentence(tmp_path):
    with (tmp_path / "a.png").open("wb") as file, pytest.raises(FileError, match=r"a\.png: cannot be read: "):
        read_image(file)
    with (tmp_path / "a.png").open("rb") as file:
        pass
    with pytest.raises(FileError, match=r"a\.png: cannot be read: .* closed file"):
        read_image(file)


def webp(path, size, **options):
    Image.new("RGB", size, "red").save(path, "WEBP", **options)
    return path


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}])
def test_a_webp_whose_head_claims_much_is_refused_before_its_canvas_is_made(tmp_path, monkeypatch, options):
    file = webp(tmp_path / "a.webp", (400, 500), **options)
    assert read_image(file).shape == (500, 400, 3)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("its decoder was asked"))
    monkeypatch.setattr("convolens.media.picture_opening.MAX_PIXELS", 199_999)
    with pytest.raises(FormatError, match="need at most 199,999 pixels, got a header that claims 400 × 500"):
        read_image(file)
    monkeypatch.setattr("convolens.media.picture_opening.MAX_PIXELS", 200_000)
    cl.memory_limit(1_000_000)
    try:
        with pytest.raises(MemoryRefused, match=r"picture of 400 × 500 pixels: need 1\.6 MB"):
            read_image(file)
    finally:
        cl.memory_limit("auto")
