"""Effects on pictures that are not in memory: to the bit what they make of an array of the same pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens import strips
from convolens.convolution import planner
from convolens.convolution.banded import in_bands
from convolens.convolution.gaussian import radius_within
from convolens.convolution.product import gaussian_product
from convolens.convolution.spec import Window
from convolens.convolution.windows import windows
from convolens.effects.filtering import filtered
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.effects.pictures.resize import resize_by
from convolens.effects.pictures.unblur import unblur_by
from convolens.errors import MemoryRefused
from convolens.shapes import BOUNDARIES


class InMemory(strips.Rows):
    """Rows of an array, which tell how many were asked for at once."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype, self.most = pixels, pixels.shape, pixels.dtype, 0

    def __getitem__(self, at):
        found = self.pixels[at]
        self.most = max(self.most, len(found))
        return np.ascontiguousarray(found)


def together(made):
    parts = list(made.parts)
    whole = np.concatenate(parts)
    assert whole.shape == made.shape and whole.dtype == made.dtype
    return whole


def picture(shape, dtype, seed):
    """Something of every scale: noise, blocks and a ramp."""
    rng = np.random.default_rng(seed)
    unit = (
        rng.random(shape) * 0.3
        + np.kron(rng.random((-(-shape[0] // 9), -(-shape[1] // 9))), np.ones((9, 9)))[: shape[0], : shape[1]].reshape(
            *shape[:2], *[1] * (len(shape) - 2)
        )
        * 0.7
    )
    return (unit * np.iinfo(dtype).max).astype(dtype)


shapes = st.tuples(st.integers(1, 150), st.integers(1, 40), st.sampled_from([(), (3,), (4,)])).map(
    lambda s: (*s[:2], *s[2])
)
pictures = st.tuples(shapes, st.sampled_from([np.uint8, np.uint16]), st.integers(0, 9))
boundaries = st.sampled_from(BOUNDARIES)
strip_bytes = st.sampled_from([1, 500, 3000, 20_000])
sigmas = st.one_of(st.sampled_from([0.0, 0.4, 1.0, 2.5, 6.0, 14.0]), st.floats(0.05, 20))


def same(work, given_picture, size):
    pixels = picture(*given_picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "STRIP_BYTES", size)
        np.testing.assert_array_equal(together(work(InMemory(pixels))), work(pixels))


@settings(deadline=None)
@given(pictures, st.tuples(sigmas, sigmas), boundaries, strip_bytes, st.sampled_from([1e-4, 1e-2, 1e-7]))
def test_blur(of, sigma, boundary, size, tolerance):
    same(lambda pixels: cl.blur(pixels, sigma, boundary=boundary, tolerance=tolerance), of, size)


@settings(deadline=None)
@given(pictures, sigmas, boundaries, strip_bytes, st.sampled_from([0.0, 7.0]))
def test_sharpen(of, sigma, boundary, size, threshold):
    same(lambda pixels: cl.sharpen(pixels, sigma, boundary=boundary, threshold=threshold), of, size)


@settings(deadline=None)
@given(pictures, st.sampled_from(["sobel", "scharr", "prewitt", "log", "dog"]), boundaries, strip_bytes)
def test_edges(of, method, boundary, size):
    same(lambda pixels: edge_picture(pixels, method=method, boundary=boundary, sigma=1.3), of, size)


@settings(deadline=None)
@given(pictures, st.sampled_from([(1, 1), (3, 3), (2, 5), (17, 4)]), boundaries, strip_bytes)
def test_any_kernel(of, kernel, boundary, size):
    weights = np.random.default_rng(1).random(kernel)
    same(lambda pixels: filtered(pixels, weights, boundary=boundary, normalize=True, offset=0.1), of, size)


@settings(deadline=None)
@given(
    pictures, st.sampled_from(["area", "linear", "cubic", "lanczos"]), st.booleans(), st.booleans(), strip_bytes,
    st.tuples(st.integers(1, 90), st.integers(1, 50)),
)  # fmt: skip
def test_resize(of, interpolation, antialias, linear_light, size, target):
    options = {"interpolation": interpolation, "antialias": antialias, "linear_light": linear_light}
    same(lambda pixels: cl.resize(pixels, target, **options), of, size)


def test_a_size_in_words(monkeypatch):
    monkeypatch.setattr(strips, "STRIP_BYTES", 3000)
    pixels = picture((90, 61, 3), np.uint8, 0)
    for words in ("30", "20x31", "50%"):
        np.testing.assert_array_equal(together(resize_by(InMemory(pixels), words)), resize_by(pixels, words))


@pytest.mark.parametrize("sigma", [3.0, 14.0])
def test_a_blur_holds_no_more_than_a_band(monkeypatch, sigma):
    monkeypatch.setattr(strips, "STRIP_BYTES", 30 * 40 * 3)
    rows = InMemory(picture((2000, 40, 3), np.uint8, 0))
    assert together(cl.blur(rows, sigma)).shape == rows.shape
    assert rows.most < 400


@settings(deadline=None, max_examples=40)
@given(
    st.integers(20, 700), st.sampled_from([(40,), (23, 3)]), st.floats(8, 30), boundaries,
    st.sampled_from([1, 1000, 20_000]), st.sampled_from([1e-4, 1e-2]),
)  # fmt: skip
def test_a_wide_blur_over_decimated_rows(height, rest, sigma, boundary, size, tolerance):
    """Which the planner takes for large pictures alone: here for the whole and its bands alike."""
    pixels = picture((height, *rest), np.uint8, 0)
    kernel = gaussian_product(
        (sigma, sigma, 0.0)[: pixels.ndim],
        (radius_within(sigma, tolerance / 2),) * 2 + (0,) * (pixels.ndim - 2),
        np.float32,
    )
    window = Window(*((tuple(n // 2 for n in kernel.shape),) * 2), boundary)
    options = {"tolerance": tolerance, "rounded": pixels.dtype}
    whole = windows(pixels, kernel, window, "multirate", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "STRIP_BYTES", size)
        patch.setattr(planner, "_BY_ROWS", ("multirate",))
        found = together(in_bands(InMemory(pixels), kernel, window, tolerance))
    np.testing.assert_array_equal(found, whole)


def test_a_kernel_that_a_transform_does_best_is_done_by_rows_within_a_level(monkeypatch):
    """Cut at four sigmas there is no error to trade, and the whole goes by transforms; its bands cannot."""
    monkeypatch.setattr(strips, "STRIP_BYTES", 30 * 300)
    monkeypatch.setattr(planner, "_BY_ROWS", ("direct",))
    pixels = picture((300, 300), np.uint8, 0)
    found = together(cl.blur(InMemory(pixels), 5, truncate=4)).astype(int)
    assert np.abs(found - cl.blur(pixels, 5, truncate=4)).max() <= 1


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (lambda rows: edge_picture(rows, method="canny"), "canny, whose lines may cross all of it"),
        (lambda rows: unblur_by(rows, "disk"), "what undoes a blur, which is spread over all of it"),
        (lambda rows: filtered(rows, np.ones((3, 3)), mode="full"), "mode full"),
        (lambda rows: cl.blur(rows, 2, order=1), "floats and derivatives"),
    ],
)
def test_what_needs_the_whole_says_so(work, why):
    rows = InMemory(picture((30, 40, 3), np.uint8, 0))
    with pytest.raises(MemoryRefused, match=rf"need a picture that fits into memory for {why}, got one of 40 × 30"):
        work(rows)
    assert not rows.most


def test_a_strip_that_is_over_the_budget_is_refused():
    rows = InMemory(np.broadcast_to(np.zeros(1, np.uint8), (4000, 400_000, 3)))
    cl.memory_limit("80MB")
    try:
        for effect in (cl.sharpen, cl.blur):
            with pytest.raises(MemoryRefused, match=r"image of \(4000, 400000, 3\): need .* of memory, got a budget"):
                effect(rows, 30)
    finally:
        cl.memory_limit("auto")
