import numpy as np
import pytest
from scipy import ndimage

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, ShapeError

torch = pytest.importorskip("torch")
NDIMAGE = {"constant": "constant", "edge": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "wrap"}


def picture(*shape, dtype=np.float64):
    image = np.random.default_rng(0).random(shape)
    return (image * 255).astype(dtype) if np.dtype(dtype).kind == "u" else image.astype(dtype)


@pytest.mark.parametrize("boundary", NDIMAGE)
@pytest.mark.parametrize("sigma", [1.5, 4.0, (1.5, 3.0)])
def test_the_laplacian_is_scipys_where_nothing_is_cut(boundary, sigma):
    image = picture(50, 61)
    expected = ndimage.gaussian_laplace(image, sigma, mode=NDIMAGE[boundary], truncate=9)
    out = cl.laplacian_of_gaussian(image, sigma, boundary=boundary, truncate=9)
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_a_plain_and_a_ramp_have_none_and_a_bowl_has_its_curvature():
    y, x = np.mgrid[:60, :60].astype(float)
    for surface, curvature in ((np.full((60, 60), 7.0), 0), (3 * x + y, 0), (x**2 + 2 * y**2, 6)):
        inner = cl.laplacian_of_gaussian(surface, 3.0, truncate=6)[25:35, 25:35]
        np.testing.assert_allclose(inner, curvature, atol=1e-5)


def test_the_laplacian_is_zero_on_a_step_and_changes_sign_there():
    step = np.zeros((41, 60))
    step[:, 30:] = 1
    across = cl.laplacian_of_gaussian(step, 2.0)[20]
    assert (across[25:30] > 0).all() and (across[30:35] < 0).all()
    np.testing.assert_allclose(across, -across[::-1], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_floats_come_out_in_the_pictures_units(dtype):
    image = picture(20, 21, 3, dtype=dtype)
    for out in (cl.laplacian_of_gaussian(image, 2.0), cl.difference_of_gaussians(image, 2.0)):
        assert out.shape == image.shape and out.dtype == (np.float64 if dtype == np.float64 else np.float32)
    expected = ndimage.gaussian_laplace(image[..., 1].astype(float), 2.0)
    np.testing.assert_allclose(cl.laplacian_of_gaussian(image, 2.0)[..., 1], expected, atol=1e-3 * image.max())


def test_the_difference_is_of_two_blurs():
    image = picture(40, 41)
    expected = ndimage.gaussian_filter(image, 2) - ndimage.gaussian_filter(image, 5)
    np.testing.assert_allclose(cl.difference_of_gaussians(image, 2, 5), expected, atol=3e-4)
    narrow = ndimage.gaussian_filter(image, 2) - ndimage.gaussian_filter(image, 3.2)
    np.testing.assert_allclose(cl.difference_of_gaussians(image, 2), narrow, atol=3e-4)


def test_tensors_give_the_same_with_gradients_in_image_and_sigma():
    image = picture(9, 11)
    tensor = torch.tensor(image, requires_grad=True)
    for call in (lambda x: cl.laplacian_of_gaussian(x, (1.0, 1.5)), lambda x: cl.difference_of_gaussians(x, 1.0)):
        np.testing.assert_allclose(call(tensor).detach(), call(image), atol=2e-4)
    sigma = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    small = tensor.detach()[:4, :3].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, s: cl.laplacian_of_gaussian(x, s), (small, sigma))
    assert torch.autograd.gradcheck(lambda x: cl.difference_of_gaussians(x, 0.7), small)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "effect", [lambda x: cl.laplacian_of_gaussian(x, 2.0), lambda x: cl.difference_of_gaussians(x, 2.0)]
)
def test_half_tensors_are_computed_in_float32_and_keep_their_dtype(dtype, effect):
    image = torch.tensor(picture(20, 21)).to(dtype).requires_grad_()
    out = effect(image)
    assert out.dtype == dtype
    assert torch.equal(out, effect(image.float()).to(dtype))
    assert abs(effect(torch.full((20, 20), 0.7, dtype=dtype))).max() < 1e-5  # a plain has none
    out.sum().backward()
    assert image.grad.dtype == dtype


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cl.laplacian_of_gaussian(np.zeros((3, 3)), 0), ArgumentError, "sigma: need widths from 0.01 to 200"),
        (lambda: cl.laplacian_of_gaussian(np.zeros((3, 3)), np.nan), ArgumentError, "sigma: need widths from 0.01"),
        (lambda: cl.laplacian_of_gaussian(np.zeros((3, 3)), 1e9), ArgumentError, "sigma: need widths from 0.01"),
        (
            lambda: cl.laplacian_of_gaussian(np.zeros((3, 3)), (1, 2, 3)),
            ShapeError,
            "or one for each of two axes, got 3",
        ),
        (lambda: cl.laplacian_of_gaussian(np.zeros(3), 1), ShapeError, r"image: need \(height, width\)"),
        (lambda: cl.laplacian_of_gaussian(np.zeros((3, 3), complex), 1), DtypeError, "image: need real numbers"),
        (lambda: cl.laplacian_of_gaussian(np.zeros((3, 3)), 1, truncate=0), ArgumentError, "truncate: need a positive"),
        (
            lambda: cl.difference_of_gaussians(np.zeros((3, 3)), 2, 1),
            ArgumentError,
            "high: need a width above low's 2",
        ),
    ],
)
def test_what_has_no_curvature_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_difference_of_gaussians_is_scikit_images_with_a_width_for_each_axis():
    from skimage import filters

    image = np.random.default_rng(3).random((30, 40))
    for low, high in ((1, 2.5), ((1, 2), (2, 5)), ((0, 1), 3)):
        expected = filters.difference_of_gaussians(image, low, high, mode="reflect", truncate=4)
        found = cl.difference_of_gaussians(image, low, high, truncate=4)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_border_filled_with_a_plains_own_value_leaves_no_trace():
    plain = np.full((9, 21), 3.0)
    for effect in (cl.sobel, cl.scharr, cl.prewitt, lambda a, **o: cl.laplacian_of_gaussian(a, 1.0, **o)):
        for kind in (np.asarray, torch.tensor):
            found = effect(kind(plain), boundary="constant", fill_value=3)
            assert abs(np.asarray(found)).max() < 1e-12
        rims = effect(plain, boundary=("wrap", "constant"))
        assert not abs(rims[:, 10]).max() > 1e-12
        assert abs(rims[:, 0]).min() > 0.1


@pytest.mark.parametrize("high", [None, 2.0])
def test_no_width_at_all_is_refused(high):
    with pytest.raises(ShapeError, match=r"^low: need a width, or one for each axis, got none"):
        cl.difference_of_gaussians(np.ones((9, 12)), [], high)
