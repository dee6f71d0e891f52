"""Gradients by central differences, by the adjoint identity, and by torch's own autograd of torch's own operators."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl

BOUNDARIES = ["constant", "edge", "reflect", "symmetric", "wrap"]
WAYS = [("valid", "constant")] + [(mode, boundary) for mode in ("full", "same") for boundary in BOUNDARIES]


@pytest.mark.parametrize(("mode", "boundary"), WAYS)
@pytest.mark.parametrize("shapes", [((7,), (4,)), ((5, 6), (3, 2)), ((3, 4), (6, 7)), ((4, 3, 5), (2, 3, 3))])
def test_gradients_are_the_slopes_of_the_loss(shapes, mode, boundary):
    if mode == "valid" and shapes[0] < shapes[1]:
        pytest.skip("valid needs the kernel inside x")
    rng = np.random.default_rng(1)
    x, kernel = (rng.normal(size=shape) for shape in shapes)
    upstream = rng.normal(size=cl.convolve(x, kernel, mode, boundary=boundary).shape)

    def loss():
        return (cl.convolve(x, kernel, mode, boundary=boundary, method="direct") * upstream).sum()

    for values, gradient in zip(
        (x, kernel), cl.convolve_gradients(x, kernel, upstream, mode, boundary=boundary), strict=True
    ):
        assert gradient.shape == values.shape
        np.testing.assert_allclose(gradient, slopes(loss, values), atol=1e-7)


def slopes(loss, values, step=1e-3):
    """Central differences in every entry; exact for a loss that is linear in each."""
    found = np.empty_like(values)
    for at in np.ndindex(*values.shape):
        middle = values[at]
        values[at] = middle + step
        above = loss()
        values[at] = middle - step
        found[at] = (above - loss()) / (2 * step)
        values[at] = middle
    return found


@given(
    way=st.sampled_from(WAYS),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    kernel_shape=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    seed=st.integers(0, 999),
    is_complex=st.booleans(),
    others=st.lists(st.sampled_from(BOUNDARIES), min_size=3, max_size=3),
    steps=st.lists(st.integers(1, 4), min_size=3, max_size=3),
)
@settings(max_examples=200)
def test_adjoint_identity(way, shape, kernel_shape, seed, is_complex, others, steps):
    mode, boundary = way
    kernel_shape = kernel_shape[: len(shape)]
    options = {"boundary": boundary, "step": 1}
    if seed % 2 and mode != "valid":
        options["boundary"] = others[: len(shape)]
    if seed % 3 == 0:
        options["step"] = steps[: len(shape)]
    if seed % 5 == 0 and mode == "same":
        options["origin"] = [k // 2 for k in kernel_shape]
    if mode == "valid":
        shape = [max(n, k) for n, k in zip(shape, kernel_shape, strict=True)]
    rng = np.random.default_rng(seed)
    draw = lambda size: rng.normal(size=size) + (1j * rng.normal(size=size) if is_complex else 0)  # noqa: E731
    x, kernel = draw(shape), draw(kernel_shape)
    y = cl.convolve(x, kernel, mode, **options)
    upstream = draw(y.shape)
    in_x, in_kernel = cl.convolve_gradients(x, kernel, upstream, mode, **options)
    here = np.vdot(upstream, y)
    np.testing.assert_allclose(np.vdot(in_x, x), here, atol=1e-9)
    np.testing.assert_allclose(np.vdot(in_kernel, kernel), here, atol=1e-9)


def test_chosen_axes_and_their_order_come_back_in_the_kernels_gradient():
    rng = np.random.default_rng(2)
    x, kernel = rng.normal(size=(4, 5, 6)), rng.normal(size=(2, 3))
    upstream = rng.normal(size=(4, 5, 6))
    _, in_kernel = cl.convolve_gradients(x, kernel, upstream, "same", axes=(2, 0), boundary="wrap")
    loss = lambda: (cl.convolve(x, kernel, "same", axes=(2, 0), boundary="wrap") * upstream).sum()  # noqa: E731
    np.testing.assert_allclose(in_kernel, slopes(loss, kernel), atol=1e-7)


@pytest.mark.parametrize(
    ("mode", "boundary", "method"),
    [(*way, "auto") for way in WAYS] + [(*way, method) for way in WAYS[:2] + WAYS[-1:] for method in ("torch", "fft")],
)
def test_torch_differentiates_it_once_and_twice(mode, boundary, method):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    kernel = torch.randn(2, 3, dtype=torch.float64, generator=generator, requires_grad=True)

    def convolve(x, kernel):
        return cl.convolve(x, kernel, mode, boundary=boundary, method=method)

    assert torch.autograd.gradcheck(convolve, (x, kernel))
    assert torch.autograd.gradgradcheck(convolve, (x, kernel))


@pytest.mark.parametrize("method", ["auto", "torch"])
def test_torch_differentiates_steps_and_a_boundary_for_each_axis(method):
    x, kernel = torch.rand(6, 5, dtype=torch.float64), torch.rand(3, 2, dtype=torch.float64)
    options = {"boundary": ("wrap", "constant"), "fill_value": 2, "step": (2, 3), "method": method}
    expected = cl.convolve(x.numpy(), kernel.numpy(), boundary=("wrap", "constant"), fill_value=2)[::2, ::3]
    np.testing.assert_allclose(cl.convolve(x, kernel, **options), expected, atol=1e-12)
    leaves = x.requires_grad_(), kernel.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: cl.convolve(a, b, **options), leaves)
    assert torch.autograd.gradgradcheck(lambda a, b: cl.convolve(a, b, **options), leaves)


@pytest.mark.parametrize("method", ["auto", "torch"])
def test_torch_differentiates_complex_tensors(method):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, dtype=torch.complex128, generator=generator, requires_grad=True)
    kernel = torch.randn(2, dtype=torch.complex128, generator=generator, requires_grad=True)
    convolve = lambda x, kernel: cl.convolve(x, kernel, "same", boundary="symmetric", method=method)  # noqa: E731
    assert torch.autograd.gradcheck(convolve, (x, kernel))
    assert torch.autograd.gradgradcheck(convolve, (x, kernel))


def test_gradients_of_a_real_signal_with_a_complex_kernel_are_real_where_the_signal_is():
    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, kernel: cl.convolve(x, kernel), (x, kernel))


def test_autograd_and_the_written_out_adjoints_are_the_same():
    x = torch.randn(2, 7, 8, requires_grad=True)
    kernel = torch.randn(3, 3, requires_grad=True)
    y = cl.convolve(x, kernel, "same", axes=(1, 2), boundary="reflect")
    upstream = torch.randn_like(y)
    y.backward(upstream)
    in_x, in_kernel = cl.convolve_gradients(x, kernel, upstream, "same", axes=(1, 2), boundary="reflect")
    torch.testing.assert_close(in_x, x.grad, rtol=0, atol=0)
    torch.testing.assert_close(in_kernel, kernel.grad, rtol=0, atol=0)


def test_gradients_agree_with_torchs_own_convolution():
    x = torch.randn(1, 1, 20, 21, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(1, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.conv2d(x, kernel)
    upstream = torch.randn_like(y)
    wanted = torch.autograd.grad(y, (x, kernel), upstream)
    flipped = kernel.detach()[0, 0].flip(0, 1).numpy()
    in_x, in_kernel = cl.convolve_gradients(x.detach()[0, 0].numpy(), flipped, upstream[0, 0].numpy(), "valid")
    np.testing.assert_allclose(in_x, wanted[0][0, 0], atol=1e-12)
    np.testing.assert_allclose(in_kernel[::-1, ::-1], wanted[1][0, 0], atol=1e-12)


@pytest.mark.bad_input
def test_upstream_of_another_shape_is_refused():
    with pytest.raises(cl.errors.ShapeError, match=r"upstream: need the result's shape \(6,\), got \(5,\)"):
        cl.convolve_gradients(np.ones(4), np.ones(3), np.ones(5))


@pytest.mark.parametrize(("shape", "kernel_shape"), [((1,), (2000,)), ((1, 1), (31, 31)), ((1, 1, 1, 1), (3, 3, 3, 3))])
def test_of_a_single_sample_only_the_weight_over_it_has_a_gradient(shape, kernel_shape):
    x, kernel = np.full(shape, 2.0), np.ones(kernel_shape)
    _, in_kernel = cl.convolve_gradients(x, kernel, np.ones(shape), "same")
    expected = np.zeros(kernel_shape)
    expected[tuple((k - 1) // 2 for k in kernel_shape)] = 2.0
    np.testing.assert_allclose(in_kernel, expected, atol=1e-12)
