import numpy as np
import pytest

import convolens as cl
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.errors import ArgumentError
from convolens.shapes import BOUNDARIES

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_step_of_height_h_has_brightness_h_times_the_gain(dtype):
    step = np.zeros((5, 6), dtype)
    step[:, 3:] = 100
    np.testing.assert_array_equal(edge_picture(step)[2], [0, 0, 100, 100, 0, 0])
    np.testing.assert_array_equal(edge_picture(step, gain=0.5)[2], [0, 0, 50, 50, 0, 0])
    assert edge_picture(step, gain=1000.0).max() == np.iinfo(dtype).max
    assert edge_picture(step).dtype == dtype


def test_the_strongest_color_counts_and_transparency_does_not():
    image = np.zeros((5, 6, 4), np.uint8)
    image[:, 3:, 1], image[:, 3:, 2] = 60, 90
    image[:, 2:, 3] = 255
    np.testing.assert_array_equal(edge_picture(image)[2], [0, 0, 90, 90, 0, 0])


def test_floats_stay_within_white():
    np.testing.assert_array_equal(edge_picture(np.array([[0, 0, 0.25, 0.25]]), gain=2.0), [[0, 0.5, 0.5, 0]])


@pytest.mark.bad_input
@pytest.mark.parametrize("gain", [-1.0, np.nan, np.inf])
def test_a_gain_that_is_none_is_refused(gain):
    with pytest.raises(ArgumentError, match="gain: need a finite number of at least 0"):
        edge_picture(np.zeros((3, 3)), gain=gain)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(7, 9), (5, 6, 3), (1, 1)])
def test_sobel_of_a_tensor_is_sobel_of_its_array_with_gradients(boundary, shape):
    image = np.random.default_rng(0).random(shape)
    tensor = torch.tensor(image, requires_grad=True)
    np.testing.assert_allclose(
        cl.sobel(tensor, boundary=boundary).detach(), cl.sobel(image, boundary=boundary), atol=1e-12
    )
    for got, expected in zip(
        cl.sobel_gradients(tensor, boundary=boundary), cl.sobel_gradients(image, boundary=boundary), strict=True
    ):
        np.testing.assert_allclose(got.detach(), expected, atol=1e-12)
    if shape == (7, 9):
        small = tensor.detach()[:3, :4].requires_grad_()
        assert torch.autograd.gradcheck(lambda x: cl.sobel(x, boundary=boundary), small)


def test_the_gradient_of_sobel_where_nothing_changes_is_zero_not_nan():
    flat = torch.ones(4, 4, requires_grad=True)
    cl.sobel(flat).sum().backward()
    assert not flat.grad.any()
    assert cl.sobel(torch.ones(4, 4, dtype=torch.uint8)).dtype == torch.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_gradient_shows_a_step_at_its_own_height(dtype):
    step = np.repeat([[0, 0, 1, 1]], 3, axis=0).astype(dtype) * dtype(100 if np.dtype(dtype).kind == "u" else 1)
    for method in ("sobel", "scharr", "prewitt"):
        np.testing.assert_allclose(edge_picture(step, method=method)[1], [0, step.max(), step.max(), 0], rtol=1e-6)


def test_canny_gives_white_lines_and_the_others_detail_about_a_middle_gray():
    spot = np.zeros((41, 41, 3), np.uint8)
    spot[19:22, 19:22] = 120
    lines = edge_picture(spot, method="canny")
    assert set(np.unique(lines)) == {0, 255} and lines.dtype == np.uint8
    for method, sign in (("log", -1), ("dog", 1)):
        detail = edge_picture(spot, method=method, sigma=2.0).astype(int) - 128
        assert abs(detail[0, 0]) <= 1 and 127 > sign * detail[20, 20] > 15
        fainter = edge_picture(spot, method=method, sigma=2.0, gain=0.5).astype(int) - 128
        assert fainter[20, 20] == pytest.approx(0.5 * detail[20, 20], abs=2)


def test_an_unknown_method_is_refused():
    with pytest.raises(
        ArgumentError, match="method: need one of sobel, scharr, prewitt, canny, log, dog, got 'roberts'"
    ):
        edge_picture(np.zeros((3, 3)), method="roberts")
