import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import convolens as cl
from convolens.convolution.algorithms.multirate import spacing
from convolens.convolution.gaussian import gaussian, radius_within
from convolens.errors import ArgumentError, BoundaryError, DtypeError, ShapeError
from convolens.shapes import BOUNDARIES
from tests.instruction_sets import EACH, using

torch = pytest.importorskip("torch")
DTYPES = [np.uint8, np.uint16, np.float32, np.float64]
NDIMAGE = {"constant": "constant", "edge": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "wrap"}


def picture(*shape, dtype=np.float64, seed=0):
    image = np.random.default_rng(seed).random(shape)
    return (image * 255).astype(dtype) if np.dtype(dtype).kind == "u" else image.astype(dtype)


def infinite_gaussian(at, sigma):
    """The infinite sampled Gaussian, normalised."""
    far = np.arange(-int(40 * sigma) - 2, int(40 * sigma) + 3)
    return np.exp(-0.5 * (at / sigma) ** 2) / np.exp(-0.5 * (far / sigma) ** 2).sum()


@pytest.mark.parametrize("sigma", np.random.default_rng(5).uniform(0.3, 30, 30).round(3))
def test_a_blurred_impulse_is_the_gaussian_within_tolerance(sigma):
    half = int(6 * sigma) + 2
    impulse = np.zeros((1, 2 * half + 1))
    impulse[0, half] = 1
    at = np.arange(-half, half + 1)
    for tolerance in (1e-2, 1e-4, 1e-7):
        error = np.abs(cl.blur(impulse, (0, sigma), tolerance=tolerance)[0] - infinite_gaussian(at, sigma)).sum()
        assert error <= tolerance, f"the worst input within ±1 errs by {error}"


@pytest.mark.parametrize("sigma", [6.0, 7.7, 20.0, 33.3])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_a_wide_blur_in_two_steps_keeps_its_tolerance_at_every_place(sigma, tolerance):
    assert spacing(sigma, tolerance) > 1
    radius = int(7 * sigma)
    size = 2 * radius + 40
    impulses = np.eye(size)
    blurred = cl.blur(impulses, (0, sigma), tolerance=tolerance, boundary="constant")
    exact = infinite_gaussian(np.arange(size)[:, None] - np.arange(size), sigma)
    errors = np.abs(blurred - exact)[:, radius:-radius].sum(axis=0)  # each column: how far its output can be off
    assert errors.max() <= tolerance


@pytest.fixture(params=EACH)
def _instruction_set(request):
    with using(request.param):
        yield request.param


@pytest.mark.usefixtures("_instruction_set")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3, 7), (70, 33), (33, 70, 3), (40, 2500), (300, 5, 2)])
@pytest.mark.parametrize(("sigma", "truncate"), [(0.4, 1), (1.5, 4), (6, 4), (15, 3)])
def test_every_instruction_set_blurs_every_shape_by_the_definition(dtype, shape, sigma, truncate):
    image = picture(*shape, dtype=dtype)
    widths = (sigma, sigma) + (0,) * (image.ndim - 2)
    for boundary in ("symmetric", "wrap", "constant"):
        expected = ndimage.gaussian_filter(image.astype(float), widths, mode=NDIMAGE[boundary], truncate=truncate)
        out = cl.blur(image, sigma, boundary=boundary, truncate=truncate)
        within = {"u": 0.501, "f": 1e-6 if dtype == np.float32 else 1e-12}[np.dtype(dtype).kind]
        np.testing.assert_allclose(out, expected, atol=within, rtol=0)


@pytest.mark.usefixtures("_instruction_set")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_two_steps_agree_with_one_on_every_instruction_set_and_boundary(dtype, boundary):
    image = picture(90, 130, 3, dtype=dtype)
    one = cl.blur(image, (9, 12), boundary=boundary, truncate=8)
    two = cl.blur(image, (9, 12), boundary=boundary, tolerance=1e-5)
    np.testing.assert_allclose(two.astype(float), one.astype(float), atol=1 if np.dtype(dtype).kind == "u" else 1e-5)


@pytest.mark.parametrize("sigma", [1e-265, 5e-324, (0.0, 1e-200)])
@pytest.mark.parametrize("how", [{}, {"truncate": 3.0}, {"radius": 2}])
def test_a_sigma_of_next_to_nothing_leaves_the_picture_as_it_is(sigma, how):
    picture = np.random.default_rng(0).random((20, 30))
    np.testing.assert_array_equal(cl.blur(picture, sigma, **how), picture)  # and a warning would be an error


def test_a_sigma_far_larger_than_the_picture_gives_its_mean():
    image = picture(12, 17)
    np.testing.assert_allclose(cl.blur(image, 500), np.full((12, 17), image.mean()), atol=1e-4)


@pytest.mark.parametrize("sigma", [2.0, 20.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_contaminates_only_what_the_gaussian_reaches(sigma, bad):
    image = picture(5, 400, dtype=np.float32)
    image[2, 200] = bad
    radius = radius_within(sigma, 1e-4)
    contaminated = ~np.isfinite(cl.blur(image, (0, sigma))[2])
    np.testing.assert_array_equal(np.flatnonzero(contaminated), np.arange(200 - radius, 200 + radius + 1))


def test_the_number_of_threads_does_not_change_a_bit():
    image, before = picture(300, 900, dtype=np.float32), cl.threads()
    for sigma in (1.5, 9):
        results = []
        for count in (1, 2, 3):
            cl.threads(count)
            results.append(cl.blur(image, sigma).tobytes())
        cl.threads(before)
        assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sigma", [0.5, 1.5, 5, 20])
def test_a_blurred_constant_stays_constant_to_the_last_bit(dtype, sigma):
    for value in (1, 200, 255):
        image = np.full((40, 50, 3), value, dtype)
        out = cl.blur(image, sigma)
        assert out.dtype == dtype
        if np.dtype(dtype).kind == "u":
            np.testing.assert_array_equal(out, image)
        else:
            np.testing.assert_allclose(out, image, rtol=8 * np.finfo(dtype).eps)


@given(
    sigma=st.floats(0.2, 6),
    truncate=st.floats(1, 5),
    boundary=st.sampled_from(BOUNDARIES),
    shape=st.sampled_from([(1, 1), (9, 30), (30, 4, 3), (17, 23, 1)]),
)
def test_truncate_means_what_scipy_means_by_it(sigma, truncate, boundary, shape):
    image = picture(*shape)
    axes = (sigma, sigma) + (0,) * (image.ndim - 2)
    expected = ndimage.gaussian_filter(image, axes, mode=NDIMAGE[boundary], truncate=truncate)
    np.testing.assert_allclose(cl.blur(image, sigma, boundary=boundary, truncate=truncate), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_integers_are_rounded_from_the_exact_blur(dtype, boundary):
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (60, 70, 3), dtype, endpoint=True)
    exact = ndimage.gaussian_filter(image.astype(float), (2.3, 2.3, 0), mode=NDIMAGE[boundary], truncate=8)
    error = np.abs(cl.blur(image, 2.3, boundary=boundary, tolerance=1e-7) - exact)
    assert error.max() <= 0.5 + 1e-7 * np.iinfo(dtype).max + 0.02


def test_each_axis_may_have_its_own_sigma_and_zero_leaves_it_alone():
    image = picture(30, 40)
    np.testing.assert_allclose(
        cl.blur(image, (3, 1), truncate=4), ndimage.gaussian_filter(image, (3, 1), truncate=4), atol=1e-12
    )
    np.testing.assert_array_equal(cl.blur(image, 0), image)
    stack = picture(12, 14, 16)
    expected = ndimage.gaussian_filter(stack, (1, 2, 3), truncate=4)
    np.testing.assert_allclose(cl.blur(stack, (1, 2, 3), truncate=4), expected, atol=1e-12)


def test_blurring_a_mirrored_picture_mirrors_the_blur():
    image = picture(31, 32)
    np.testing.assert_allclose(cl.blur(image[:, ::-1], 2)[:, ::-1], cl.blur(image, 2), atol=1e-12)
    np.testing.assert_allclose(cl.blur(image.T, 2).T, cl.blur(image, 2), atol=1e-12)


def test_colors_do_not_mix():
    image = np.zeros((20, 20, 3))
    image[..., 1] = picture(20, 20)
    out = cl.blur(image, 2)
    np.testing.assert_allclose(out[..., 1], cl.blur(image[..., 1], 2), atol=1e-12)
    assert not out[..., [0, 2]].any()


def test_what_cannot_be_seen_does_not_bleed_into_what_can():
    image = np.zeros((20, 20, 4), np.uint8)
    image[:, :10] = (200, 100, 50, 255)
    image[:, 10:] = (0, 255, 0, 0)  # green, but wholly transparent
    out = cl.blur(image, 2)
    seen = out[..., 3] > 20
    np.testing.assert_allclose(out[seen][:, :3], np.broadcast_to([200, 100, 50], (seen.sum(), 3)), atol=1)
    np.testing.assert_allclose(out[..., 3], cl.blur(image[..., 3], 2), atol=1)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_tensor_gives_the_same_with_gradients_in_image_and_sigma(boundary):
    image = picture(9, 11, 4)
    tensor = torch.tensor(image, requires_grad=True)
    out = cl.blur(tensor, (1.0, 1.5), boundary=boundary)
    np.testing.assert_allclose(out.detach(), cl.blur(image, (1.0, 1.5), boundary=boundary), atol=1e-12)
    sigma = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    small = tensor.detach()[:3, :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, s: cl.blur(x, s, boundary=boundary, truncate=2), (small, sigma))
    assert cl.blur(torch.tensor((image * 255).astype(np.uint8)), 1.0, boundary=boundary).dtype == torch.uint8


@pytest.mark.parametrize("sigma", [(1.0, 1.5), (6.0, 0), (0.7, 1.2, 2.0)])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_gradient_of_a_blurred_tensor_is_the_adjoint_of_the_blur(sigma, boundary):
    x, y = (torch.randn(13, 11, 4 if len(sigma) > 2 else 3, dtype=torch.float64) for _ in "xy")
    x.requires_grad_()
    blurred = cl.blur(x, sigma, boundary=boundary)
    blurred.backward(y)
    torch.testing.assert_close((blurred * y).sum(), (x * x.grad).sum())
    moved = torch.randn_like(x)
    torch.testing.assert_close((cl.blur(moved, sigma, boundary=boundary) * y).sum(), (moved * x.grad).sum())
    assert torch.autograd.gradgradcheck(
        lambda a: cl.blur(a, sigma[:2], boundary=boundary, truncate=1), x[:3, :2, 0].detach().requires_grad_()
    )


def test_the_gaussian_has_sum_one_and_the_radius_its_tolerance_asks_for():
    assert gaussian(2.5, 9).sum() == pytest.approx(1, abs=1e-15)
    for sigma, tolerance in ((0.3, 1e-4), (5.0, 8.2e-5), (5.0, 6.6e-7), (80.0, 1e-4)):
        far = np.arange(-4000, 4001)
        infinite = np.exp(-0.5 * (far / sigma) ** 2)
        infinite /= infinite.sum()

        def lost(radius, far=far, infinite=infinite):
            return 2 * infinite[np.abs(far) > radius].sum()

        radius = radius_within(sigma, tolerance)
        assert lost(radius) <= tolerance * (1 + 1e-9) and lost(radius - 1) > tolerance


@given(
    st.integers(1, 4),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.lists(st.sampled_from(BOUNDARIES), min_size=4, max_size=4),
    st.sampled_from(["float64", "float32", "float16", "int16", "int32", "uint8"]),
    st.booleans(),
)
@settings(max_examples=60)
def test_derivatives_of_any_number_of_axes_are_ndimages(ndim, orders, boundaries, dtype, by_radius):
    image = (picture(*(7, 9, 6, 8)[:ndim]) * 200 - 50 * (dtype != "uint8")).astype(dtype)
    sigmas, orders, boundaries = [1.5, 0.8, 1.1, 1.0][:ndim], orders[:ndim], boundaries[:ndim]
    cut = {"radius": [5, 2, 3, 4][:ndim]} if by_radius else {"truncate": 3.0}
    expected = ndimage.gaussian_filter(
        image.astype(float), sigmas, orders, mode=[NDIMAGE[b] for b in boundaries], cval=0, **cut
    )
    out = cl.blur(image, sigmas, order=orders, boundary=boundaries, **cut)
    kept = not any(orders)
    assert out.dtype == (image.dtype if kept else {"float64": "f8", "int32": "f8"}.get(dtype, "f4"))
    rounding = 0.501 if kept and out.dtype.kind in "iu" else 0.2 if out.dtype == np.float16 else 2e-4
    np.testing.assert_allclose(out, expected, atol=1e-9 if dtype == "float64" else rounding)


def test_without_a_cut_a_derivative_is_as_precise_as_its_tolerance_says():
    line = np.sin(np.arange(400) / 9)
    exact = ndimage.gaussian_filter1d(line, 4.0, order=2, mode="reflect", truncate=12)
    weights = np.abs(np.diff(gaussian(4.0, 40), 2)).sum()
    for tolerance in (1e-2, 1e-5):
        assert abs(cl.blur(line, 4.0, order=2, tolerance=tolerance) - exact).max() <= 1.1 * tolerance * weights


@pytest.mark.parametrize("boundary", ["constant", ("wrap", "constant")])
def test_a_border_may_be_filled_with_any_number(boundary):
    image = picture(12, 15, dtype=np.uint8)
    rows = {"wrap": {"mode": "wrap"}}.get(boundary[0], {"constant_values": 70})
    padded = np.pad(np.pad(image.astype(float), ((9, 9), (0, 0)), **rows), ((0, 0), (9, 9)), constant_values=70)
    expected = ndimage.gaussian_filter(padded, 2, truncate=4)[9:-9, 9:-9]
    out = cl.blur(image, 2, boundary=boundary, fill_value=70, truncate=4)
    np.testing.assert_allclose(out, expected, atol=0.51)
    tensor = torch.tensor(image, dtype=torch.float64)
    sigma = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    for width in (2, sigma):
        found = cl.blur(tensor, width, boundary=boundary, fill_value=70, truncate=4)
        np.testing.assert_allclose(found.detach(), expected, atol=1e-9)


def test_tensors_have_derivatives_too_with_gradients():
    image = torch.rand(6, 7, dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
    derive = lambda a, s: cl.blur(a, [s, s], order=(1, 2), truncate=3, boundary="wrap")  # noqa: E731
    expected = cl.blur(image.detach().numpy(), 1.2, order=(1, 2), truncate=3, boundary="wrap")
    np.testing.assert_allclose(derive(image, sigma).detach(), expected, atol=1e-12)
    np.testing.assert_allclose(derive(image, 1.2).detach(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(derive, (image, sigma))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((np.zeros((3, 3)), -1), {}, ArgumentError, "sigma: need finite widths of at least 0, got -1$"),
        ((np.zeros((3, 3)), np.nan), {}, ArgumentError, "sigma: need finite widths of at least 0, got nan$"),
        (
            (np.zeros((3, 3)), (1, 2, 3)),
            {},
            ShapeError,
            "sigma: need one number, or one for each leading axis of 2, got 3",
        ),
        ((np.zeros(()), 1), {}, ShapeError, r"image: need \(height, width\) or"),
        ((np.zeros((3, 3, 3, 3)), 1), {}, ShapeError, "sigma: .* more than three axes need one for each"),
        ((np.zeros((3, 3)), 1), {"order": 9}, ArgumentError, "order: need whole numbers from 0 to 8, got 9"),
        ((np.zeros((3, 3)), 1), {"order": (1, 2, 3)}, ShapeError, "order: need one, or one for each of 2 axes, got 3"),
        ((np.zeros((3, 3)), 0), {"order": 1}, ArgumentError, "sigma: need at least 0.1 along an axis that is derived"),
        ((np.zeros((3, 3)), 1), {"radius": -1}, ArgumentError, "radius: need a whole number of at least 0, got -1"),
        (
            (np.zeros((3, 3)), 1),
            {"radius": 1, "truncate": 2},
            ArgumentError,
            "radius: need either a radius or truncate",
        ),
        ((np.zeros((3, 3)), 1), {"boundary": ("edge",) * 3}, BoundaryError, "boundary: need one, or one for each of 2"),
        ((np.zeros((3, 3)), 1), {"fill_value": np.nan}, ArgumentError, "fill_value: need a finite number, got nan"),
        ((np.zeros((0, 3)), 1), {}, ShapeError, "not empty, got"),
        (
            (np.zeros((3, 3), np.int64), 1),
            {},
            DtypeError,
            "image: need uint8, uint16, int16, int32, float16, .* got int64",
        ),
        (
            (np.zeros((3, 3)), 1),
            {"truncate": 0},
            ArgumentError,
            "truncate: need a positive number of sigmas, at most 40, got 0",
        ),
        (
            (np.zeros((3, 3)), 1),
            {"truncate": 1e9},
            ArgumentError,
            "truncate: need a positive number of sigmas, at most",
        ),
        ((np.zeros((3, 3)), 1), {"truncate": np.nan}, ArgumentError, "truncate: need a positive number of sigmas"),
        ((np.zeros((3, 3)), 1), {"tolerance": 0}, ArgumentError, "tolerance: need a number between 0 and 1, got 0"),
        ((np.zeros((3, 3)), 1), {"boundary": "nearest"}, BoundaryError, "'nearest' is 'edge'"),
    ],
)
def test_what_cannot_be_blurred_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        cl.blur(*arguments, **options)


@pytest.mark.bad_input
@pytest.mark.parametrize("sigma", [1001, 1e300])
def test_a_sigma_that_dwarfs_the_picture_is_refused(sigma):
    with pytest.raises(ArgumentError, match=r"sigma: need at most 1000 for a picture of this size, got [^,]*;"):
        cl.blur(picture(40, 60), sigma)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_widest_blur_of_a_long_axis_takes_little_memory():
    code = (
        "from pathlib import Path; import numpy as np, convolens as cl\n"
        "image = np.random.default_rng(0).random((2, 20_000), dtype=np.float32)\n"
        "out = cl.blur(image, (0, 80_000))\n"
        "assert abs(out - image.mean(axis=1, keepdims=True)).max() < 1e-3\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    peak = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) / 1024
    assert peak < 400


def test_a_second_small_picture_is_blurred_by_what_was_prepared_for_the_first(monkeypatch):
    first, second = picture(8, 9), picture(8, 9, seed=1)
    cl.blur(first, 1.25)
    monkeypatch.setattr("convolens.convolution.algorithms.separable.filtered", lambda *_: pytest.fail("prepared again"))
    np.testing.assert_allclose(cl.blur(second, 1.25), ndimage.gaussian_filter(second, 1.25), atol=2e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("order", [0, 1])
def test_tensors_of_half_the_bits_are_computed_in_float32_and_stay_what_they_are(dtype, order):
    image = torch.rand(12, 9, 4, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    found = cl.blur(image, 1.5, order=order)
    assert torch.equal(found, cl.blur(image.float(), 1.5, order=order).to(dtype))
    found.sum().backward()
    assert image.grad.dtype == dtype
