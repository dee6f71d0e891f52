"""The wide Gaussian in two steps: within its bound of the kernel and the infinite Gaussian, and only where allowed."""

import numpy as np
import pytest
from scipy import ndimage

import convolens as cl
from convolens.convolution.algorithms import multirate
from convolens.errors import ArgumentError, MethodError
from convolens.shapes import BOUNDARIES

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
SAME = {"mode": "same", "boundary": "symmetric"}


def refusal(plan, name):
    return next(c.refusal for c in plan.candidates if name == c.name)


def test_the_plan_of_a_blur_lists_every_way_and_says_why_one_is_not_taken():
    photo = RNG.random((300, 400), np.float32)
    exact = cl.plan(photo, cl.kernel("gaussian", 20).astype(np.float32), **SAME)
    assert refusal(exact, "multirate") == "it errs by more than rounding, which only a tolerance allows"
    allowed = cl.plan(photo, cl.kernel("gaussian", 20).astype(np.float32), **SAME, tolerance=1e-4)
    assert allowed.method == "multirate"
    costs = {c.name: c.cost.seconds for c in allowed.candidates if c.cost}
    assert {"direct", "separable", "fft", "overlap_save", "multirate"} <= set(costs)
    assert costs["multirate"] == min(costs.values())
    assert 1e-4 < allowed.cost.error < 5e-4
    assert "* multirate" in allowed.explain()


@pytest.mark.parametrize(
    ("kernel", "options", "why"),
    [
        (np.asarray(cl.kernel("gaussian", 20)), {}, "the kernel is not known to be a Gaussian"),
        (cl.kernel("box", 21), {}, "the kernel is not known to be a Gaussian"),
        (
            cl.kernel("gaussian", 1.5),
            {},
            "the Gaussian is too narrow, or the tolerance too small, to leave samples out",
        ),
        (cl.kernel("gaussian", 20), {"fill_value": 1}, "the signal is extended by another constant than 0"),
    ],
)
def test_what_it_cannot_do_is_said(kernel, options, why):
    assert refusal(cl.plan(RNG.random((90, 90)), kernel, "same", tolerance=1e-4, **options), "multirate") == why
    with pytest.raises(MethodError, match=why):
        cl.convolve(RNG.random((90, 90)), kernel, "same", tolerance=1e-4, method="multirate", **options)


@pytest.mark.parametrize("mode", ["same", "full", "valid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_every_way_to_blur_keeps_its_bound(mode, dtype, boundary):
    x = RNG.integers(0, 100, (130, 140)).astype(dtype)
    kernel = cl.kernel("gaussian", 8)
    kernel = kernel.astype(np.float32) if dtype == np.float32 else kernel
    options = {} if mode == "valid" else {"boundary": boundary}
    margin = [(k // 2 * (1 + (mode == "full")),) * 2 for k in kernel.shape] if mode != "valid" else 0
    padded = np.pad(x.astype(float), margin, boundary if mode != "valid" else "constant")
    at = np.arange(-kernel.radius[0], kernel.radius[0] + 1)
    line = np.exp(-0.5 * (at / 8) ** 2) / np.exp(-0.5 * (at / 8) ** 2).sum()
    exact = ndimage.convolve1d(ndimage.convolve1d(padded, line, 0), line, 1)
    inside = tuple(slice(k // 2, n - k // 2) for k, n in zip(kernel.shape, padded.shape, strict=True))
    plan = cl.plan(x, kernel, mode, tolerance=1e-4, **options)
    able = [c for c in plan.candidates if c.cost]
    assert {"direct", "separable", "fft", "overlap_save", "multirate"} <= {c.name for c in able}
    for candidate in able:
        name = candidate.name
        result = cl.convolve(x, kernel, mode, tolerance=1e-4, method=name, **options)
        assert abs(result - exact[inside]).max() <= candidate.cost.error * abs(x).max(), name


@pytest.mark.parametrize(
    ("shape", "sigmas"), [((40, 60, 50), (9, 7, 8)), ((60, 5, 70), (9, 0, 12)), ((3, 300), (0, 40))]
)
def test_other_axes_are_done_as_each_needs(shape, sigmas):
    x = RNG.random(shape)
    expected = ndimage.gaussian_filter(x, sigmas, truncate=8)
    np.testing.assert_allclose(cl.blur(x, sigmas, tolerance=1e-3), expected, atol=1e-3)
    np.testing.assert_allclose(cl.blur(x, sigmas, tolerance=1e-6), expected, atol=1e-6)


def test_a_kernel_on_chosen_axes_in_another_order_is_still_known():
    x = RNG.random((200, 3, 180))
    kernel = cl.kernel("gaussian", 12)
    options = {"axes": (2, 0), "boundary": "edge"}
    plan = cl.plan(x, kernel, "same", tolerance=1e-4, **options)
    assert plan.problem.structure.sigmas == (12, 0, 12)
    quick = cl.convolve(x, kernel, "same", tolerance=1e-4, method="multirate", **options)
    np.testing.assert_allclose(quick, cl.convolve(x, np.asarray(kernel), "same", **options), atol=3e-4)


def test_a_lone_line_and_a_strided_result_are_done_too():
    x, kernel = RNG.random(4000), cl.kernel("gaussian", 30)
    line = np.asarray(kernel).sum(axis=0)
    roomy = np.zeros((200, 260))
    cl.convolve(np.ones((100, 130)), kernel, **SAME, tolerance=1e-4, method="multirate", out=roomy[::2, ::-2])
    np.testing.assert_allclose(roomy[::2, ::-2], 1, atol=1e-6)
    assert not roomy[1::2].any() and not roomy[:, ::2].any()
    np.testing.assert_allclose(cl.blur(x[None], (0, 30))[0], cl.convolve(x, line, **SAME), atol=2e-4)


def test_what_leaves_samples_out_steps_as_far_as_its_ripple_allows():
    for sigma in (5.0, 20.0, 80.0):
        ratio = sigma / multirate.spacing(sigma, 1e-4)
        assert 2 * np.exp(-(np.pi**2) * ratio**2 / 2) <= 1e-4 / 5


@pytest.mark.parametrize("tolerance", [-1e-9, 1, np.nan, None, "a", False, np.zeros(2)])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_a_tolerance_that_is_none_is_refused(tolerance, kind):
    line = kind(np.ones(3))
    for call in (cl.plan, cl.convolve, cl.correlate):
        call(line, line)  # the next call could find how this one was done
        with pytest.raises(ArgumentError, match="tolerance: need a number of at least 0 and below 1, got"):
            call(line, line, tolerance=tolerance)
