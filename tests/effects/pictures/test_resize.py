"""Another size: Pillow's to its rounding, areas by their definition, and what a mean must be."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.strips import STRIP_BYTES

PILLOW = {"linear": Image.Resampling.BILINEAR, "cubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
RNG = np.random.default_rng(0)
SIDES = st.integers(1, 60)


def shares(size, wanted):
    """How much of each output pixel, cut from so many input pixels, each of those covers."""
    ends = np.arange(wanted + 1) * size / wanted
    low, high = ends[:-1, None], ends[1:, None]
    return np.clip(np.minimum(high, np.arange(1, size + 1)) - np.maximum(low, np.arange(size)), 0, None) * wanted / size


def by_area(image, size):
    down, across = (shares(old, new) for old, new in zip(image.shape[:2], size, strict=True))
    return np.einsum("ij,jk...,lk->il...", down, image.astype(float), across)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(sorted(PILLOW)))
@settings(max_examples=150)
def test_floats_are_pillows(height, width, rows, columns, interpolation):
    image = np.random.default_rng(height).random((height, width)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((columns, rows), PILLOW[interpolation]))
    np.testing.assert_allclose(cl.resize(image, (rows, columns), interpolation=interpolation), expected, atol=2e-6)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(sorted(PILLOW)), st.sampled_from([1, 3, 4]))
@settings(max_examples=100)
def test_bytes_are_pillows_within_the_two_roundings_that_it_makes(
    height, width, rows, columns, interpolation, channels
):
    # Of middle brightness, as Pillow clips between its passes too, where a kernel overshoots.
    image = np.random.default_rng(width).integers(90, 166, (height, width, channels), np.uint8)
    if channels == 4:
        image[..., 3] = 255
    expected = Image.fromarray(image[..., 0] if channels == 1 else image).resize((columns, rows), PILLOW[interpolation])
    found = cl.resize(image, (rows, columns), interpolation=interpolation).astype(int)
    apart = abs(found - np.asarray(expected).reshape(found.shape)).max()
    assert apart <= (1 if interpolation == "linear" else 2)  # negative weights make half a level more than that


@pytest.mark.parametrize(
    "sizes", [((60, 80), (15, 20)), ((60, 80), (30, 10)), ((57, 83), (20, 31)), ((40, 30), (39, 7))]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_areas_are_those_of_the_definition(sizes, dtype):
    image = (RNG.random((*sizes[0], 3)) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    expected = by_area(image, sizes[1])
    found = cl.resize(image, sizes[1], interpolation="area")
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=0.51 if dtype == np.uint8 else 2e-6)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["area", *PILLOW]), st.booleans())
@settings(max_examples=100)
def test_a_plain_stays_plain_in_every_dtype(height, width, rows, columns, interpolation, antialias):
    for dtype in ("uint8", "uint16", "int16", "int32", "float16", "float32", "float64"):
        plain = np.full((height, width), 77, dtype)
        found = cl.resize(plain, (rows, columns), interpolation=interpolation, antialias=antialias)
        assert found.dtype == plain.dtype
        np.testing.assert_allclose(found.astype(float), 77.0, rtol=1e-5)


def test_the_same_size_is_the_same_picture():
    image = RNG.integers(0, 256, (9, 14, 3), np.uint8)
    for interpolation in ("area", *PILLOW):
        np.testing.assert_array_equal(cl.resize(image, (9, 14), interpolation=interpolation), image)


def test_strips_give_what_the_whole_gives(monkeypatch):
    image = RNG.integers(0, 256, (300, 40, 4), np.uint8)
    whole = cl.resize(image, (70, 33))
    assert image.nbytes * 4 < STRIP_BYTES
    monkeypatch.setattr("convolens.strips.STRIP_BYTES", 20_000)
    assert np.array_equal(cl.resize(image, (70, 33)), whole)


def test_what_cannot_be_seen_does_not_bleed_into_what_can():
    image = np.zeros((8, 8, 4), np.uint8)
    image[:, 4:] = (200, 10, 0, 255)
    image[:, :4, 1] = 255  # green, but transparent
    small = cl.resize(image, (2, 3), interpolation="area")
    assert (small[:, 1, :2] == (200, 10)).all()
    assert small[0, :, 3].tolist() == [0, 128, 255]


def test_light_is_averaged_where_that_is_asked():
    lines = np.zeros((4, 4), np.uint8)
    lines[::2] = 255
    assert cl.resize(lines, (1, 1), interpolation="area")[0, 0] == 128
    assert cl.resize(lines, (1, 1), interpolation="area", linear_light=True)[0, 0] == 188
    wide = cl.resize(lines.astype(np.uint16) * 257, (1, 1), interpolation="area", linear_light=True)
    assert abs(int(wide[0, 0]) / 257 - 188) < 0.5
    assert abs(cl.resize(lines / 255.0, (1, 1), interpolation="area", linear_light=True)[0, 0] - 188 / 255) < 2e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_sample_reaches_only_the_pixels_that_look_at_it(bad):
    image = RNG.random((40, 40))
    image[11, 23] = bad
    found = cl.resize(image, (10, 10), interpolation="linear")
    assert set(map(tuple, np.argwhere(~np.isfinite(found)))) == {(2, 5), (2, 6), (3, 5), (3, 6)}


def test_tensors_give_the_same_with_gradients():
    image = torch.rand(7, 9, 4, dtype=torch.float64, requires_grad=True)
    for interpolation in ("area", *PILLOW):
        expected = cl.resize(image.detach().numpy(), (4, 12), interpolation=interpolation)
        found = cl.resize(image, (4, 12), interpolation=interpolation)
        np.testing.assert_allclose(found.detach(), expected, atol=1e-10)
    assert torch.autograd.gradcheck(lambda a: cl.resize(a, (3, 5)), (image,))
    assert cl.resize(torch.zeros(4, 4, dtype=torch.uint8), 2).dtype == torch.uint8


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("size", "options", "error", "message"),
    [
        (0, {}, ArgumentError, "^size: need a whole number of at least 1, got 0"),
        ((3, 4, 5), {}, ArgumentError, "^size: need height and width, or the longer side alone, got 3"),
        (1 << 25, {}, ArgumentError, "^size: need at most"),
        (3, {"interpolation": "bicubic"}, ArgumentError, "^interpolation: need one of area.*did you mean 'cubic'"),
        (3, {"antialias": "no"}, ArgumentError, "^antialias: need True or False"),
    ],
)
def test_what_cannot_be_done_is_refused(size, options, error, message):
    with pytest.raises(error, match=message):
        cl.resize(np.zeros((4, 4)), size, **options)


@pytest.mark.bad_input
def test_what_is_no_picture_is_refused():
    with pytest.raises(ShapeError, match=r"^image: need"):
        cl.resize(np.zeros(3), 2)
    with pytest.raises(DtypeError, match=r"^image: need uint8"):
        cl.resize(np.zeros((3, 3), np.int64), 2)
    with pytest.raises(DtypeError, match=r"^image: need a NumPy array for linear light"):
        cl.resize(torch.zeros(3, 3), 2, linear_light=True)


@pytest.mark.parametrize("size", [(112, 150), (37, 50), (400, 500)])
@pytest.mark.parametrize(("theirs", "ours"), [("bilinear", "linear"), ("bicubic", "cubic")])
def test_networks_are_given_the_same_picture_but_for_the_rounding_of_places(theirs, ours, size):
    # `Preprocessing` resizes by torch, whose places of pixels are rounded to float32.
    picture = RNG.random((301, 403, 3), dtype=np.float32)
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(batch, size, mode=theirs, align_corners=False, antialias=True)
    found = cl.resize(picture, size, interpolation=ours)
    np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).numpy(), atol=5e-5)
