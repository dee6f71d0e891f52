"""What is meant as a picture, in whatever shape it comes, is the same pixels."""

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from convolens.errors import ArgumentError, DtypeError, FormatError, ShapeError
from convolens.media.images import write_image
from convolens.media.pixels import as_pictures, as_pixels, from_unit, over_white, to_unit

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def saved(image, suffix, **options):
    stream = io.BytesIO()
    image.save(stream, suffix, **options)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # its right side is up
    return saved(Image.fromarray(RGB), "PNG", exif=exif)


FILES = {
    "color": (saved(Image.fromarray(RGB), "PNG"), RGB),
    "gray": (saved(Image.fromarray(RGB[..., 0]), "PNG"), RGB[..., 0]),
    "deep": (saved(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257), "PNG"), RGB[..., 0].astype(np.uint16) * 257),
    "palette": (saved(Image.fromarray(RGB[..., 0]).convert("P"), "PNG"), np.stack([RGB[..., 0]] * 3, axis=2)),
    "transparent": (saved(Image.fromarray(np.dstack([RGB, RGB[..., 0]])), "PNG"), np.dstack([RGB, RGB[..., 0]])),
    "inks": (saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"), RGB),
    "turned": (turned(), np.rot90(RGB, -1)),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_path_bytes_an_open_file_and_pillows_picture_are_the_same_pixels(tmp_path, kind):
    data, shown = FILES[kind]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as stream, Image.open(path) as image:
        for picture in (path, str(path), data, io.BytesIO(data), stream, image):
            pixels = as_pixels(picture)
            assert pixels.dtype == shown.dtype
            np.testing.assert_array_equal(pixels, shown, err_msg=type(picture).__name__)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_an_array_and_a_tensor_are_themselves(kind):
    pixels = from_unit(RGB / 255, kind)
    np.testing.assert_array_equal(as_pixels(pixels), pixels)
    np.testing.assert_array_equal(
        as_pixels(torch.from_numpy(pixels.copy()).requires_grad_(kind in (np.float32,))), pixels
    )
    np.testing.assert_allclose(to_unit(pixels), RGB / 255, atol=1e-3 if kind is np.float16 else 1e-7)


def test_a_tensor_of_bfloat16_which_numpy_does_not_have_is_floats():
    np.testing.assert_array_equal(as_pixels(torch.full((2, 3), 0.5, dtype=torch.bfloat16)), np.full((2, 3), 0.5))


def test_one_or_many_are_told_apart():
    assert not as_pictures("a.jpg")[1] and not as_pictures(b"...")[1] and not as_pictures(RGB)[1]
    assert not as_pictures(Image.fromarray(RGB))[1] and not as_pictures(io.BytesIO())[1]
    found, many = as_pictures(np.stack([RGB, RGB]))
    assert many and len(list(found)) == 2
    found, many = as_pictures(RGB for _ in itertools.count())
    assert many and next(iter(found)) is RGB


def test_what_is_transparent_lies_over_white_at_any_depth():
    clear = np.array([[[0, 0, 0, 0.25]]])
    assert over_white(clear).tolist() == [[[0.75] * 3]]
    assert over_white(np.uint8([[[10, 20, 30, 51]]])).tolist() == [[[206, 208, 210]]]  # 0.2 · c + 0.8 · 255
    assert over_white(np.uint16([[[0, 65535, 0, 13107]]])).tolist() == [[[52428, 65535, 52428]]]


def test_levels_go_to_floats_and_back_at_any_depth():
    for kind, count in ((np.uint8, 256), (np.uint16, 65536)):
        levels = np.arange(count).astype(kind)
        unit = to_unit(levels)
        assert (unit[0], unit[-1], unit.dtype) == (0, 1, np.float32)
        np.testing.assert_array_equal(from_unit(unit, kind), levels)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (RGB.astype(float), ArgumentError, r"photo: need floats .* got 0 to 24\d; divide by 255, or pass uint8$"),
        (np.full((2, 2), -1.0), ArgumentError, r"photo: need floats in \[0, 1\], got -1 to -1$"),
        (np.full((2, 2), np.nan), ArgumentError, r"photo: need floats in \[0, 1\], got nan to nan$"),
        (RGB.astype(np.int64), DtypeError, r"photo: need uint8, uint16 or floats in \[0, 1\], got int64$"),
        (np.zeros((3, 8, 9)), ShapeError, r"photo: need .* got \(3, 8, 9\); channels come last, and a preprocessed"),
        (np.zeros((0, 9)), ShapeError, r"photo: need .* not empty, got \(0, 9\)$"),
        (["no", "numbers"], DtypeError, "photo: need numbers, got dtype <U"),
        (b"", FormatError, "picture: need a picture, got 0 bytes$"),
        (b"no picture", FormatError, "picture: need a picture .* got a file that is none$"),
        (io.StringIO("words"), FormatError, "need a file open for reading bytes, got one that gives text"),
        (Image.new("F", (3, 3)), FormatError, "picture: need 8 bits a channel, or 16 in .* got Pillow's mode F"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_one_sentence(picture, error, message):
    with pytest.raises(error, match=message):
        as_pixels(picture, "photo")


def test_a_file_of_floats_whose_white_is_not_known_is_refused(tmp_path):
    Image.fromarray(np.full((3, 3), 0.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(FormatError, match=r"a\.tif: need 8 bits a channel, or 16 in a PNG or TIFF, got"):
        as_pixels(tmp_path / "a.tif")


def test_floats_of_255_are_refused_where_a_file_is_written_too(tmp_path):
    with pytest.raises(ArgumentError, match="divide by 255, or pass uint8"):
        write_image(tmp_path / "a.png", RGB.astype(float))
