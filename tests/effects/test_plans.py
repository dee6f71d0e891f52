"""Every effect that is linear is a convolution, which `cl.plan` explains, and which every algorithm gives."""

import numpy as np
import pytest

import convolens as cl
from convolens.errors import MethodError

RNG = np.random.default_rng(0)
SOUND = RNG.standard_normal(3000)
PHOTO = RNG.random((60, 70))
ROOM = RNG.standard_normal(400)
BORDER = {"mode": "same", "boundary": "symmetric"}
ECHO = {"rate": 1000, "delays": [0.1, 0.25], "weights": [0.5, -0.25]}


def difference(narrow, wide):
    """Two Gaussians in one kernel of the wider one's size."""
    kernel, radius = -np.asarray(cl.kernel("gaussian", wide)), cl.kernel("gaussian", wide).radius[0]
    inner = cl.kernel("gaussian", narrow)
    middle = slice(radius - inner.radius[0], radius + inner.radius[0] + 1)
    kernel[middle, middle] += inner
    return kernel


EFFECTS = {
    "echo": (lambda: cl.echo(SOUND, **ECHO), SOUND, cl.echo_kernel(**ECHO), {}),
    "reverb": (lambda: cl.reverb(SOUND, ROOM, dry=0, wet=1), SOUND, ROOM, {}),
    "blur": (lambda: cl.blur(PHOTO, 5), PHOTO, cl.kernel("gaussian", 5), BORDER),
    "sobel-x": (lambda: cl.sobel_gradients(PHOTO)[0], PHOTO, cl.kernel("sobel-x"), BORDER),
    "sobel-y": (lambda: cl.sobel_gradients(PHOTO)[1], PHOTO, cl.kernel("sobel-y"), BORDER),
    "laplacian": (lambda: cl.laplacian_of_gaussian(PHOTO, 2), PHOTO, cl.kernel("log", 2), BORDER),
    "difference": (lambda: cl.difference_of_gaussians(PHOTO, 2, 3), PHOTO, difference(2, 3), BORDER),
    "sharpen": (
        lambda: 2 * PHOTO - cl.sharpen(PHOTO, 2),
        PHOTO,
        cl.kernel("gaussian", 2),
        BORDER,
    ),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_the_convolution_that_its_plan_explains_by_whichever_algorithm(name):
    effect, x, kernel, options = EFFECTS[name]
    expected, ran = effect(), 0
    for candidate in cl.plan(x, kernel, **options).candidates:
        method = candidate.name
        try:
            plan = cl.plan(x, kernel, **options, method=method)
        except MethodError:
            assert candidate.refusal, method
            continue
        result = cl.convolve(x, kernel, **options, method=method)
        allowed = plan.cost.error * abs(x).max() * abs(np.asarray(kernel)).sum()
        truncated = 2e-4 if name in ("blur", "difference", "sharpen") else 0  # their own tolerance, of each Gaussian
        np.testing.assert_allclose(result, expected, atol=allowed + 2 * truncated + 1e-12, rtol=0, err_msg=method)
        ran += 1
    assert ran >= 3


@pytest.mark.parametrize("seconds", [0.03, 2.0])
def test_every_way_to_echo_keeps_its_bound(seconds):
    rate, delays, weights = 8000, [seconds / 3, seconds], [0.5, -0.25]
    sound, kernel = RNG.standard_normal(20_000), cl.echo_kernel(rate, delays, weights)
    expected = np.zeros(len(sound) + round(seconds * rate))
    for at, weight in zip([0, *(round(delay * rate) for delay in delays)], [1, *weights], strict=True):
        expected[at : at + len(sound)] += weight * sound
    able = [c for c in cl.plan(sound, kernel).candidates if c.cost]
    assert {"direct", "sparse", "fft", "overlap_save"} <= {c.name for c in able}
    for candidate in able:
        result = cl.convolve(sound, kernel, method=candidate.name)
        bound = candidate.cost.error * abs(sound).max() * 1.75
        assert abs(result - expected).max() <= bound, candidate.name
    assert cl.plan(sound, kernel).method == "sparse"


def test_a_kernel_by_name_is_looked_at_however_small_the_problem():
    click, kernel = np.zeros(100, np.float32), cl.echo_kernel(1000, [0.05, 0.2], [0.5, -0.25]).astype(np.float32)
    known, unknown = (cl.plan(click, weights).problem.structure.nonzeros for weights in (kernel, np.asarray(kernel)))
    assert (known, unknown) == (3, 201)


def test_the_magnitude_of_a_gradient_is_no_convolution_but_of_two():
    gx, gy = (cl.convolve(PHOTO, cl.kernel(f"scharr-{axis}"), **BORDER) for axis in "xy")
    np.testing.assert_allclose(cl.scharr(PHOTO), np.hypot(gx, gy), atol=1e-12)
    gx, gy = (cl.convolve(PHOTO, cl.kernel(f"prewitt-{axis}"), **BORDER) for axis in "xy")
    np.testing.assert_allclose(cl.prewitt(PHOTO), np.hypot(gx, gy), atol=1e-12)
