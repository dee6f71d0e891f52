import numpy as np
import pytest

import convolens as cl
from convolens.effects.edges import edge_picture
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


def test_the_strongest_colour_counts_and_transparency_does_not():
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
