"""A picture without its blur: the truth is the picture that was blurred here by the definition, with noise."""

import numpy as np
import pytest

import convolens as cl
from convolens.effects.pictures.blur_search import Blur
from convolens.effects.pictures.unblur import unblur_by
from convolens.errors import ArgumentError, BoundaryError, DtypeError, MemoryRefused, NothingFoundError, ShapeError

NOISE = 1 / 255
DISK, MOTION = cl.kernel("disk", 3), cl.kernel("motion", 9, angle=30)


def shapes(side=120, channels=3, seed=0):
    """Overlapping rectangles of all sizes, as many small ones as a photo has: its power falls as 1/ω²."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, channels), 0.5)
    for size in np.geomspace(side, 3, 400):
        row, column = rng.integers(-int(size) // 2, side, 2)
        high, wide = (size * rng.uniform(0.3, 1, 2)).astype(int) + 1
        image[max(row, 0) : row + high, max(column, 0) : column + wide] = rng.uniform(0.1, 0.9, channels)
    return image


def blurred(image, kernel, noise=NOISE, seed=1):
    """What a camera sees of a larger scene: only windows that lie within it."""
    seen = cl.convolve(image, np.asarray(kernel, np.float64), "valid", axes=(0, 1))
    top, left = ((side - 1) // 2 for side in np.shape(kernel))
    truth = image[top : top + seen.shape[0], left : left + seen.shape[1]]
    return seen + noise * np.random.default_rng(seed).standard_normal(seen.shape), truth


def psnr(found, truth):
    return -10 * np.log10(np.mean((found - truth) ** 2))


@pytest.mark.parametrize("kernel", [DISK, MOTION, cl.kernel("gaussian", 1.5)], ids=["disk", "motion", "gaussian"])
@pytest.mark.parametrize(("method", "gain"), [("tv", 3.0), ("wiener", 2.0)])
def test_a_picture_comes_nearer_to_what_it_was_before_its_blur(kernel, method, gain):
    seen, truth = blurred(shapes(), kernel)
    assert psnr(cl.unblur(seen, kernel, method=method), truth) > psnr(seen, truth) + gain


def test_it_is_better_than_the_filter_that_knows_spectrum_and_noise():
    truth, kernel = shapes(128), np.asarray(MOTION)
    response = np.fft.fft2(np.pad(kernel, [(0, 128 - side) for side in kernel.shape]))
    response *= np.exp(2j * np.pi * np.add.outer(*(np.fft.fftfreq(128) * ((side - 1) // 2) for side in kernel.shape)))
    response = response[:, :, None]
    spectrum = np.fft.fft2(truth, axes=(0, 1))
    noise = NOISE * np.random.default_rng(0).standard_normal(truth.shape)
    seen = np.fft.ifft2(response * spectrum, axes=(0, 1)).real + noise
    power = abs(spectrum) ** 2
    oracle = response.conj() * power / (abs(response) ** 2 * power + 128**2 * NOISE**2) * np.fft.fft2(seen, axes=(0, 1))
    assert psnr(cl.unblur(seen, MOTION, boundary="wrap"), truth) > psnr(np.fft.ifft2(oracle, axes=(0, 1)).real, truth)


def test_borders_have_no_rims():
    seen, truth = blurred(shapes(), MOTION)

    def errors(boundary):
        squared = (cl.unblur(seen, MOTION, boundary=boundary) - truth) ** 2
        middle = squared[12:-12, 12:-12]
        return (squared.sum() - middle.sum()) / (squared.size - middle.size), middle.mean()

    (rim, middle), (rim_wrapped, _) = errors(None), errors("wrap")
    assert rim < 3 * middle  # of what moved in from beyond, one end alone is seen
    assert rim < rim_wrapped / 3


def test_what_wraps_around_is_told_so():
    truth = shapes(96, 1)[:, :, 0]
    seen = cl.convolve(truth, DISK, "same", boundary="wrap")
    wrapped, unknown = (psnr(cl.unblur(seen, DISK, noise=1e-3, boundary=b), truth) for b in ("wrap", None))
    assert wrapped > unknown + 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_shape_and_dtype_stay_and_so_does_opacity(dtype, channels):
    seen, truth = blurred(shapes(90, max(channels, 1)), DISK)
    image, truth = (one if channels else one[:, :, 0] for one in (seen, truth))
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    given = (image.clip(0, 1) * white).astype(dtype)
    out = cl.unblur(given, DISK)
    assert (out.shape, out.dtype) == (given.shape, dtype)
    if channels == 4:
        np.testing.assert_array_equal(out[..., 3], given[..., 3])
        out, truth, image = (one[..., :3] for one in (out, truth, image))
    assert psnr(out / white, truth) > psnr(image, truth) + 2


def test_brightness_has_no_unit():
    seen, _ = blurred(shapes(80), DISK)
    np.testing.assert_allclose(cl.unblur(seen * 1000, DISK) / 1000, cl.unblur(seen, DISK), atol=2e-4)


def test_a_kernels_sum_is_taken_for_one():
    seen, _ = blurred(shapes(80), DISK)
    np.testing.assert_allclose(cl.unblur(seen, np.asarray(DISK) * 40), cl.unblur(seen, DISK), atol=1e-6)


def test_what_blurs_nothing_leaves_the_picture():
    image = shapes(30)
    np.testing.assert_array_equal(cl.unblur(image, np.ones((1, 1))), image)


@pytest.mark.parametrize("size", [(3, 20), (20, 3), (9, 9)])
def test_small_pictures_on_a_canvas_larger_than_they_are(size):
    image = np.random.default_rng(0).random(size)
    out = cl.unblur(image, np.full((3, 3), 1 / 9), noise=1e-3)
    assert np.isfinite(out).all()


# Widths that are found.


@pytest.mark.parametrize(
    "blur",
    [Blur("gaussian", 2.0), Blur("disk", 3.0), Blur("disk", 7.5), Blur("motion", 12.0, 30.0), Blur("motion", 20.0)],
    ids=str,
)
def test_the_blur_is_found(blur):
    seen, _ = blurred(shapes(300, 1), blur.kernel)
    found = cl.find_blur(seen)
    assert found.kind == blur.kind
    assert found.size == pytest.approx(blur.size, rel=0.1)
    assert (found.angle - blur.angle + 90) % 180 - 90 == pytest.approx(0, abs=3)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_a_gaussian_is_found_in_plain_noise_though_powers_span_more_than_a_window_shows(sigma):
    seen = cl.convolve(np.random.default_rng(0).random((256, 256)), cl.kernel("gaussian", sigma), "valid")
    found = cl.find_blur(seen)
    assert found.kind == "gaussian"
    assert found.size == pytest.approx(sigma, rel=0.06)


def cloud(falling, seed):
    """Noise whose power falls as that power of frequency."""
    rng = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(240)[:, None], np.fft.rfftfreq(240))
    radius[0, 0] = 1
    made = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((240, 240))) * radius ** (-falling / 2), (240, 240))
    return (made - made.min()) / np.ptp(made)


def soft(falling, sigma, seed):
    """Such noise under a Gaussian and noise of 0.02."""
    seen = cl.convolve(cloud(falling, seed), cl.kernel("gaussian", sigma), "valid")
    return seen + 0.02 * np.random.default_rng(2).standard_normal(seen.shape)


def test_a_gaussian_that_might_be_a_disk_is_refused_unless_the_kind_is_told():
    seen = soft(2, 1.2, seed=7)
    with pytest.raises(NothingFoundError, match=r"^image: need a spectrum that tells a gaussian of .* from a disk of "):
        cl.find_blur(seen)
    assert cl.find_blur(seen, "gaussian").size == pytest.approx(1.2, rel=0.1)


def test_a_width_that_parts_of_the_spectrum_contradict_is_refused():
    with pytest.raises(NothingFoundError, match=r"^image: need a spectrum that says how wide the blur is, got widths"):
        cl.find_blur(soft(2.5, 2.0, seed=5))


def test_what_is_found_is_what_unblur_takes():
    seen, truth = blurred(shapes(200), DISK)
    by_kind, by_nothing = cl.unblur(seen, "disk"), cl.unblur(seen)
    np.testing.assert_array_equal(by_kind, by_nothing)
    assert psnr(by_kind, truth) > psnr(seen, truth) + 3


@pytest.mark.parametrize("image", [shapes(256), np.random.default_rng(0).random((200, 200)), np.zeros((80, 90))])
def test_where_no_blur_shows_none_is_found(image):
    with pytest.raises(ArgumentError, match=r"^image: need (a blur|detail) "):
        cl.find_blur(image)


# Refusals.


@pytest.mark.parametrize(
    "image", [np.zeros((80, 80)), 0.5 + 0.1 * np.random.default_rng(0).standard_normal((200, 200))]
)
def test_where_nothing_can_be_got_back_it_is_said(image):
    with pytest.raises(ArgumentError, match=r"^image: need detail .* nothing can be got back$"):
        cl.unblur(image, cl.kernel("gaussian", 6), noise=0.1)


def test_a_blur_that_is_too_wide_for_the_noise_is_refused():
    seen, _ = blurred(shapes(260, 1), cl.kernel("gaussian", 15), noise=0.3)
    with pytest.raises(ArgumentError, match=r"nothing can be got back$"):
        cl.unblur(seen, cl.kernel("gaussian", 15))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"kernel": "box"}, ArgumentError, "^kernel: need one of gaussian, disk, motion, got 'box'"),
        ({"kernel": np.ones(3)}, ShapeError, "^kernel: need rows and columns of weights"),
        ({"kernel": np.ones((90, 3))}, ShapeError, "^image: need one no smaller than the kernel"),
        ({"kernel": cl.kernel("sobel-x")}, ArgumentError, "^kernel: need finite weights with a sum above 0"),
        ({"kernel": np.full((3, 3), np.nan)}, ArgumentError, "^kernel: need finite weights"),
        ({"kernel": DISK, "noise": -1}, ArgumentError, "^noise: need "),
        ({"kernel": DISK, "method": "lucy"}, ArgumentError, "^method: need one of tv, wiener"),
        ({"kernel": DISK, "boundary": "edge"}, BoundaryError, "^boundary: need wrap, or None"),
        ({"kernel": DISK, "boundary": np.zeros((2, 2))}, BoundaryError, "^boundary: need wrap, or None"),
        ({"kernel": DISK, "image": np.ones((4, 4), complex)}, DtypeError, "^image: need real numbers"),
        ({"kernel": None, "image": np.ones((40, 400))}, ShapeError, "^image: need at least 64 × 64 pixels"),
        ({"kernel": DISK, "image": np.full((80, 80), np.nan)}, ArgumentError, "^image: need finite"),
    ],
)
def test_what_cannot_be_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        cl.unblur(**{"image": shapes(80, 1)[:, :, 0], **options})


def test_memory_is_asked_for():
    cl.memory_limit("100MB")
    try:
        with pytest.raises(MemoryRefused, match="unblur a part of it"):
            cl.unblur(np.zeros((2000, 2000), np.uint8), DISK)
    finally:
        cl.memory_limit("auto")


@pytest.mark.parametrize(("options", "words"), [({"noise": -1}, "noise: need "), ({"method": "foo"}, "method: need ")])
def test_what_cannot_be_is_refused_before_a_blur_is_looked_for(monkeypatch, options, words):
    monkeypatch.setattr("convolens.effects.pictures.unblur.find_blur", lambda *_: pytest.fail("it was looked for"))
    with pytest.raises(ArgumentError, match=words):
        unblur_by(shapes(64, 1), None, **options)
