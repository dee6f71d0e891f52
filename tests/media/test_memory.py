"""Files that are small on disk and huge when decoded are refused with the figure, before they are decoded."""

import io
import struct

import numpy as np
import pytest
import soundfile
from PIL import Image

import convolens as cl
from convolens import cli
from convolens.errors import FormatError, MemoryRefused
from convolens.media import picture_gif
from convolens.media.images import read_header, read_pages
from convolens.media.kernels import read_kernel
from convolens.media.weighing import picture_weight
from tests.fuzz import watch


@pytest.fixture(autouse=True)
def _default_budget_after():
    yield
    cl.memory_limit("auto")


@pytest.fixture
def plain(tmp_path):
    Image.new("RGB", (1500, 1000), (200, 120, 40)).save(tmp_path / "plain.png")
    return tmp_path / "plain.png"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "gif"])
def test_a_picture_over_the_budget_is_refused_by_its_header(tmp_path, suffix):
    path = tmp_path / f"plain.{suffix}"
    Image.new("RGB", (1500, 1000), (200, 120, 40)).save(
        path, **({"compression": "tiff_lzw"} if suffix == "tif" else {})
    )
    cl.memory_limit("4MB")
    with pytest.raises(MemoryRefused, match=rf"plain.{suffix}: picture of 1500 × 1000 pixels: need .* got a budget of"):
        cl.read_image(path)
    assert read_header(path).size == (1500, 1000)


def test_pages_count_together(tmp_path):
    frames = [Image.new("L", (300, 200), level) for level in (0, 90, 200)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    cl.memory_limit("1MB")
    cl.read_image(tmp_path / "film.gif", page=2)
    with pytest.raises(MemoryRefused, match=r"film.gif: picture of 300 × 200 pixels: need 1.44 MB"):
        read_pages(tmp_path / "film.gif")


def test_a_large_picture_is_copied_by_strips_and_is_the_same(plain, monkeypatch):
    from convolens.media import picture_reading

    whole = cl.read_image(plain)
    monkeypatch.setattr(picture_reading, "_STRIP_PIXELS", 7 * 1500)
    np.testing.assert_array_equal(cl.read_image(plain), whole)


def test_of_many_the_one_over_the_budget_is_a_line_and_the_others_are_done(plain, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    plain.rename(folder / "b.png")
    for name in ("a.png", "c.png"):
        Image.new("RGB", (30, 20)).save(folder / name)
    assert cli.run(["blur", str(folder), str(tmp_path / "out"), "--sigma", "1", "--memory", "4MB"]) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "c.png"}
    said = capsys.readouterr().err
    assert "skipped: " in said and "b.png: picture of 1500 × 1000 pixels: need 10.5 MB of memory" in said
    assert cl.memory_limit() > 4_000_000  # it held for the command alone


def test_a_size_that_is_none_is_a_sentence(plain, tmp_path, capsys):
    assert cli.run(["blur", str(plain), str(tmp_path / "out.png"), "--sigma", "1", "--memory", "4"]) == 2
    assert "--memory: need a size of at least a million bytes, such as 2GB or 500MB, got '4'" in capsys.readouterr().err


def test_a_sound_over_the_budget_is_refused_with_all_that_it_needs(tmp_path):
    soundfile.write(tmp_path / "silence.flac", np.zeros(1_000_000, np.int16), 48_000)
    cl.memory_limit("4MB")
    with pytest.raises(MemoryRefused, match=r"silence.flac: need 8 MB of memory, got a budget of 4 MB; use a shorter"):
        cl.read_audio(tmp_path / "silence.flac")
    assert len(cl.read_audio(tmp_path / "silence.flac", seconds=1)[0]) == 48_000


def test_a_header_that_lies_is_not_believed(tmp_path):
    """The first frames are there, the header claims more than the budget: what is wrong is the file."""
    path = tmp_path / "short.flac"
    soundfile.write(path, np.zeros(100_000, np.int16), 48_000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the four highest of the 36 bits that count the samples
    path.write_bytes(data)
    cl.memory_limit("2MB")
    with pytest.raises(FormatError, match="cut short"):
        cl.read_audio(path)


def test_weights_of_pictures_are_those_of_their_headers(plain, tmp_path):
    assert picture_weight(plain) in (0.0, 1500 * 1000 * 8)
    assert picture_weight(tmp_path / "nothing.png") == 0
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 300, 3), np.uint8)).save(path)
    assert picture_weight(path) == 400 * 300 * 8


def test_a_kernel_over_the_budget_is_refused(tmp_path):
    np.save(tmp_path / "large.npy", np.zeros((500, 500), np.float32))
    cl.memory_limit("3MB")
    with pytest.raises(MemoryRefused, match=r"large.npy: need 3.25 MB of memory"):
        read_kernel(tmp_path / "large.npy")


def gif_whose_second_frame_lies_far_out():
    """A head of 4 × 3 pixels; the second frame lets the picture grow to 3,000 × 30,000."""
    stream = io.BytesIO()
    frames = [Image.new("L", (4, 3), color) for color in (1, 200)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    data = bytearray(stream.getvalue())
    struct.pack_into("<HHHH", data, data.rindex(struct.pack("<BHHHH", 0x2C, 0, 0, 4, 3)) + 1, 0, 0, 3000, 30000)
    return bytes(data)


def test_frames_of_a_gif_that_lie_outside_of_its_head_count():
    data = gif_whose_second_frame_lies_far_out()
    assert picture_gif.whole_size(data) == (3000, 30000)
    cl.memory_limit("200MB")
    assert cl.read_image(data, page=1).shape[:2] == (3, 4)  # the first frame as it is
    watch.forget_peak()
    before = watch.peak()
    for read in (lambda: read_pages(data), lambda: cl.read_image(data, page=2)):
        with pytest.raises(MemoryRefused, match="picture of 3000 × 30000 pixels"):
            read()
    assert watch.peak() - before < 50e6


def test_all_pages_count_where_the_first_is_the_smallest():
    stream = io.BytesIO()
    pages = [Image.new("L", (side, 3000)) for side in (1, 9000, 9000)]
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_deflate")
    cl.memory_limit("80MB")
    with pytest.raises(MemoryRefused, match="3 pages of 54,003,000 pixels: need 108"):
        read_pages(stream.getvalue())
