import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens.errors import ArgumentError, ConvolensError, DtypeError, ShapeError

max_pool2d, max_pool2d_backward = cl.layers.max_pool2d, cl.layers.max_pool2d_backward


@st.composite
def cases(draw):
    size = draw(st.sampled_from([(2, 2), (3, 3), (1, 3), (4, 2)]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1)]))
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)
    least = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 20)), *(draw(st.integers(n, n + 12)) for n in least))
    arguments = {
        "stride": draw(st.sampled_from([None, 1, 2, (3, 2)])), "padding": padding, "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
    }  # fmt: skip
    return shape, size, arguments, draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 2**16))


def check_against_torch(case):
    shape, size, arguments, last, whole, seed = case
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    x = x.mul(2).round() if whole else x  # whole numbers have ties
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    got, argmax = max_pool2d(ours, size, **arguments, return_argmax=True)
    wanted, index = torch.nn.functional.max_pool2d(theirs, size, **arguments, return_indices=True)
    assert torch.equal(got, wanted)
    assert torch.equal(argmax, index)
    assert torch.equal(max_pool2d(x, size, **arguments), wanted)
    upstream = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    got.backward(upstream)
    wanted.backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(max_pool2d_backward(upstream, argmax, x.shape), theirs.grad)


@settings(max_examples=300)
@given(cases())
def test_pooling_its_argmax_and_its_gradient_are_torchs(case):
    check_against_torch(case)


@pytest.mark.slow
@settings(max_examples=5000)
@given(cases())
def test_pooling_its_argmax_and_its_gradient_are_torchs_on_thousands_of_shapes(case):
    check_against_torch(case)


def test_the_largest_value_of_each_window_of_a_numpy_array():
    x = np.array([[[1, 5, 2, 0], [3, 4, 8, 7]]], np.float32)
    y, argmax = max_pool2d(x, 2, return_argmax=True)
    assert isinstance(y, np.ndarray)
    np.testing.assert_array_equal(y, [[[5, 8]]])
    np.testing.assert_array_equal(argmax, [[[1, 6]]])
    np.testing.assert_array_equal(max_pool2d_backward(y, argmax, x.shape), [[[0, 5, 0, 0], [0, 0, 8, 0]]])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_not_a_number_wins_and_infinities_compete(layout):
    x = torch.randn(1, 19, 8, 9, generator=torch.Generator().manual_seed(0))
    x[0, ::2, 3, 4], x[0, :, 5, 5], x[0, 1] = torch.nan, torch.inf, -torch.inf
    x = x.contiguous(memory_format=layout)
    got, argmax = max_pool2d(x, 3, 2, 1, return_argmax=True)
    wanted, index = torch.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)
    torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(argmax, index)


def test_gradients_agree_with_central_differences_and_can_be_differentiated_again():
    x = torch.randperm(2 * 3 * 7 * 8, generator=torch.Generator().manual_seed(0)).double()
    x = x.reshape(2, 3, 7, 8).requires_grad_()
    apply = lambda x: max_pool2d(x, 3, 2, 1)  # noqa: E731
    torch.autograd.gradcheck(apply, (x,))
    torch.autograd.gradgradcheck(apply, (x,))


def test_the_gradient_is_the_adjoint_of_choosing_the_maxima():
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y, argmax = max_pool2d(x, 3, 1, 1, return_argmax=True)
    upstream = torch.randn_like(y)
    spread = max_pool2d_backward(upstream, argmax, x.shape)
    torch.testing.assert_close((spread * x).sum(), (upstream * y).sum())


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3), (4, 5), ((2, 5), 4)])
def test_in_ceil_mode_a_window_may_hang_over_a_picture_smaller_than_itself(size, stride, order):
    x = torch.randn(2, 3, 1, 2, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=order)
    expected = torch.nn.functional.max_pool2d(x, size, stride, ceil_mode=True)
    assert expected.shape == (2, 3, 1, 1)
    torch.testing.assert_close(max_pool2d(x, size, stride, ceil_mode=True), expected, rtol=0, atol=0)
    with pytest.raises(ShapeError, match="x: need at least 4 rows and columns with padding"):
        max_pool2d(x, 5, 2, ceil_mode=True)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"size": 6},
            ShapeError,
            r"x: need at least 6 rows and columns with padding .* got \(5, 5\) padded by \(0, 0\)",
        ),
        ({"size": 0}, ArgumentError, "size: need a whole number of at least 1, or a pair of them, got 0"),
        ({"size": 2.5}, ArgumentError, "size: need a whole number of at least 1, or a pair of them, got 2.5"),
        ({"stride": 0}, ArgumentError, "stride: need a whole number of at least 1, or a pair of them, got 0"),
        ({"padding": 2}, ArgumentError, "padding: need at most half the window of 2, got 2"),
        ({"stride": 1, "padding": 1, "dilation": 6}, ShapeError, r"each window of \(2, 2\) spread by \(6, 6\) sees"),
        ({"padding": -1}, ArgumentError, "padding: need a whole number of at least 0"),
        ({"x": torch.zeros(5, 5)}, ShapeError, r"x: need \(batch, channels, height, width\)"),
        ({"x": torch.zeros(1, 1, 5, 5).int()}, DtypeError, "x: need floating-point numbers, got torch.int32"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        max_pool2d(**{"x": torch.zeros(1, 1, 5, 5), "size": 2, **arguments})
    assert isinstance(caught.value, ConvolensError)


@pytest.mark.bad_input
def test_a_gradient_of_shapes_that_do_not_fit_is_refused():
    with pytest.raises(
        ShapeError, match=r"need upstream and argmax of one shape, .* got \(1, 1, 2, 2\), \(1, 1, 2, 3\)"
    ):
        max_pool2d_backward(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3).long(), (1, 1, 5, 5))
    with pytest.raises(DtypeError, match="argmax: need int64, as max_pool2d returns it, got torch"):
        max_pool2d_backward(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), (1, 1, 5, 5))
    with pytest.raises(ShapeError, match="argmax: need places inside the 25 cells of a plane, got 25"):
        max_pool2d_backward(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 25), (1, 1, 5, 5))


@pytest.mark.parametrize(
    "arguments", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}]
)
def test_the_module_is_a_drop_in_for_torchs(arguments):
    theirs, ours = torch.nn.MaxPool2d(**arguments), cl.layers.MaxPool2d(**arguments)
    assert repr(ours) == repr(theirs)
    assert ours.state_dict() == theirs.state_dict()
    x = torch.randn(2, 3, 9, 10)
    for twin in (ours, copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(twin(x), theirs(x))


def test_the_module_returns_indices_for_unpooling():
    x = torch.randn(1, 2, 4, 4)
    y, indices = cl.layers.MaxPool2d(2, return_indices=True)(x)
    assert torch.equal(
        torch.nn.MaxUnpool2d(2)(y, indices), torch.where(x == torch.nn.Upsample(scale_factor=2)(y), x, 0)
    )


@pytest.mark.bad_input
def test_a_module_that_cannot_be_is_refused_when_it_is_made():
    with pytest.raises(ArgumentError, match="kernel_size: need a whole number of at least 1"):
        cl.layers.MaxPool2d(0)
