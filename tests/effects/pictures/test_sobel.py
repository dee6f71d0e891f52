import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import convolens as cl
from convolens.errors import BoundaryError, DtypeError, ShapeError
from convolens.shapes import BOUNDARIES
from tests.instruction_sets import EACH, using

torch = pytest.importorskip("torch")

RIGHT = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)


def by_definition(image, boundary):
    """Both gradients from Sobel's kernels, one pixel and one weight at a time, in float64."""
    spatial = [(1, 1), (1, 1)] + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image.astype(float), spatial, mode=boundary)
    height, width = image.shape[:2]
    gx, gy = np.zeros((2, *image.shape))
    for i in range(3):
        for j in range(3):
            window = padded[i : i + height, j : j + width]
            gx += RIGHT[i, j] * window
            gy += RIGHT[j, i] * window
    return gx, gy


@st.composite
def images(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=90))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]))
    return np.random.default_rng(draw(st.integers(0, 999))).integers(0, 256, shape).astype(dtype)


@pytest.fixture(params=EACH)
def _instruction_set(request):
    with using(request.param):
        yield request.param


@given(image=images(), boundary=st.sampled_from(BOUNDARIES))
def test_sobel_is_its_definition(image, boundary):
    gx, gy = by_definition(image, boundary)
    np.testing.assert_allclose(cl.sobel(image, boundary=boundary), np.hypot(gx, gy), rtol=1e-6, atol=1e-4)
    for got, expected in zip(cl.sobel_gradients(image, boundary=boundary), (gx, gy), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.usefixtures("_instruction_set")
@pytest.mark.parametrize("shape", [(1, 1), (40, 33), (70, 2100), (3, 5000), (37, 700, 3), (1200, 2000)])
def test_every_instruction_set_gives_the_definition_across_strips_and_streams(shape):
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    gx, gy = by_definition(image, "symmetric")
    np.testing.assert_allclose(cl.sobel(image), np.hypot(gx, gy), rtol=0, atol=1e-6)


def test_gx_is_positive_where_brightness_grows_to_the_right_and_gy_downwards():
    ramp = np.arange(5.0)
    gx, gy = cl.sobel_gradients(np.tile(ramp, (5, 1)))
    assert gx[2, 2] == 8
    assert not gy.any()
    gx, gy = cl.sobel_gradients(np.tile(ramp[:, None], (1, 5)))
    assert gy[2, 2] == 8
    assert not gx.any()


@pytest.mark.usefixtures("_instruction_set")
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (40, 33, 3), (300, 700)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int32])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_a_plain_has_no_gradient_at_all(shape, dtype, kind):
    for value in (0.1, 1 / 3, 0.7, 123.456):  # 3 · value is rounded, so that sums of products leave a residue
        plain = np.full(shape, value).astype(dtype)
        for boundary in BOUNDARIES:
            for gradient in cl.sobel_gradients(kind(plain), boundary=boundary):
                inner = gradient[1:-1, 1:-1] if boundary == "constant" else gradient  # zeros begin at its border
                assert not inner.any(), (value, boundary)


@pytest.mark.parametrize("shape", [(9, 8), (150, 160), (150, 160, 3)])  # the planner sweeps over large ones otherwise
def test_a_tensors_gradients_are_the_arrays(shape):
    image = np.random.default_rng(3).random(shape)
    for got, expected in zip(cl.sobel_gradients(torch.tensor(image)), cl.sobel_gradients(image), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-13)


def test_an_edge_in_uint8_does_not_wrap():
    image = np.zeros((4, 6), np.uint8)
    image[:, 3:] = 255
    edges = cl.sobel(image)
    assert edges.dtype == np.float32
    np.testing.assert_array_equal(edges[1], [0, 0, 1020, 1020, 0, 0])


def test_a_nan_contaminates_only_the_windows_that_hold_it():
    image = np.zeros((9, 80), np.float32)
    image[4, 40] = np.nan
    contaminated = np.isnan(cl.sobel(image))
    ring = np.zeros_like(contaminated)
    ring[3:6, 39:42] = True
    ring[4, 40] = False  # both kernels weigh the centre with nothing at all
    np.testing.assert_array_equal(contaminated, ring)


def test_views_need_no_copy_by_the_caller():
    image = np.random.default_rng(2).random((30, 40, 3))
    for view in (image[::-1], image[:, ::-1], image[5:20, 3:30], image[..., 0], image.transpose(1, 0, 2)):
        np.testing.assert_array_equal(cl.sobel(view), cl.sobel(view.copy()))


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(5,), (0, 5), (5, 0, 3), (2, 3, 4, 5)])
def test_what_is_not_a_picture_is_refused(shape):
    with pytest.raises(ShapeError, match=r"image: need \(height, width\) or \(height, width, channels\), not empty"):
        cl.sobel(np.zeros(shape))


@pytest.mark.bad_input
def test_complex_and_text_are_refused():
    with pytest.raises(DtypeError, match="image: need real numbers, got complex128"):
        cl.sobel(np.zeros((3, 3), complex))
    with pytest.raises(DtypeError, match="image: need numbers, got dtype <U1"):
        cl.sobel(np.full((3, 3), "a"))


@pytest.mark.bad_input
def test_another_librarys_boundary_word_is_refused():
    with pytest.raises(BoundaryError, match="'mirror' is 'reflect'"):
        cl.sobel(np.zeros((3, 3)), boundary="mirror")


SMOOTHINGS = {cl.scharr: (3.0, 10.0, 3.0), cl.prewitt: (1.0, 1.0, 1.0)}


@pytest.mark.usefixtures("_instruction_set")
@pytest.mark.parametrize("method", SMOOTHINGS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_scharr_and_prewitt_are_their_definitions(method, dtype):
    image = np.random.default_rng(0).integers(0, 256, (40, 53)).astype(dtype)
    weights = np.outer(SMOOTHINGS[method], [-1, 0, 1])
    gx, gy = (ndimage.correlate(image.astype(float), kernel, mode="reflect") for kernel in (weights, weights.T))
    np.testing.assert_allclose(method(image), np.hypot(gx, gy), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(("method", "height"), [(cl.sobel, 4), (cl.scharr, 16), (cl.prewitt, 3)])
def test_a_step_of_one_has_the_height_that_is_promised_in_both_directions(method, height):
    step = np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, axis=0)
    np.testing.assert_array_equal(method(step), np.repeat([[0, height, height, 0]], 4, axis=0))
    np.testing.assert_array_equal(method(step.T), method(step).T)


def test_scharr_is_more_alike_in_all_directions_than_sobel():
    y, x = np.mgrid[-40:41, -40:41].astype(float)
    unevenness = {}
    for method in (cl.sobel, cl.scharr):
        waves = [
            method(np.sin((x * np.cos(a) + y * np.sin(a)) * 0.8))[20:61, 20:61].max() for a in np.linspace(0, 0.785, 7)
        ]
        unevenness[method] = np.ptp(waves) / np.mean(waves)
    assert unevenness[cl.scharr] < unevenness[cl.sobel] / 3


@pytest.mark.parametrize("method", [cl.scharr, cl.prewitt])
def test_a_tensor_gives_the_same_with_gradients(method):
    image = np.random.default_rng(0).random((6, 7))
    tensor = torch.tensor(image, requires_grad=True)
    np.testing.assert_allclose(method(tensor).detach(), method(image), atol=1e-12)
    assert torch.autograd.gradcheck(method, tensor)
