"""What is read where a decoder is at hand, what is said where it is not, profiles, texts, frames, checksums."""

import io
import struct
import warnings
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from convolens.effects.pictures.files import change_picture_file
from convolens.errors import ArgumentError, FileError, FileNote, FormatError
from convolens.media import picture_boxes, picture_formats, picture_jxl, picture_png
from convolens.media.images import read_header, read_image, read_picture, read_rgb8, write_image
from convolens.media.picture_files import ResultPaths, find_pictures

RED = (250, 20, 5)


def red(mode="RGB", size=(60, 40)):
    return Image.new("RGB", size, RED).convert(mode)


@pytest.fixture
def without_heif(monkeypatch):
    """As on a machine without pi-heif, where Pillow knows no HEIC."""
    for name in ("decoders", "suffixes"):
        getattr(picture_formats, name).cache_clear()
    monkeypatch.setattr(picture_formats, "find_spec", lambda name: None)
    for table in ("ID", "OPEN"):
        held = getattr(Image, table)
        monkeypatch.setattr(Image, table, [k for k in held if k != "HEIF"] if table == "ID" else
                            {k: v for k, v in held.items() if k != "HEIF"})  # fmt: skip
    monkeypatch.setattr(Image, "EXTENSION", {k: v for k, v in Image.EXTENSION.items() if v != "HEIF"})
    yield
    for name in ("decoders", "suffixes"):
        getattr(picture_formats, name).cache_clear()


@pytest.mark.parametrize("name", ["a.avif", "a.jp2", "a.ppm", "a.tga", "a.qoi", "a.jfif"])
def test_what_pillow_reads_is_read_and_found_in_folders(tmp_path, name):
    red().save(tmp_path / name)
    assert np.abs(read_image(tmp_path / name)[0, 0].astype(int) - RED).max() <= 3
    assert read_header(tmp_path / name).size == (60, 40) and read_rgb8(tmp_path / name)[1] == (60, 40)
    assert list(find_pictures([tmp_path])) == [tmp_path / name]


def test_formats_of_drawings_and_data_are_never_opened_as_pictures(tmp_path):
    assert not {"EPS", "HDF5", "MPEG", "WMF", "GRIB"} & set(picture_formats.decoders())
    assert not {".h5", ".eps", ".mpg", ".pdf", ".ps"} & picture_formats.suffixes()
    red().save(tmp_path / "a.eps")
    with pytest.raises(FormatError, match=r"a\.eps: a \.eps file, which is not read here: a drawing: export"):
        read_image(tmp_path / "a.eps")


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix"])
@pytest.mark.parametrize("name", ["IMG_1.heic", "IMG_1.jpg"])
def test_a_heic_is_named_with_its_remedy_whatever_it_is_called(tmp_path, without_heif, brand, name):
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100))
    for read in (read_image, read_header):
        with pytest.raises(FormatError, match=r"a \.heic file, which is not read here: pip install .*media"):
            read(tmp_path / name)


def test_a_folder_says_what_it_passed_over_and_why(tmp_path, without_heif):
    for name in ("0.png", "1.heic", "2.HEIC", "3.nef", "notes.txt", "sub/4.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.warns(FileNote) as notes:
        assert list(find_pictures([tmp_path])) == [tmp_path / "0.png"]
    assert str(notes[0].message) == (
        f"{tmp_path}: passed over 3 .heic (pip install 'convolens[media]'), "
        "1 .nef (a camera's raw data: develop it into a TIFF or JPEG), 1 .txt"
    )
    (tmp_path / "0.png").unlink()
    with pytest.raises(FileError, match=r"need pictures .*, found 3 \.heic \(pip install 'convolens\[media\]'\)"):
        list(find_pictures([tmp_path]))


def test_results_of_what_is_read_and_not_written_are_pngs(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.avif", "a.jpg", "b.avif"):
        red().save(tmp_path / "in" / name)
    results = ResultPaths([tmp_path / "in"], tmp_path / "out")
    assert [results(path).name for path in find_pictures([tmp_path / "in"])] == ["a-avif.png", "a.jpg", "b.png"]


def profile(space=b"RGB "):
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[16:20] = space
    return bytes(data)


@pytest.mark.parametrize("icc", [profile(), profile(b"GRAY"), b"no profile at all", b"\0" * 200, profile()[:300]])
@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_inks_whose_profile_does_not_fit_are_read_as_without_it_with_a_note(tmp_path, icc, name):
    red("CMYK").save(tmp_path / name, icc_profile=icc)
    with pytest.warns(FileNote, match=r"its colour profile cannot be used .*; the picture is taken as .* without"):
        found = read_picture(tmp_path / name)
    red("CMYK").save(tmp_path / f"plain-{name}")
    np.testing.assert_array_equal(found.pixels, read_image(tmp_path / f"plain-{name}"))
    assert found.icc is None


@pytest.mark.parametrize(
    ("mode", "icc", "reason"),
    [("L", profile(), "is for RGB, and the picture is GRAY"), ("RGB", profile(b"CMYK"), "is for CMYK, and .* RGB"),
     ("RGB", b"nonsense" * 50, "is damaged"), ("RGBA", profile(b"GRAY"), "is for GRAY, and .* RGB")],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_profile_that_does_not_fit_is_not_carried_and_named(tmp_path, mode, icc, reason, suffix):
    if suffix == ".webp" and mode == "L":
        pytest.skip("WebP has no grey")
    red(mode).save(tmp_path / f"a{suffix}", icc_profile=icc)
    with pytest.warns(FileNote, match=f"its colour profile {reason}"):
        assert read_picture(tmp_path / f"a{suffix}").icc is None
    assert read_image(tmp_path / f"a{suffix}").shape[:2] == (40, 60)  # of pixels alone there is nothing to say


@pytest.mark.parametrize("suffix", [".jpg", ".gif", ".png", ".tif"])
def test_a_comment_is_kept_or_named(tmp_path, suffix):
    red().save(tmp_path / "a.jpg", comment="Füße".encode())
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        change_picture_file(tmp_path / "a.jpg", tmp_path / f"b{suffix}", lambda pixels: pixels)
    found = read_picture(tmp_path / f"b{suffix}")
    kept = found.comment == "Füße".encode() or found.texts == (("Comment", "Füße"),)
    assert kept == (not notes) == (suffix != ".tif")


def test_what_is_known_to_be_there_and_is_not_read_is_named(tmp_path):
    red().save(tmp_path / "a.jpg", "JPEG")
    data = (tmp_path / "a.jpg").read_bytes()
    captions = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x04\x1c\x02\0\0"
    (tmp_path / "a.jpg").write_bytes(
        data[:2] + b"\xff\xed" + struct.pack(">H", len(captions) + 2) + captions + data[2:]
    )
    red().save(tmp_path / "b.gif")
    with (tmp_path / "b.gif").open("r+b") as file:
        whole = file.read()
        file.seek(0)
        file.write(whole[:-1] + b"!\xff\x0bXMP DataXMP" + bytes(1) + b";")
    red().save(tmp_path / "c.tif", tiffinfo={33723: b"captions"})
    for name, words in (("a.jpg", "IPTC"), ("b.gif", "XMP"), ("c.tif", "IPTC")):
        with pytest.warns(FileNote, match=f"has no place for what came with the picture: {words}"):
            change_picture_file(tmp_path / name, tmp_path / "out.png", lambda pixels: pixels)


def with_chunk(png, name, data, before=b"IDAT"):
    at = png.index(before) - 4
    return png[:at] + picture_png._chunk(name, data) + png[at:]


def png_bytes():
    file = io.BytesIO()
    red().save(file, "PNG")
    return file.getvalue()


LONG = zlib.compress(b"x" * (3 << 20))


@pytest.mark.parametrize(
    ("name", "data"),
    [(b"zTXt", b"Comment\0\0" + LONG), (b"iTXt", b"Comment\0\1\0en\0\0" + LONG),
     (b"tEXt", b"Comment\0" + b"x" * (2 << 20)),
     (b"iTXt", b"Comment\0\0\0\0\0" + b"x" * (2 << 20))],
)  # fmt: skip
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_a_png_with_long_texts_is_read(tmp_path, name, data, before):
    (tmp_path / "a.png").write_bytes(with_chunk(png_bytes(), name, data, before))
    assert (read_image(tmp_path / "a.png") == RED).all()
    assert read_header(tmp_path / "a.png") == ((60, 40), "colour", 1)
    with pytest.warns(FileNote, match=r"a\.png: its texts of more than 1 MiB, or 64 MiB together, are left out"):
        assert read_picture(tmp_path / "a.png").texts == ()


SHORT = zlib.compress(b"x" * (1 << 20))  # a kilobyte: it is what they unfold to that counts


@pytest.mark.parametrize(
    ("name", "data", "count"),
    [
        (b"tEXt", b"Comment\0" + b"x" * 900_000, 80),
        (b"zTXt", b"Comment\0\0" + SHORT, 100),
        (b"iTXt", b"Comment\0\1\0en\0\0" + SHORT, 100),
    ],
)
def test_a_png_with_very_many_texts_is_read(tmp_path, name, data, count):
    png = png_bytes()
    at = png.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(png[:at] + picture_png._chunk(name, data) * count + png[at:])
    assert (read_image(tmp_path / "a.png") == RED).all()
    with pytest.warns(FileNote, match="or 64 MiB together, are left out"):
        assert read_picture(tmp_path / "a.png").texts != ()


def test_a_profile_too_long_for_pillow_is_kept(tmp_path):
    icc = profile() + np.random.default_rng(0).bytes(2 << 20)
    (tmp_path / "a.png").write_bytes(with_chunk(png_bytes(), b"iCCP", b"mine\0\0" + zlib.compress(icc)))
    assert read_picture(tmp_path / "a.png").icc == icc


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("chunk", [b"IHDR", b"IDAT", b"PLTE", b"tRNS"])
def test_a_png_whose_checksum_is_wrong_is_refused(tmp_path, depth, chunk):
    if chunk in (b"PLTE", b"tRNS"):
        file = io.BytesIO()
        red("P").save(file, "PNG", transparency=0)
        data = bytearray(file.getvalue())
    else:
        write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (20, 20)).astype(f"u{depth // 8}"))
        data = bytearray((tmp_path / "a.png").read_bytes())
    data[data.index(chunk) + 8] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.png: "):
        read_image(tmp_path / "a.png")


def test_no_flipped_byte_of_the_pixels_gives_other_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", pixels)
    whole = (tmp_path / "a.png").read_bytes()
    for at in range(8, len(whole), 3):
        data = bytearray(whole)
        data[at] ^= 0x15
        try:
            found = read_image(bytes(data))
        except FormatError:
            continue
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {}), ("a.tif", {}), ("a.avif", {"quality": 100})],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_of_several_frames_the_first_is_taken_with_a_note_or_the_one_that_is_asked_for(tmp_path, name, options, mode):
    colors = [(255, 0, 0), (0, 0, 255), (0, 128, 0)]
    frames = [Image.new("RGB", (16, 16), color).convert(mode) for color in colors]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=50, **options)
    with pytest.warns(FileNote, match="holds 3 pages or frames; only the first is taken"):
        assert np.abs(read_image(tmp_path / name)[8, 8, :3].astype(int) - colors[0]).max() <= 4
    for number, color in enumerate(colors, 1):
        assert np.abs(read_image(tmp_path / name, page=number)[8, 8, :3].astype(int) - color).max() <= 4


def mpo(kinds):
    """A JPEG as phones write it, with further pictures of these kinds behind the first."""
    file = io.BytesIO()
    frames = [red(size=(16, 16)) for _ in range(1 + len(kinds))]
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])
    data = bytearray(file.getvalue())
    at = data.index(b"MPF\0") + 4
    tag = data.index(struct.pack("<HH", 0xB002, 7), at)
    entry = at + int.from_bytes(data[tag + 8 : tag + 12], "little")  # 16 bytes for each picture
    for number, kind in enumerate(kinds, 1):
        data[entry + 16 * number : entry + 16 * number + 4] = struct.pack("<I", kind)
    return bytes(data)


def test_the_preview_behind_a_phones_photo_is_no_second_picture(tmp_path):
    assert read_image(mpo([0x010001])).shape == (16, 16, 3)
    with pytest.warns(FileNote, match="holds 2 pages or frames"):
        read_image(mpo([0x020002]))
    with pytest.warns(FileNote, match=r"^picture: .*malformed MPO file"):
        assert read_image(mpo([0x01])[:-30].replace(b"\x02\xb0", b"\x09\xb0")).shape == (16, 16, 3)


@pytest.mark.skipif(not picture_jxl.is_at_hand(), reason="imagecodecs was built without JPEG XL")
@pytest.mark.parametrize("shape", [(20, 31, 3), (8, 16, 3), (64, 64), (600, 5), (40, 60, 4), (9, 16, 3), (1, 1, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("boxed", [False, True])
def test_a_jpeg_xl_is_read(tmp_path, shape, dtype, boxed):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    data = imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=boxed)
    assert boxed or dtype == np.uint16 or data.startswith(b"\xff\x0a")
    assert not boxed or data.startswith(b"\0\0\0\x0cJXL")
    (tmp_path / "a.jxl").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jxl"), pixels)
    assert read_header(tmp_path / "a.jxl").size == (shape[1], shape[0])
    assert list(find_pictures([tmp_path])) == [tmp_path / "a.jxl"]


def box(name, *content):
    data = b"".join(content)
    return struct.pack(">I", 8 + len(data)) + name + data


def camera(order="<"):
    exif = Image.Exif()
    exif.endian = order
    exif[271], exif[282], exif[283], exif[274] = "Maker", 300.0, 150.0, 6
    return exif.tobytes()[6:]


@pytest.mark.skipif(not picture_jxl.is_at_hand(), reason="imagecodecs was built without JPEG XL")
def test_a_jpeg_xl_comes_with_what_is_in_its_boxes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 31, 3)).astype(np.uint8)
    data = imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=True)
    more = box(b"Exif", bytes(4), camera(">")) + box(b"xml ", b"<x/>") + box(b"brob", b"xml packed")
    (tmp_path / "a.jxl").write_bytes(data + more)
    need_boxed(read_picture(tmp_path / "a.jxl"), ("XMP",))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jxl"), pixels)
    with pytest.warns(FileNote, match=r"b\.png: has no place for what came with the picture: XMP"):
        change_picture_file(tmp_path / "a.jxl", tmp_path / "b.png", lambda pixels: pixels)


def need_boxed(picture, others):
    exif = Image.Exif()
    exif.load(picture.exif)
    assert exif[271] == "Maker" and exif[274] == 1
    assert picture.dpi == (300, 150) and picture.xmp == b"<x/>" and picture.others == others


def test_a_jpeg_2000_comes_with_what_is_in_its_boxes(tmp_path):
    red().save(tmp_path / "a.jp2")
    data = (tmp_path / "a.jp2").read_bytes()
    icc = profile()
    at = data.index(b"colr") - 4
    colors, size = data[at : at + 15], int.from_bytes(data[at : at + 4], "big")
    assert size == len(colors)
    named = box(b"colr", b"\2\0\0", icc)
    head = data.index(b"jp2h") - 4
    longer = struct.pack(">I", int.from_bytes(data[head : head + 4], "big") + len(named) - size)
    more = box(b"uuid", b"JpgTiffExif->JP2", camera()) + box(b"uuid", picture_boxes._XMP_UUID, b"<x/>")
    more += box(b"uuid", picture_boxes._IPTC_UUID, b"captions")
    (tmp_path / "a.jp2").write_bytes(data[:head] + longer + data[head + 4 : at] + named + data[at + size :] + more)
    found = read_picture(tmp_path / "a.jp2")
    need_boxed(found, ("IPTC",))
    assert found.icc == icc


@pytest.mark.parametrize(
    "boxes", [b"", b"\0\0\0\1uuid", b"\0\0\0\7uuid1234", b"\0\0\0\x0dcolr\2", b"\0\0\0\x09Exif\xff"]
)
def test_boxes_that_are_none_say_nothing(boxes):
    assert picture_boxes.read(boxes)[0] is None
    assert picture_boxes.read(struct.pack(">I", 8 + len(boxes)) + b"jp2h" + boxes)[0] is None


@pytest.mark.skipif(not picture_jxl.is_at_hand(), reason="imagecodecs was built without JPEG XL")
def test_further_frames_of_a_jpeg_xl_are_told(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (3, 20, 31, 3)).astype(np.uint8)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(frames, lossless=True))
    with pytest.warns(FileNote, match=r"a\.jxl: holds several frames; only the first is read of a JPEG XL"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.jxl"), frames[0])
    (tmp_path / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(frames[0], lossless=True))
    with pytest.raises(ArgumentError, match=r"page: need one from 1 to 1, which .*, got 2"):
        read_image(tmp_path / "b.jxl", page=2)


@pytest.mark.skipif(not picture_jxl.is_at_hand(), reason="imagecodecs was built without JPEG XL")
def test_a_jpeg_xl_that_claims_too_much_is_refused_before_it_is_decoded(tmp_path):
    fields = [(0, 1), (3, 2), (99_999, 30), (0, 3), (3, 2), (99_999, 30)]  # not small; 100,000 rows; no ratio; the same
    bits, at = 0, 0
    for value, width in fields:
        bits, at = bits | value << at, at + width
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + bits.to_bytes(10, "little") + bytes(50))
    for read in (read_image, read_header):
        with pytest.raises(FormatError, match=r"a\.jxl: need at most 178,956,970 pixels, .* 100000 × 100000"):
            read(tmp_path / "a.jxl")


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("shape", [(20, 31, 3), (20, 31)])
def test_a_jpeg_2000_keeps_its_depth(tmp_path, bits, shape):
    pixels = np.random.default_rng(0).integers(0, 2**bits, shape).astype(np.uint16)
    pixels[0, 0] = 2**bits - 1
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(pixels, bitspersample=bits, reversible=True))
    found = read_image(tmp_path / "a.jp2")
    np.testing.assert_array_equal(found, np.round(pixels * (65535 / (2**bits - 1))))
    assert (found[0, 0] == 65535).all()


@pytest.mark.skipif(not imagecodecs.AVIF.available, reason="imagecodecs was built without AVIF")
@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_an_avif_keeps_its_depth(tmp_path, bits, channels):
    pixels = np.random.default_rng(0).integers(0, 2**bits, (20, 31, channels)).astype(np.uint16)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=bits))
    np.testing.assert_array_equal(read_image(tmp_path / "a.avif"), np.round(pixels * (65535 / (2**bits - 1))))
    frames = np.stack([pixels, pixels[::-1]])
    (tmp_path / "b.avif").write_bytes(imagecodecs.avif_encode(frames, level=100, bitspersample=bits))
    with pytest.warns(FileNote, match=rf"b\.avif: its {bits} bits a channel are read as 8"):
        assert read_image(tmp_path / "b.avif", page=2).dtype == np.uint8


@pytest.mark.parametrize("depth", [8, 16])
def test_pixels_that_their_checksum_does_not_fit_are_refused_though_they_decode(tmp_path, depth):
    rows = b"".join(b"\0" + bytes(range(depth // 8 * 6)) for _ in range(6))
    other = rows.replace(b"\4", b"\5")
    head = picture_png._chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 6, depth, 0, 0, 0, 0))
    pixels = picture_png._chunk(b"IDAT", zlib.compress(rows, 0))
    whole = picture_png.SIGNATURE + head + pixels + picture_png._chunk(b"IEND", b"")
    assert read_image(whole).shape == (6, 6)
    changed = whole.replace(zlib.compress(rows, 0), zlib.compress(other, 0))
    assert len(changed) == len(whole) and changed != whole
    with pytest.raises(FormatError, match="damaged picture: the checksum of its chunk IDAT is wrong"):
        read_image(changed)
