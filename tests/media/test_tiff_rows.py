"""TIFFs read by rows: the pixels that reading the whole gives, however they are stored, and few of them at once."""

import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens.errors import FileNote, FormatError, MemoryRefused
from convolens.media import large_pictures, tiff_segments
from convolens.media.images import read_picture
from convolens.media.large_pictures import large_picture


@pytest.fixture(autouse=True)
def always_by_rows(monkeypatch):
    monkeypatch.setattr(large_pictures, "MAX_PIXELS", 0)


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def by_rows(path, step=37):
    with large_picture(path, None) as large:
        rows = large.rows
        found = np.concatenate([rows[start : min(start + step, len(rows))] for start in range(0, len(rows), step)])
        around = np.arange(-4, 9) % len(rows)
        np.testing.assert_array_equal(rows[around], found[around])
        assert found.shape == rows.shape and found.dtype == rows.dtype
    return found


def check(path, **options):
    found = by_rows(path, **options)
    whole = read_picture(path).pixels
    assert found.dtype == whole.dtype
    np.testing.assert_array_equal(found, whole)


STORED = {
    "strips": {"rowsperstrip": 13}, "one strip": {"rowsperstrip": 300}, "tiles": {"tile": (32, 48)},
    "a row each": {"rowsperstrip": 1},
}  # fmt: skip


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("packed", [None, "lzw", "zlib", "packbits", "zstd", "lzw+", "zlib+"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_stored_in_any_way_is_read(tmp_path, dtype, packed, stored, order):
    differences = packed is not None and packed.endswith("+")
    tifffile.imwrite(
        tmp_path / "a.tif", noise(101, 83, 3, dtype=dtype), photometric="rgb", byteorder=order, bigtiff=order == "<",
        compression=packed and packed.strip("+"), predictor=differences or None, **STORED[stored],
    )  # fmt: skip
    check(tmp_path / "a.tif")


@pytest.mark.parametrize("stored", ["tiles", "strips"])
@pytest.mark.parametrize("colors", ["minisblack", "rgb", "ycbcr"])
def test_jpeg(tmp_path, colors, stored):
    pixels = noise(96, 96) if colors == "minisblack" else noise(96, 96, 3)
    layout = {"tile": (32, 48)} if stored == "tiles" else {"rowsperstrip": 40 - 8 * (stored == "strips")}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=colors, compression="jpeg", **layout)
    check(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("channels", "photometric", "extras"),
    [(1, "minisblack", None), (1, "miniswhite", None), (2, "minisblack", "unassalpha"), (4, "rgb", "unassalpha")],
)
def test_colors_and_opacity(tmp_path, dtype, channels, photometric, extras):
    pixels = noise(61, 47, channels, dtype=dtype)[:, :, slice(None) if channels > 1 else 0]
    more = {"extrasamples": [extras], "planarconfig": "contig"} if extras else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, rowsperstrip=9, **more)
    check(tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_stored_turned_is_read_as_displayed(tmp_path, orientation):
    turned = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", noise(90, 61, 3), photometric="rgb", tile=(32, 16), extratags=turned)
    check(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", noise(90, 61, 3), photometric="rgb", rowsperstrip=8, extratags=turned)
    if orientation < 5:
        check(tmp_path / "b.tif")
        return
    with pytest.raises(FormatError, match=r"b\.tif: need tiles to read by rows what is stored on its side, got strips"):
        by_rows(tmp_path / "b.tif")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_rows_are_those_of_the_whole(tmp_path_factory, data):
    height, width = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 70))
    side = st.integers(1, 4).map(lambda n: 16 * n)
    layout = data.draw(st.one_of(st.fixed_dictionaries({"tile": st.tuples(side, side)}),
                                 st.fixed_dictionaries({"rowsperstrip": st.integers(1, height)})))  # fmt: skip
    path = tmp_path_factory.mktemp("any") / "a.tif"
    tifffile.imwrite(path, noise(height, width), compression="zlib", **layout)
    whole = read_picture(path).pixels
    with large_picture(path, None) as large:
        for _ in range(4):
            at = np.arange(data.draw(st.integers(-height, height)), height + data.draw(st.integers(1, height))) % height
            np.testing.assert_array_equal(large.rows[at], whole[at])
            start = data.draw(st.integers(0, height - 1))
            stop = data.draw(st.integers(start + 1, height))
            np.testing.assert_array_equal(large.rows[start:stop], whole[start:stop])


def test_no_more_than_the_lines_of_a_band_are_kept(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(640, 40), tile=(16, 16), compression="zlib")
    with large_picture(tmp_path / "a.tif", None) as large:
        for start in range(0, 600, 20):
            assert large.rows[start : start + 33].shape == (33, 40)
            assert len(large.rows._lines) <= 4


def test_a_long_strip_that_is_not_packed_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_segments, "_STRIP_BYTES", 400)
    tifffile.imwrite(tmp_path / "a.tif", noise(300, 70), rowsperstrip=300)
    check(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", noise(301, 70), rowsperstrip=60)
    check(tmp_path / "b.tif")
    with large_picture(tmp_path / "b.tif", None) as large:
        assert large.rows._stored.rows == 5


@pytest.mark.parametrize(
    ("pixels", "options", "why"),
    [
        (np.zeros((9, 9), np.float32), {}, "need whole numbers of 8 or 16 bits a channel to read it by rows, got 32"),
        (np.zeros((9, 9), np.int16), {}, "need whole numbers of 8 or 16 bits .* got 16 bits of another kind"),
        (np.zeros((3, 9, 9), np.uint8), {"photometric": "rgb", "planarconfig": "separate"},
         "need the channels of a pixel side by side to read it by rows, got planes apart"),
        (np.zeros((9, 9), np.uint8), {"compression": "lzma"},
         "need one of the compressions none, LZW, JPEG, deflate, PackBits, Zstandard .*, got number 34925"),
        (np.zeros((9, 9, 4), np.uint8), {"photometric": "separated"}, "need grey or RGB to read it by rows, got CMYK"),
        (np.zeros((9, 9, 5), np.uint8), {"photometric": "rgb"}, "need no further channel of 8 bits but opacity"),
    ],
)  # fmt: skip
def test_what_is_not_read_by_rows_is_refused_with_a_reason(tmp_path, pixels, options, why):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(FormatError, match=rf"a\.tif: {why}"), large_picture(tmp_path / "a.tif", None):
        pass


def test_further_channels_of_16_bits_are_left_out_with_a_note(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 30, 5, dtype=np.uint16), photometric="rgb", planarconfig="contig")
    with pytest.warns(FileNote, match=r"a\.tif: holds 2 further channels that are no opacity; they are left out"):
        check(tmp_path / "a.tif")


def test_of_several_pages_the_first_is_read_with_a_note_or_the_one_that_is_meant(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number in range(3):
            file.write(noise(20 + number, 9, seed=number))
    with pytest.warns(FileNote, match="holds 3 pages or frames; only the first is taken"):
        assert by_rows(tmp_path / "a.tif").shape == (20, 9)
    with large_picture(tmp_path / "a.tif", 3) as large:
        np.testing.assert_array_equal(large.rows[0:22], noise(22, 9, seed=2))
    with large_picture(tmp_path / "a.tif", "all") as large:
        assert large is None


def sparse(path, width=60_000, height=40_000, *, tags=()):
    """A head of 224 bytes at most, that claims gigabytes."""
    entries = {256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, 1), 262: (3, 1), 277: (3, 1), 278: (4, 1),
               273: (4, 8), 279: (4, 8), **dict(tags)}  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(entries.items()))
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + table + bytes(4))
    assert path.stat().st_size <= 224


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({}, "need 40,000 strips for 60000 × 40000 pixels, got 1"),
        ({278: (4, 40_000)}, "need strips as long as their pixels, got shorter ones; it is cut short"),
        ({278: (4, 2**32 - 1), 279: (4, 1000)}, "need 1 strips within its 122 bytes, found 1 missing; it is cut short"),
        ({278: (4, 40_000), 259: (3, 8), 279: (4, 100)}, r"a line of strips of 40000 rows: need 7\.2 GB of memory"),
        ({322: (4, 512), 323: (4, 512), 324: (4, 8), 325: (4, 8)}, "need 9,322 tiles for 60000 × 40000 pixels, got 1"),
        ({322: (4, 2**31), 323: (4, 2**31), 324: (4, 8), 325: (4, 8)}, "a line of tiles of 2147483648 × .* of memory"),
        ({322: (4, 0), 323: (4, 16), 324: (4, 8), 325: (4, 8)}, "need segments of pixels, got some of 0 × 16"),
    ],
)  # fmt: skip
def test_a_head_that_claims_gigabytes_is_refused_before_any_is_taken(tmp_path, tags, why):
    import tracemalloc

    import convolens as cl

    sparse(tmp_path / "a.tif", tags=tags)
    cl.memory_limit("500MB")
    tracemalloc.start()
    try:
        with pytest.raises((FormatError, MemoryRefused), match=why) as told, large_picture(tmp_path / "a.tif", None):
            pass
        assert str(told.value).startswith(f"{tmp_path / 'a.tif'}: ")
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
        cl.memory_limit("auto")


def test_tiles_that_share_their_bytes_are_refused(tmp_path):
    """As little as a tile would be a picture of any size, and take hours."""
    tifffile.imwrite(tmp_path / "a.tif", noise(64, 64), tile=(16, 16))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        where = file.pages[0].tags[324].valueoffset
    for number in range(16):
        struct.pack_into("<I", data, where + 4 * number, 8)
    (tmp_path / "b.tif").write_bytes(data[: where + 128].ljust(1000, b"\0"))
    with (
        pytest.raises(FormatError, match="need tiles that share no bytes, got 4,096 bytes of 1,000"),
        large_picture(tmp_path / "b.tif", None),
    ):
        pass


def test_a_tile_that_is_packed_to_another_size_is_damaged(tmp_path):
    import imagecodecs

    for count, why in ((200, "need segments of 256 bytes, got one of 200; it is damaged"), (3000, "damaged picture")):
        tifffile.imwrite(tmp_path / "a.tif", noise(16, 32), tile=(16, 16), compression="zlib")
        data = bytearray((tmp_path / "a.tif").read_bytes())
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            offset, size = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
        packed = imagecodecs.zlib_encode(bytes(count))
        assert len(packed) <= size
        data[offset : offset + len(packed)] = packed
        (tmp_path / "a.tif").write_bytes(data)
        with pytest.raises(FormatError, match=rf"a\.tif: {why}"):
            by_rows(tmp_path / "a.tif")
