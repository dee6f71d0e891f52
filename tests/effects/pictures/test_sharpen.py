import numpy as np
import pytest
from scipy import ndimage

import convolens as cl
from convolens.errors import ArgumentError, DtypeError

torch = pytest.importorskip("torch")


def picture(*shape, dtype=np.float64):
    image = np.random.default_rng(0).random(shape)
    return np.rint(image * 255).astype(dtype) if np.dtype(dtype).kind == "u" else image.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)])
def test_detail_is_what_the_blur_leaves_out_and_is_added_once_more(dtype, shape):
    image = picture(*shape, dtype=dtype)
    exact = image.astype(float)
    blurred = ndimage.gaussian_filter(exact, (2, 2) + (0,) * (len(shape) - 2), truncate=8)
    expected = exact + 0.8 * (exact - blurred)
    out = cl.sharpen(image, 2, amount=0.8)
    assert out.dtype == dtype
    if np.dtype(dtype).kind == "u":
        np.testing.assert_allclose(out, expected.clip(0, np.iinfo(dtype).max), atol=0.55)
    else:
        np.testing.assert_allclose(out, expected, atol=2e-4)


def test_no_amount_and_no_detail_change_nothing():
    image = picture(20, 20, 3, dtype=np.uint8)
    np.testing.assert_array_equal(cl.sharpen(image, 2, amount=0), image)
    flat = np.full((20, 20), 200, np.uint8)
    np.testing.assert_array_equal(cl.sharpen(flat, 2, amount=5), flat)


def test_bright_edges_clip_rather_than_wrap():
    step = np.zeros((9, 20), np.uint8)
    step[:, 10:] = 255
    out = cl.sharpen(step, 2, amount=3)
    np.testing.assert_array_equal(out, step)


def test_detail_below_the_threshold_is_left_as_it_is():
    image = np.full((21, 41), 100.0)
    image[10, 10] += 2
    image[10, 30] += 50
    out = cl.sharpen(image, 1, threshold=5)
    assert out[10, 10] == 102
    assert out[10, 30] > 160


def test_transparency_is_not_sharpened():
    image = picture(20, 20, 4, dtype=np.uint8)
    out = cl.sharpen(image, 1.5)
    np.testing.assert_array_equal(out[..., 3], image[..., 3])
    assert (out[..., :3] != image[..., :3]).any()


@pytest.mark.parametrize("shape", [(12, 13), (12, 13, 4)])
def test_a_tensor_gives_the_same_tensor_with_gradients(shape):
    image = picture(*shape)
    tensor = torch.tensor(image, requires_grad=True)
    out = cl.sharpen(tensor, 1.2, threshold=0.01)
    np.testing.assert_allclose(out.detach(), cl.sharpen(image, 1.2, threshold=0.01), atol=1e-12)
    out.sum().backward()
    assert torch.isfinite(tensor.grad).all()
    assert cl.sharpen(torch.tensor(picture(9, 9, dtype=np.uint8)), 1.0).dtype == torch.uint8


def test_a_negative_amount_takes_detail_away_down_to_the_blur():
    image = picture(20, 30)
    np.testing.assert_allclose(cl.sharpen(image, 2, amount=-1), cl.blur(image, 2), atol=1e-12)


@pytest.mark.bad_input
def test_what_cannot_be_sharpened_is_refused():
    for options, message in (
        ({"amount": np.nan}, "amount: need a finite number, got nan"),
        ({"threshold": -1}, "threshold: need a finite number of at least 0, got -1"),
        ({"sigma": -1}, "sigma: need finite widths of at least 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            cl.sharpen(np.zeros((3, 3)), **options)
    for image in (np.zeros((3, 3), np.int64), torch.zeros(3, 3, dtype=torch.int64)):
        with pytest.raises(DtypeError, match=r"image: need uint8, uint16, int16, int32, float16, .* got .*int64"):
            cl.sharpen(image)


@pytest.mark.parametrize(
    ("shape", "sigma"), [((31,), 2.0), ((31,), [0.7]), ((9, 8, 7), [1.0, 2.0, 0.5]), ((5, 6, 7, 4), [1.0] * 4)]
)
def test_lines_and_volumes(shape, sigma):
    image = np.random.default_rng(0).random(shape)
    expected = image + 0.5 * (image - cl.blur(image, sigma))
    np.testing.assert_allclose(cl.sharpen(image, sigma, amount=0.5), expected, atol=1e-14)


def test_the_last_of_four_slices_of_a_volume_is_no_opacity():
    image = np.random.default_rng(0).random((6, 7, 4))
    expected = 2 * image - cl.blur(image, [1.0, 1.0, 1.0])
    np.testing.assert_allclose(cl.sharpen(image, [1.0, 1.0, 1.0]), expected, atol=1e-14)
