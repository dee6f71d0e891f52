"""From file to file by rows: what the same command makes of a picture that is read whole, and no half-written file."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

import convolens as cl
from convolens import strips
from convolens.effects.pictures.blur import blur
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.effects.pictures.files import change_picture_file
from convolens.errors import FileNote, FormatError, MemoryRefused
from convolens.media import large_pictures, tiff_rows_writing
from convolens.media.images import Picture, read_image, read_picture, write_picture
from convolens.media.large_pictures import large_picture

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>1</tiff:Orientation></x:xmpmeta>'


@pytest.fixture
def by_rows(monkeypatch):
    """Reads and writes by rows whatever is given, in small strips."""
    monkeypatch.setattr(large_pictures, "MAX_PIXELS", 0)
    monkeypatch.setattr(strips, "STRIP_BYTES", 5000)
    monkeypatch.setattr(tiff_rows_writing, "_STRIP_BYTES", 3000)


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def softer(pixels):
    return blur(pixels, 3)


def edges(pixels):
    return edge_picture(pixels, gain=2)


@pytest.mark.parametrize("change", [softer, edges])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(150, 61), (150, 61, 3), (150, 61, 4), (1, 1, 3)])
@pytest.mark.parametrize("tile", [None, (32, 48)])
def test_the_file_is_the_one_of_the_whole(tmp_path, by_rows, shape, dtype, change, tile):
    pixels = noise(*shape, dtype=dtype)
    colors = {"photometric": "rgb", **({"extrasamples": ["unassalpha"]} if shape[2:] == (4,) else {})}
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=tile, compression="zlib", **(colors if len(shape) > 2 else {}))
    change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", change)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert file.is_bigtiff and page.is_tiled == (tile is not None)
        np.testing.assert_array_equal(page.asarray(), change(pixels))
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), change(pixels))
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def carried(path):
    """A TIFF with all that a photo may bring along."""
    exif = Image.Exif()
    exif[0x010F], exif[0x013B], exif[0x0132] = "Maker", "Käthe".encode(), "2024:01:02 03:04:05"
    exif[0x8769] = {0x829A: 0.004, 0x9286: b"ASCII\0\0\0words", 0x8827: 200}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_picture(path, Picture(noise(40, 30, 3), icc, exif.tobytes(), XMP, (300, 150)))
    return icc


def test_what_came_with_it_stays(tmp_path, by_rows):
    icc = carried(tmp_path / "a.tif")
    change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", softer)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_bigtiff
    before, after = (read_picture(tmp_path / name) for name in ("a.tif", "b.tif"))
    assert after.icc == icc == before.icc and after.dpi == pytest.approx((300, 150)) and after.xmp == XMP == before.xmp
    tags = [Image.Exif() for _ in range(2)]
    for one, picture in zip(tags, (before, after), strict=True):
        one.load(picture.exif)
    assert dict(tags[0]).keys() == dict(tags[1]).keys()
    for name in (0x010F, 0x013B, 0x0132):
        assert tags[0][name] == tags[1][name]
    for table in (0x8769, 0x8825):
        assert tags[0].get_ifd(table) == tags[1].get_ifd(table) != {}


def test_it_is_read_as_it_was_before(tmp_path, monkeypatch):
    """Metadata of a picture of 8 bits come from Pillow where it is read whole, and from its tags where it is not."""
    carried(tmp_path / "a.tif")
    whole = read_picture(tmp_path / "a.tif")
    monkeypatch.setattr(large_pictures, "MAX_PIXELS", 0)
    with large_picture(tmp_path / "a.tif", None) as large:
        found = large.picture
    for name in ("icc", "exif", "xmp", "dpi", "others"):
        assert getattr(found, name) == getattr(whole, name), name


def test_a_gray_result_leaves_the_profile_of_colors(tmp_path, by_rows):
    carried(tmp_path / "a.tif")
    change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", edges)
    assert read_picture(tmp_path / "b.tif").icc is None


def test_a_result_that_fits_is_written_in_any_format(tmp_path, monkeypatch):
    monkeypatch.setattr(large_pictures, "_fits", lambda claim, size: False)
    tifffile.imwrite(tmp_path / "a.tif", noise(90, 40, 3), photometric="rgb")
    for name in ("b.png", "b.tif"):
        change_picture_file(tmp_path / "a.tif", tmp_path / name, softer)
        np.testing.assert_array_equal(read_image(tmp_path / name), softer(noise(90, 40, 3)))
    assert (tmp_path / "b.tif").read_bytes()[2:4] == b"*\0"


def test_a_result_that_does_not_fit_needs_a_tiff(tmp_path, by_rows):
    tifffile.imwrite(tmp_path / "a.tif", noise(90, 40, 3), photometric="rgb")
    with pytest.raises(
        FormatError, match=r"b\.png: need a \.tif for 40 × 90 pixels, which is written by rows, got \.png"
    ):
        change_picture_file(tmp_path / "a.tif", tmp_path / "b.png", softer)
    assert not (tmp_path / "b.png").exists()


def test_rows_are_chosen_by_the_budget(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(3000, 2000, 3), photometric="rgb", compression="zlib")
    for budget, whole in (("auto", True), ("60MB", False)):
        cl.memory_limit(budget)
        try:
            with large_picture(tmp_path / "a.tif", None) as large:
                assert (large is None) == whole
                assert whole or not large.fits_no_budget
        finally:
            cl.memory_limit("auto")


def test_what_needs_the_whole_is_done_as_a_whole_where_that_may_be(tmp_path, monkeypatch):
    def canny(pixels):
        return edge_picture(pixels, method="canny")

    tifffile.imwrite(tmp_path / "a.tif", noise(60, 50))
    monkeypatch.setattr(large_pictures, "_fits", lambda claim, size: False)
    change_picture_file(tmp_path / "a.tif", tmp_path / "b.png", canny)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), canny(noise(60, 50)))
    monkeypatch.setattr(large_pictures, "MAX_PIXELS", 0)
    with pytest.raises(MemoryRefused, match="need a picture that fits into memory for canny"):
        change_picture_file(tmp_path / "a.tif", tmp_path / "c.png", canny)


def test_one_that_is_cut_short_or_damaged_leaves_nothing(tmp_path, by_rows):
    tifffile.imwrite(tmp_path / "a.tif", noise(200, 40, 3), photometric="rgb", compression="zlib", rowsperstrip=8)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        last = file.pages[0].dataoffsets[-1]
    data[last : last + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.tif: damaged picture"):
        change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", softer)
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"a\.tif: .*cut short"):
        change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", softer)
    assert [one.name for one in tmp_path.iterdir()] == ["a.tif"]


def test_the_input_is_never_the_output(tmp_path, by_rows):
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 20))
    before = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(cl.errors.FileError, match=r"a\.tif"):
        change_picture_file(tmp_path / "a.tif", tmp_path / "a.tif", softer)
    assert (tmp_path / "a.tif").read_bytes() == before


def test_captions_of_the_press_are_told_to_be_left(tmp_path, by_rows):
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 20), extratags=[(33723, 7, 4, b"abcd", True)])
    with pytest.warns(FileNote, match=r"b\.tif: has no place for what came with the picture: IPTC"):
        change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", softer)


def test_what_is_no_tiff_of_a_file_is_left_to_others(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(3))
    (tmp_path / "b.tif").write_bytes(b"II*\0\xff\xff\xff\xff" + bytes(20))
    for source in (tmp_path / "a.tif", tmp_path / "b.tif", b"II*\0", io.BytesIO(b"II*\0")):
        with large_picture(source, None) as large:
            assert large is None
