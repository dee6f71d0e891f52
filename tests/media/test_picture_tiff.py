"""TIFF of 16 bits a channel, written by hand: planes, opacity, further channels and colours as the tags say."""

import struct

import numpy as np
import pytest
from PIL import Image

from convolens.errors import ArgumentError, FileNote, FormatError
from convolens.media.images import read_header, read_image, read_picture, write_picture

WHITE = 65535


def tiff(samples, photometric, *, extras=None, planar=False, bits=16, order="<", orientation=1, more=()):
    """One page, uncompressed, of (height, width, channels)."""
    height, width, channels = samples.shape
    planes = [samples[:, :, at] for at in range(channels)] if planar else [samples]
    data = [np.ascontiguousarray(plane).astype(f"{order}u{bits // 8}").tobytes() for plane in planes]
    places = np.cumsum([8, *map(len, data)])
    tags = {256: ("H", [width]), 257: ("H", [height]), 258: ("H", [bits] * channels), 259: ("H", [1]),
            262: ("H", [photometric]), 273: ("I", list(places[:-1])), 274: ("H", [orientation]),
            277: ("H", [channels]), 278: ("H", [height]), 279: ("I", list(map(len, data))),
            284: ("H", [2 if planar else 1]), **dict(more)}  # fmt: skip
    if extras is not None:
        tags[338] = ("H", extras)
    return _file(b"".join(data), tags, order)


def _file(data, tags, order):
    sizes, kinds = {"H": 2, "I": 4}, {"H": 3, "I": 4}
    start = 8 + len(data) + len(data) % 2
    entries, far, at = b"", b"", start + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{kind}", *map(int, values))
        if len(values) * sizes[kind] > 4:
            place, far = struct.pack(f"{order}I", at + len(far)), far + packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kinds[kind], len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + data + bytes(len(data) % 2) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + far


def noise(*shape):
    return np.random.default_rng(0).integers(0, WHITE, shape, dtype=np.uint16, endpoint=True)


def read(tmp_path, data):
    (tmp_path / "a.tif").write_bytes(data)
    return read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("height", "width"), [(40, 60), (3, 3), (4, 3), (3, 5), (1, 1)])
def test_planes_that_are_apart_are_put_together(tmp_path, planar, height, width, order):
    samples = noise(height, width, 3)
    np.testing.assert_array_equal(read(tmp_path, tiff(samples, 2, planar=planar, order=order)), samples)
    assert read_header(tmp_path / "a.tif") == ((width, height), "16-bit colour", 1)


@pytest.mark.parametrize("planar", [False, True])
def test_opacity_stays_and_what_is_none_is_left_out_with_a_note(tmp_path, planar):
    samples = noise(5, 7, 4)
    np.testing.assert_array_equal(read(tmp_path, tiff(samples, 2, extras=[2], planar=planar)), samples)
    for extras in ([0], None):
        with pytest.warns(FileNote, match="holds 1 further channels that are no opacity; they are left out"):
            found = read(tmp_path, tiff(samples, 2, extras=extras, planar=planar))
        np.testing.assert_array_equal(found, samples[:, :, :3])


@pytest.mark.parametrize(
    ("channels", "photometric", "extras", "more", "kept"),
    [
        (4, 2, [0], 1, 3),
        (5, 2, [0, 0], 2, 3),
        (4, 2, [2], 0, 4),
        (2, 1, [0], 1, 1),
        (5, 5, [0], 1, None),
        (3, 2, None, 0, 3),
        (1, 1, None, 0, 1),
    ],
)
def test_further_channels_of_8_bits_are_left_out_with_a_note_too(
    tmp_path, channels, photometric, extras, more, kept, recwarn
):
    samples = noise(5, 7, channels) >> 8
    found = read(tmp_path, tiff(samples, photometric, extras=extras, bits=8))
    told = [str(one.message) for one in recwarn if issubclass(one.category, FileNote)]
    assert [f"holds {more} further channels that are no opacity" in one for one in told] == [True] * (more > 0)
    if kept:
        np.testing.assert_array_equal(found, samples[:, :, 0] if kept == 1 else samples[:, :, :kept])


def test_a_pure_red_with_a_further_channel_is_no_pink_to_a_network(tmp_path):
    from convolens.media.pixels import as_rgb8

    red = np.zeros((4, 4, 4), np.uint16)
    red[:, :, 0] = WHITE
    with pytest.warns(FileNote, match="no opacity"):
        assert (as_rgb8(read(tmp_path, tiff(red, 2, extras=[0]))) == [255, 0, 0]).all()


@pytest.mark.parametrize("planar", [False, True])
def test_several_further_channels_leave_the_opacity(tmp_path, planar):
    samples = noise(5, 7, 6)
    with pytest.warns(FileNote, match="holds 2 further channels"):
        found = read(tmp_path, tiff(samples, 2, extras=[0, 2, 0], planar=planar))
    np.testing.assert_array_equal(found, samples[:, :, [0, 1, 2, 4]])


def test_colors_multiplied_by_their_opacity_are_divided_again(tmp_path):
    color, opacity = noise(9, 9, 3), noise(9, 9, 1)
    opacity[0, 0], opacity[0, 1] = 0, WHITE
    stored = np.concatenate([(color * (opacity / WHITE)).round().astype(np.uint16), opacity], axis=2)
    found = read(tmp_path, tiff(stored, 2, extras=[1]))
    np.testing.assert_array_equal(found[:, :, 3:], opacity)
    np.testing.assert_array_equal(found[0, 0, :3], 0)
    np.testing.assert_array_equal(found[0, 1, :3], color[0, 1])
    error = np.abs(found[:, :, :3].astype(float) - color)
    assert (error <= 0.5 * WHITE / np.maximum(opacity, 1) + 1)[opacity[:, :, 0] > 0].all()


@pytest.mark.parametrize("planar", [False, True])
def test_gray_with_opacity_and_gray_counted_from_white(tmp_path, planar):
    samples = noise(6, 5, 2)
    found = read(tmp_path, tiff(samples, 1, extras=[2], planar=planar))
    np.testing.assert_array_equal(found, samples[:, :, [0, 0, 0, 1]])
    np.testing.assert_array_equal(read(tmp_path, tiff(samples[:, :, :1], 0)), WHITE - samples[:, :, 0])
    found = read(tmp_path, tiff(samples, 0, extras=[2]))
    np.testing.assert_array_equal(found, np.stack([*[WHITE - samples[:, :, 0]] * 3, samples[:, :, 1]], axis=2))


@pytest.mark.parametrize("ink", [(0, WHITE, WHITE, 0), (WHITE, 0, 0, 0), (0, 0, 0, WHITE), (0, 0, 0, 0)])
def test_inks_of_16_bits_are_read_as_8_with_a_note(tmp_path, ink):
    samples = np.full((4, 6, 4), ink, np.uint16)
    expected = np.array([255 * (1 - part / WHITE) * (1 - ink[3] / WHITE) for part in ink[:3]]).round()
    with pytest.warns(FileNote, match="its inks of 16 bits are read as 8"):
        found = read(tmp_path, tiff(samples, 5))
    assert found.dtype == np.uint8 and (found == expected).all()


@pytest.mark.parametrize(("photometric", "name"), [(6, "YCbCr"), (8, "CIELab"), (99, "photometric interpretation 99")])
def test_colors_that_are_not_read_are_named_and_not_called_damage(tmp_path, photometric, name):
    with pytest.raises(FormatError, match=rf"a\.tif: need grey, RGB or CMYK of 16 bits a channel, got {name}; save it"):
        read(tmp_path, tiff(noise(4, 4, 3), photometric))


def test_signed_and_float_samples_are_named(tmp_path):
    with pytest.raises(FormatError, match="need 8 or 16 bits a channel, got int16"):
        read(tmp_path, tiff(noise(4, 4, 1), 1, more={339: ("H", [2])}.items()))


def test_a_layout_that_pillow_does_not_know_is_no_other_kind_of_file(tmp_path):
    samples = noise(4, 4, 2).astype(np.uint8)
    with pytest.raises(FormatError, match=r"a\.tif: a TIFF of a layout that is not read here; save it anew"):
        read(tmp_path, tiff(np.repeat(samples, 5, axis=2), 1, bits=8, extras=[0] * 9))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_header_agree(tmp_path, orientation):
    shown = read(tmp_path, tiff(noise(4, 6, 3), 2, planar=True, orientation=orientation))
    assert shown.shape[:2] == ((6, 4) if orientation > 4 else (4, 6))
    assert read_header(tmp_path / "a.tif").size == shown.shape[1::-1]


def test_every_page_of_16_bits_can_be_chosen(tmp_path):
    import imagecodecs

    pages = [noise(4, 6, 3), noise(7, 5, 3) // 2, noise(3, 3, 3) // 3]
    data = b""
    for page in pages:
        data = imagecodecs.tiff_encode(page, photometric="rgb", appendto=data or None)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.warns(FileNote, match=r"a\.tif: holds 3 pages or frames; only the first is taken"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pages[0])
    for number, page in enumerate(pages, 1):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=number), page)
    with pytest.raises(ArgumentError, match=r"page: need one from 1 to 3, which .*a\.tif has, got 4"):
        read_image(tmp_path / "a.tif", page=4)


def test_what_a_deep_tiff_tells_goes_with_it(tmp_path):
    Image.fromarray(noise(4, 6, 1)[:, :, 0]).save(tmp_path / "a.tif", tiffinfo={271: "Maker", 270: "A picture", 274: 6})
    picture = read_picture(tmp_path / "a.tif")
    exif = Image.Exif()
    exif.load(picture.exif)
    assert (exif[271], exif[270], exif[274], picture.pixels.shape) == ("Maker", "A picture", 1, (6, 4))
    write_picture(tmp_path / "b.png", picture)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), picture.pixels)
