import io
import struct
import warnings
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from convolens.errors import ArgumentError, DtypeError, FileError, FormatError, ShapeError
from convolens.media.images import Picture, read_image, read_picture, write_image, write_picture
from convolens.media.pixels import as_rgb8


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def png(width, height, depth, color, rows=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4)])
def test_eight_bits_survive_a_lossless_file(tmp_path, suffix, shape):
    if suffix == ".bmp" and shape[2:] == (4,):
        shape = (7, 5, 3)
    image = noise(*shape)
    write_image(tmp_path / f"a{suffix}", image)
    back = read_image(tmp_path / f"a{suffix}")
    if suffix == ".webp" and len(shape) == 2:  # WebP has no grey
        image = np.repeat(image[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4)])
def test_sixteen_bits_survive_png_and_tiff(tmp_path, suffix, shape):
    image = noise(*shape, dtype=np.uint16)
    write_image(tmp_path / f"a{suffix}", image)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, image)


def test_sixteen_bit_gray_with_transparency_becomes_rgba(tmp_path):
    rows = b"".join(b"\0" + struct.pack(">HHHH", 1000, 65535, 2000, 0) for _ in range(2))
    (tmp_path / "la.png").write_bytes(png(2, 2, 16, 4, rows))
    back = read_image(tmp_path / "la.png")
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back[0], [[1000, 1000, 1000, 65535], [2000, 2000, 2000, 0]])


def test_jpeg_keeps_a_smooth_picture_within_a_few_levels(tmp_path):
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    write_image(tmp_path / "a.jpg", ramp)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - ramp).max() <= 6


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}, {"restart_marker_blocks": 2}])
@pytest.mark.parametrize("shape", [(37, 51, 3), (37, 51), (1, 1, 3)])
def test_a_jpeg_is_decoded_to_the_bit_as_by_pillow(tmp_path, shape, options, subsampling):
    if options.get("keep_rgb") and (subsampling or len(shape) == 2):
        pytest.skip("RGB as it is has no subsampling")
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=70, subsampling=subsampling, **options)
    read = read_image(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(read, np.asarray(image))
    data = (tmp_path / "a.jpg").read_bytes()
    longer = read_image(data + b"what some cameras add")
    np.testing.assert_array_equal(longer, read)
    assert all(one.flags.writeable and one.flags.c_contiguous for one in (read, longer))
    with pytest.raises(FormatError, match="damaged picture"):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "a.tif", "deep.tif", "deep.png"])
def test_every_orientation_is_applied(tmp_path, orientation, kind):
    shown = np.zeros((16, 32), np.uint8)
    shown[:8, :8] = 255  # one bright corner, which only the right turn puts at the top left
    exif = Image.Exif()
    exif[274] = orientation
    stored = {2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1], 5: shown.T, 6: np.rot90(shown),
              7: np.rot90(shown, 2).T, 8: np.rot90(shown, -1)}.get(orientation, shown)  # fmt: skip
    path = tmp_path / kind
    if kind == "deep.png":
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(stored).astype(np.uint16) * 257))
        raw = path.read_bytes()
        body = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
        path.write_bytes(raw[:33] + chunk + raw[33:])
    elif kind == "deep.tif":
        deep = Image.fromarray(np.ascontiguousarray(stored).astype(np.uint16) * 257)
        deep.save(path, tiffinfo={274: orientation})
    else:
        extra = {"tiffinfo": {274: orientation}} if kind == "a.tif" else {"exif": exif}
        Image.fromarray(np.ascontiguousarray(stored)).save(path, **extra)
    picture = read_picture(path)
    assert picture.pixels.shape == shown.shape
    white = 65535 if kind.startswith("deep") else 255
    assert picture.pixels[:6, :6].min() > 0.97 * white and picture.pixels[:, 12:].max() < 0.03 * white
    write_picture(tmp_path / f"again_{kind}", picture)  # its metadata must not turn it a second time
    np.testing.assert_allclose(read_image(tmp_path / f"again_{kind}"), picture.pixels, atol=0.03 * white)


def test_palettes_bits_inks_and_transparency_become_gray_rgb_or_rgba(tmp_path):
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    see_through = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    cases = {
        "palette.png": (red.convert("P"), [255, 0, 0]),
        "palette.gif": (red.convert("P"), [255, 0, 0]),
        "inks.jpg": (red.convert("CMYK"), [255, 0, 0]),
        "inks.tif": (red.convert("CMYK"), [255, 0, 0]),
        "bits.png": (Image.new("1", (4, 4), 1), 255),
        "grey_alpha.png": (Image.new("LA", (4, 4), (50, 60)), [50, 50, 50, 60]),
        "alpha.png": (see_through, [255, 0, 0, 128]),
    }
    for name, (image, expected) in cases.items():
        image.save(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name)[1, 1], expected, err_msg=name)
    red.convert("P").save(tmp_path / "hole.png", transparency=0)
    assert read_image(tmp_path / "hole.png").shape == (4, 4, 4)
    red.save(tmp_path / "key.png", transparency=(255, 0, 0))
    np.testing.assert_array_equal(read_image(tmp_path / "key.png")[0, 0], [255, 0, 0, 0])


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "deep.png", "deep.tif"])
@pytest.mark.filterwarnings("ignore:.*deep.tif. has no place .* most of EXIF")
def test_profile_and_metadata_are_kept(tmp_path, name):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "Convolens"  # Make
    pixels = noise(8, 8, 3, dtype=np.uint16 if name.startswith("deep") else np.uint8)
    write_picture(tmp_path / name, Picture(pixels, profile, exif.tobytes()))
    back = read_picture(tmp_path / name)
    assert back.icc == profile
    if not name.endswith(".tif"):
        again = Image.Exif()
        again.load(back.exif)
        assert again[0x010F] == "Convolens"


def test_a_gray_result_does_not_carry_a_color_profile(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_picture(tmp_path / "a.png", Picture(noise(8, 8), profile))
    assert read_picture(tmp_path / "a.png").icc is None


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("color", [0, 2, 6])
def test_a_header_that_claims_100000_by_100000_is_refused_before_anything_is_allocated(tmp_path, depth, color):
    (tmp_path / "bomb.png").write_bytes(png(100_000, 100_000, depth, color))
    with pytest.raises(FormatError, match=r"bomb\.png: need at most 178,956,970 pixels, got a header that claims"):
        read_image(tmp_path / "bomb.png")


def test_a_deep_tiff_that_claims_too_much_is_refused(tmp_path):
    Image.fromarray(noise(4, 4, dtype=np.uint16)).save(tmp_path / "bomb.tif")
    data = bytearray((tmp_path / "bomb.tif").read_bytes())
    for tag in (256, 257):  # width and length: tag, type LONG or SHORT, count 1, value
        at = next(i for i in range(len(data)) if data[i : i + 2] == struct.pack("<H", tag))
        data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, 100_000)
    (tmp_path / "bomb.tif").write_bytes(data)
    with pytest.raises(FormatError, match=r"bomb\.tif: need at most 178,956,970 pixels"):
        read_image(tmp_path / "bomb.tif")


def test_a_picture_between_pillows_two_limits_is_read_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    write_image(tmp_path / "a.png", noise(8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png").shape == (8, 8)


def test_what_is_no_picture_is_one_sentence_that_names_the_file(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "letter.png").write_text("Dear picture, ")
    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:2000])
    deep = imagecodecs.png_encode(noise(64, 64, 3, dtype=np.uint16))
    (tmp_path / "cut16.png").write_bytes(deep[:3000])
    cases = {
        "gone.png": "need a picture, found nothing there",
        "empty.png": "need a picture, got 0 bytes",
        "letter.png": "need a picture .* got a file that is none",
        "cut.jpg": "damaged picture: .*truncated",
        "cut16.png": "damaged picture: ",
    }
    for name, message in cases.items():
        with pytest.raises(FileError, match=rf"{name}: {message}"):
            read_image(tmp_path / name)


def test_formats_that_cannot_hold_the_picture_are_refused_and_leave_nothing(tmp_path):
    cases = [
        ("a.jpg", noise(4, 4, 4), FormatError, "need a format with transparency"),
        ("a.jpg", noise(4, 4, dtype=np.uint16), FormatError, r"need \.png or \.tif for 16 bits"),
        ("a.xyz", noise(4, 4), FormatError, "need a name that ends in"),
        ("a.png", noise(4, 4, 2), ShapeError, "image: need .* got .4, 4, 2."),
        ("a.png", np.full((4, 4), 1.5), ArgumentError, r"need floats in \[0, 1\], got 1.5 to 1.5"),
        ("a.png", np.full((4, 4), np.nan), ArgumentError, r"need floats in \[0, 1\], got nan"),
        ("a.png", np.zeros((4, 4), np.int64), DtypeError, "need uint8, uint16 or floats"),
    ]
    for name, image, error, message in cases:
        with pytest.raises(error, match=message):
            write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_as_rgb8_gives_three_channels_of_bytes_for_any_picture():
    np.testing.assert_array_equal(as_rgb8(np.uint8([[7]])), [[[7, 7, 7]]])
    np.testing.assert_array_equal(as_rgb8(np.uint16([[65535, 257, 0]])), [[[255] * 3, [1] * 3, [0] * 3]])
    np.testing.assert_array_equal(as_rgb8(np.array([[0.0, 0.5, 1.0]])), [[[0] * 3, [128] * 3, [255] * 3]])
    np.testing.assert_array_equal(as_rgb8(np.array([[True, False]])), [[[255] * 3, [0] * 3]])
    np.testing.assert_array_equal(
        as_rgb8(np.uint8([[[10, 20, 30, 0]], [[10, 20, 30, 255]]])), [[[255] * 3], [[10, 20, 30]]]
    )
    np.testing.assert_array_equal(as_rgb8(np.uint8([[[9], [8]]])), [[[9] * 3, [8] * 3]])


def test_a_deep_tiff_that_counts_from_white_is_no_negative(tmp_path):
    image = noise(6, 5, dtype=np.uint16)
    (tmp_path / "a.tif").write_bytes(imagecodecs.tiff_encode(65535 - image, photometric="miniswhite"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


@pytest.mark.bad_input
def test_what_is_too_large_or_never_ends_is_not_read(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(FormatError, match="need a picture of at most"):
        read_image(tmp_path / "a.png")
    with pytest.raises(FormatError, match="need a picture, got a device"):
        read_image("/dev/zero")
