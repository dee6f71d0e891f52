"""A kernel for each channel, by broadcasting as in SciPy; `valid` with the longer second, as in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import convolens as cl

RNG = np.random.default_rng(0)


@st.composite
def broadcast(draw):
    """Two arrays of one rank that are convolved along some axes and broadcast along the others."""
    ndim = draw(st.integers(2, 4))
    axes = draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim - 1))]
    shapes = [[draw(st.integers(1, 5)) for _ in range(ndim)] for _ in range(2)]
    for axis in set(range(ndim)) - set(axes):
        size = draw(st.integers(1, 3))
        for shape in shapes:
            shape[axis] = draw(st.sampled_from([1, size]))
    mode = draw(st.sampled_from(["full", "same", "valid"]))
    if mode == "valid":  # on every axis the one is the longer that is it on the first
        pairs = [sorted((shapes[0][axis], shapes[1][axis])) for axis in axes]
        for axis, pair in zip(axes, pairs, strict=True):
            shapes[0][axis], shapes[1][axis] = (
                pair if draw(st.just(True)) and shapes[0][axes[0]] == pairs[0][0] else pair[::-1]
            )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return *(rng.normal(size=shape) for shape in shapes), mode, tuple(axes)


@given(broadcast())
@settings(max_examples=150)
def test_axes_mean_what_scipys_mean(case):
    x, kernel, mode, axes = case
    expected = signal.fftconvolve(x, kernel, mode, axes=axes)
    if mode == "same":  # SciPy's has x's size on axes that are broadcast, too
        expected = np.stack([expected])[0]
        full = signal.fftconvolve(x, kernel, "full", axes=axes)
        starts = [(kernel.shape[d] - 1) // 2 if d in axes else 0 for d in range(x.ndim)]
        sizes = [x.shape[d] if d in axes else full.shape[d] for d in range(x.ndim)]
        expected = full[tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))]
    np.testing.assert_allclose(cl.convolve(x, kernel, mode, axes=axes), expected, atol=1e-12)
    out = np.empty_like(expected)
    assert cl.convolve(x, kernel, mode, axes=axes, out=out) is out
    np.testing.assert_allclose(out, expected, atol=1e-12)


@given(broadcast())
@settings(max_examples=60)
def test_gradients_of_several_kernels_satisfy_the_adjoint_identity_and_are_torchs(case):
    x, kernel, mode, axes = case
    upstream = np.random.default_rng(1).normal(size=cl.convolve(x, kernel, mode, axes=axes).shape)
    in_signal, in_kernel = cl.convolve_gradients(x, kernel, upstream, mode, axes=axes)
    inner = (upstream * cl.convolve(x, kernel, mode, axes=axes)).sum()
    assert in_signal.shape == x.shape
    assert in_kernel.shape == kernel.shape
    np.testing.assert_allclose([(in_signal * x).sum(), (in_kernel * kernel).sum()], inner, atol=1e-10)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, kernel)]
    cl.convolve(*leaves, mode, axes=axes).backward(torch.tensor(upstream))
    np.testing.assert_allclose(leaves[0].grad, in_signal, atol=1e-10)
    np.testing.assert_allclose(leaves[1].grad, in_kernel, atol=1e-10)


@pytest.mark.parametrize("shapes", [((3,), (7,)), ((3, 2), (5, 6)), ((4,), (4,))])
@pytest.mark.parametrize("function", [cl.convolve, cl.correlate])
def test_valid_slides_the_shorter_over_the_longer(shapes, function):
    x, kernel = (RNG.normal(size=shape) for shape in shapes)
    peer = {cl.convolve: signal.convolve, cl.correlate: signal.correlate}[function]
    np.testing.assert_allclose(function(x, kernel, "valid"), peer(x, kernel, "valid"), atol=1e-12)
    if x.ndim == 1:
        peer = {cl.convolve: np.convolve, cl.correlate: np.correlate}[function]
        np.testing.assert_allclose(function(x, kernel, "valid"), peer(x, kernel, "valid"), atol=1e-12)
    tensors = function(torch.tensor(x), torch.tensor(kernel), "valid")
    np.testing.assert_allclose(tensors, function(x, kernel, "valid"), atol=1e-12)


def test_an_infinite_weight_beyond_a_shorter_signal_is_met_by_no_zeros():
    np.testing.assert_array_equal(cl.convolve([1.0, 2.0], [np.inf, 1.0, 1.0, 1.0], "valid"), [np.inf, 3, 3])


def test_lines_that_are_longer_than_a_batch_of_signals_slide_over_each():
    x, kernel = RNG.normal(size=(3, 4)), RNG.normal(size=9)
    expected = [np.convolve(line, kernel, "valid") for line in x]
    np.testing.assert_allclose(cl.convolve(x, kernel, "valid", axes=1), expected, atol=1e-12)


def test_a_plan_of_several_kernels_is_that_of_the_first():
    assert cl.plan(np.zeros((3, 99)), np.ones((3, 5)), axes=1).problem.kernel_shape == (1, 5)


def test_the_gradient_in_a_longer_kernel_has_its_axes_in_its_own_order():
    x, kernel = RNG.normal(size=(2, 3)), RNG.normal(size=(5, 4))
    y = cl.convolve(x, kernel, "valid", axes=(1, 0))
    np.testing.assert_allclose(y, signal.convolve(x, kernel.T, "valid"), atol=1e-12)
    in_signal, in_kernel = cl.convolve_gradients(x, kernel, y, "valid", axes=(1, 0))
    assert in_kernel.shape == kernel.shape
    np.testing.assert_allclose([(in_signal * x).sum(), (in_kernel * kernel).sum()], (y * y).sum())
