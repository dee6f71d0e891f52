"""What a picture file says beside its pixels goes with them, or is named."""

import itertools
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from convolens.effects.pictures.files import change_picture_file
from convolens.errors import FileNote
from convolens.media.images import Pages, Picture, read_pages, read_picture, write_pages, write_picture

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" dc:title="F\xc3\xbc\xc3\x9fe"/></x:xmpmeta>'
UPRIGHT = XMP.replace(b'"6"', b'"1"')
PLACES = {".png": {"EXIF", "XMP", "its resolution", "texts"}, ".jpg": {"EXIF", "XMP", "its resolution"},
          ".tif": {"EXIF", "XMP", "its resolution"}, ".webp": {"EXIF", "XMP"}, ".bmp": {"its resolution"},
          ".gif": set()}  # fmt: skip


def source(path, dtype=np.uint8):
    """A file of the suffix that says all that it has a place for."""
    exif = Image.Exif()
    exif[271], exif[274], exif[315] = "Maker", 6, "Füße".encode()
    if dtype == np.uint16:
        texts = (("Title", "Füße"), ("Comment", "日本"))
        pixels = np.full((6, 8, 3), 999, np.uint16)
        write_picture(path, Picture(pixels, None, exif.tobytes(), XMP, (300, 150), texts))
        return path
    texts = PngInfo()
    texts.add_text("Title", "Füße")
    texts.add_text("Comment", "日本")
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    options = {".png": {"exif": exif, "dpi": (300, 150), "pnginfo": texts}, ".bmp": {"dpi": (300, 150)}, ".gif": {},
               ".jpg": {"exif": exif, "dpi": (300, 150), "xmp": XMP}, ".webp": {"exif": exif, "xmp": XMP},
               ".tif": {"exif": exif, "dpi": (300, 150), "tiffinfo": {700: XMP, 271: "Maker"}}}  # fmt: skip
    Image.new("RGB", (8, 6), (9, 8, 7)).save(path, **options[path.suffix])
    return path


def held(picture):
    """In words, what the picture came with, checked against what was put in."""
    found = set()
    if picture.exif:
        exif = Image.Exif()
        exif.load(picture.exif)
        assert exif.get(271, "Maker") == "Maker" and exif.get(274, 1) == 1
        assert exif.get(315, "Füße".encode().decode("latin-1")).encode("latin-1") == "Füße".encode()  # to the byte
        found.add("EXIF")
    if picture.xmp:
        assert picture.xmp in (UPRIGHT, UPRIGHT.replace(b'tiff:Orientation="1"', b""))  # Pillow takes a TIFF's out
        found.add("XMP")
    if picture.dpi:
        assert sorted(np.round(picture.dpi)) == [150, 300]
        found.add("its resolution")
    if picture.texts:
        assert picture.texts == (("Title", "Füße"), ("Comment", "日本"))
        found.add("texts")
    return found


@pytest.mark.parametrize(("before", "after"), list(itertools.product(PLACES, PLACES)))
def test_all_that_a_picture_says_is_kept_or_named(tmp_path, before, after):
    path = source(tmp_path / f"in{before}")
    had = held(read_picture(path))
    assert had == PLACES[before]
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        change_picture_file(path, tmp_path / f"out{after}", lambda pixels: pixels)
    has = held(read_picture(tmp_path / f"out{after}"))
    assert has == had & PLACES[after]
    lost = {words for words in had - has if f"{words}" in " ".join(str(note.message) for note in notes)}
    assert lost == had - has and len(notes) == bool(lost)


def test_pictures_of_16_bits_too(tmp_path):
    path = source(tmp_path / "a.png", np.uint16)
    assert held(read_picture(path)) == PLACES[".png"]
    change_picture_file(path, tmp_path / "b.png", lambda pixels: pixels)
    assert held(read_picture(tmp_path / "b.png")) == PLACES[".png"]
    with pytest.warns(FileNote, match=r"b\.tif: has no place for what came with the picture: texts"):
        change_picture_file(path, tmp_path / "b.tif", lambda pixels: pixels)
    assert held(read_picture(tmp_path / "b.tif")) == PLACES[".tif"]


@pytest.mark.parametrize("order", ["<", ">"])
def test_camera_date_and_place_stay_with_every_page_of_16_bits(tmp_path, order):
    pages = []
    for page in range(3):
        exif = Image.Exif()
        exif.endian = order
        exif[271], exif[306], exif[315] = "Maker", f"2026:11:2{page} 10:00:00", "Füße".encode()
        exif.get_ifd(0x8769).update({33434: 0.01, 36867: "2026:11:29 10:00:00", 42036: "a lens"})
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 30.5)})
        pages.append(Picture(np.full((4, 5 + page, 3), page, np.uint16), exif=exif.tobytes(), xmp=XMP, dpi=(300, 150)))
    write_pages(tmp_path / "a.tif", Pages(pages))
    for number, page in enumerate(read_pages(tmp_path / "a.tif").pictures):
        exif = Image.Exif()
        exif.load(page.exif)
        assert exif[306] == f"2026:11:2{number} 10:00:00" and exif[315].encode("latin-1") == "Füße".encode()
        assert exif.get_ifd(0x8769)[42036] == "a lens" and exif.get_ifd(0x8769)[33434] == 0.01
        assert exif.get_ifd(0x8825) == {1: "N", 2: (48.0, 8.0, 30.5)}
        assert page.xmp == UPRIGHT and (page.pixels == number).all() and page.pixels.shape[1] == 5 + number
    with tifffile.TiffFile(tmp_path / "a.tif") as file:  # as another reader sees it
        assert [page.asarray().max() for page in file.pages] == [0, 1, 2]
        assert file.pages[2].tags["DateTime"].value == "2026:11:22 10:00:00"
        assert file.pages[2].tags["ExifTag"].value["LensModel"] == "a lens"


def test_a_resolution_turns_with_its_picture(tmp_path):
    path = source(tmp_path / "a.jpg")
    picture = read_picture(path)
    assert picture.pixels.shape == (8, 6, 3) and picture.dpi == (150, 300)


def test_a_profile_has_no_place_in_a_gif(tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with pytest.warns(FileNote, match=r"a\.gif: has no place for what came with the picture: its colour profile"):
        write_picture(tmp_path / "a.gif", Picture(np.zeros((4, 4, 3), np.uint8), icc))
