"""Large pictures are done by strips, and the result is the one of the whole."""

import numpy as np
import pytest

import convolens as cl
from convolens import strips
from convolens.effects.filtering import filtered
from convolens.effects.pictures.brightness import brightness
from convolens.effects.pictures.edge_pictures import METHODS, edge_picture
from convolens.errors import MemoryRefused
from convolens.media.draw import overlay
from convolens.media.pixels import as_rgb8, over_white
from convolens.shapes import BOUNDARIES

DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
SIZES = ((61, 17), (61, 17, 3), (61, 17, 4), (203, 31, 4))


def picture(shape, dtype, seed=0):
    unit = np.random.default_rng(seed).random(shape)
    return unit.astype(dtype) if np.dtype(dtype).kind == "f" else (unit * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture
def by_strips(monkeypatch):
    def call(work, image):
        with monkeypatch.context() as patch:
            patch.setattr(strips, "STRIP_BYTES", 8 * 31 * 16)
            return work(image)

    return call


def levels_apart(one, other):
    return np.abs(one.astype(np.float64) - other.astype(np.float64)).max()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("shape", "dtype"), [(SIZES[0], np.uint8), (SIZES[2], np.uint16), (SIZES[3], np.float64)])
def test_edges(by_strips, method, shape, dtype, boundary):
    image = picture(shape, dtype)

    def work(image):
        return edge_picture(image, method=method, boundary=boundary)

    whole, cut = work(image), by_strips(work, image)
    exact = method not in ("log", "dog")  # these may take another of the planner's methods for a strip
    assert whole.dtype == cut.dtype
    assert levels_apart(whole, cut) <= (0 if exact else 1 if whole.dtype.kind == "u" else 1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("sigma", [1.5, 4.0])
def test_sharpen_and_the_blur_of_what_is_transparent(by_strips, shape, dtype, sigma, boundary):
    image = picture(shape, dtype)
    for effect in (cl.sharpen, cl.blur):

        def work(image, effect=effect):
            return effect(image, sigma, boundary=boundary)

        whole, cut = work(image), by_strips(work, image)
        # Twice the tolerance: a wide Gaussian's decimated samples lie elsewhere in a strip; of colours over opacity.
        allowed = 1 if whole.dtype.kind == "u" else 1e-3
        assert levels_apart(whole, cut) <= max(allowed, 2e-3 * (65535 if dtype is np.uint16 else 0))


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_difference_of_gaussians(by_strips, boundary):
    image = picture((203, 31), np.float64)

    def work(image):
        return cl.difference_of_gaussians(image, 2.0, boundary=boundary)

    np.testing.assert_allclose(by_strips(work, image), work(image), atol=4e-4)


def test_what_needs_no_neighbours_is_the_same_to_the_bit(by_strips):
    for dtype in DTYPES:
        image = picture(SIZES[3], dtype)
        for work in (over_white, as_rgb8, brightness, lambda image: overlay(image, np.eye(5))):
            np.testing.assert_array_equal(by_strips(work, image), work(image))


def test_lines_that_cross_strips_stay_connected(by_strips):
    """Strong at the top alone: what follows of the line, strips further down, is kept for that."""
    image = np.zeros((400, 31))
    image[:, 15:] = np.linspace(1.0, 0.06, 400)[:, None]

    def work(image):
        return cl.canny(image, 1.0, low=0.1, high=1.0)

    whole = work(image)
    np.testing.assert_array_equal(by_strips(work, image), whole)
    assert whole[300].any()


@pytest.mark.parametrize(
    "work", [lambda i: cl.blur(i, 2), cl.sobel, cl.sharpen, cl.canny, lambda i: cl.laplacian_of_gaussian(i, 1)]
)
def test_a_picture_over_the_budget_is_refused_before_it_is_begun(work):
    image = np.zeros((4000, 4000), np.float32)
    cl.memory_limit("20MB")
    try:
        with pytest.raises(MemoryRefused, match=r"4000.*need .* of memory, got a budget of 20 MB"):
            work(image)
    finally:
        cl.memory_limit("auto")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kernel", ["emboss", "motion", "disk"])
def test_any_kernel(by_strips, kernel, boundary):
    image = picture(SIZES[3], np.uint8)
    weights = cl.kernel(kernel, None if kernel == "emboss" else 4)
    for mode in ("same", "full", "valid") if boundary == "constant" else ("same", "full"):

        def work(image, mode=mode):
            return filtered(image, np.asarray(weights), mode=mode, boundary=boundary, offset=0.25)

        assert levels_apart(by_strips(work, image), work(image)) <= 1
