import numpy as np
import pytest
from PIL import Image

from convolens.data import Box, Example, load
from convolens.data.loading import load_small
from convolens.errors import DataError, FormatError
from convolens.media.images import read_header, read_image, read_rgb8

SUFFIXES = (".jpg", ".png", ".tif", ".webp")


def gradient(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([255 * x / width, 255 * y / height, 0 * x], axis=2).astype(np.uint8))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_header_and_pixels_agree_on_what_is_displayed(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    gradient(40, 24).save(path, exif=exif)
    height, width = read_image(path).shape[:2]
    assert read_header(path).size == (width, height)
    pixels, size = read_rgb8(path)
    assert size == (width, height)
    np.testing.assert_array_equal(pixels, read_image(path))


@pytest.mark.parametrize(
    ("picture", "channels"),
    [
        (Image.new("L", (3, 2)), "grey"),
        (Image.new("RGB", (3, 2)), "colour"),
        (Image.new("RGBA", (3, 2)), "colour with transparency"),
        (Image.new("P", (3, 2)), "palette"),
        (Image.fromarray(np.zeros((2, 3), np.uint16)), "16-bit grey"),
    ],
)
def test_a_header_says_its_channels(tmp_path, picture, channels):
    picture.save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png") == ((3, 2), channels, 1)


def test_a_large_jpeg_is_decoded_small_with_its_boxes(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient(800, 400).save(tmp_path / "a.jpg", exif=exif, quality=95)
    example = Example(tmp_path / "a.jpg", (3,), (Box(3, (100, 200, 300, 600)),))
    loaded = load_small(example, 100)
    assert loaded.pixels.shape == (200, 100, 3)
    np.testing.assert_allclose(loaded.boxes_xyxy, [[25, 50, 75, 150]])
    assert loaded.box_labels.tolist() == [3]
    means = load(example).pixels.reshape(200, 4, 100, 4, 3).mean(axis=(1, 3))
    assert np.abs(loaded.pixels - means).mean() < 1


@pytest.mark.parametrize("at_least", [1, 99, 101, 400, 4000])
def test_the_shorter_side_keeps_at_least_what_is_requested(tmp_path, at_least):
    gradient(403, 811).save(tmp_path / "a.jpg")
    assert min(load_small(Example(tmp_path / "a.jpg", ()), at_least).pixels.shape[:2]) >= min(at_least, 403)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb(tmp_path, mode):
    picture = gradient(8, 6)
    if mode == "I;16":
        Image.fromarray(np.full((6, 8), 65535, np.uint16)).save(tmp_path / "a.png")
    else:
        picture.convert(mode).save(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"))
    path = next(tmp_path.iterdir())
    loaded = load_small(Example(path, ()), 6)
    assert (loaded.pixels.shape, loaded.pixels.dtype) == ((6, 8, 3), np.uint8)
    assert loaded.boxes_xyxy.shape == (0, 4)


def test_a_box_is_cut_off_at_the_edges_and_refused_outside(tmp_path):
    gradient(40, 30).save(tmp_path / "a.png")
    loaded = load(Example(tmp_path / "a.png", (0,), (Box(0, (-5, 10, 44, 30.5)),)))
    np.testing.assert_allclose(loaded.boxes_xyxy, [[0, 10, 40, 30]])
    with pytest.raises(DataError, match=r"a\.png: need boxes in the picture of 40×30 pixels, got \(41, 0, 50, 9\)"):
        load(Example(tmp_path / "a.png", (0,), (Box(0, (41, 0, 50, 9)),)))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_empty_or_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FormatError, match=rf"{name}: need a picture, got 0 bytes"):
        load(Example(tmp_path / name, ()))
    gradient(40, 30).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=f"{name}: damaged picture"):
        load(Example(tmp_path / name, ()))
