import numpy as np
import pytest

import convolens as cl
from convolens.effects.kernels import KERNELS, SIZED, named_or_read
from convolens.errors import ArgumentError


def test_derivatives_are_positive_where_brightness_grows():
    ramp = np.tile(np.arange(9.0), (9, 1))
    for word in ("sobel", "scharr", "prewitt"):
        for axis, image in (("x", ramp), ("y", ramp.T)):
            slope = cl.convolve(image, cl.kernel(f"{word}-{axis}"), "valid")
            assert (slope > 0).all() and np.ptp(slope) == 0
            assert not cl.convolve(image.T, cl.kernel(f"{word}-{axis}"), "valid").any()
    gx, _ = cl.sobel_gradients(ramp)
    np.testing.assert_array_equal(cl.convolve(ramp, cl.kernel("sobel-x"), "valid"), gx[1:-1, 1:-1])


def test_means_have_sum_one_and_derivatives_zero():
    sums = {name: cl.kernel(name).sum() for name in KERNELS} | {name: cl.kernel(name, 5).sum() for name in SIZED}
    for name, total in sums.items():
        flat = name.split("-")[0] in ("sobel", "scharr", "prewitt", "laplace", "log")
        assert total == pytest.approx(0 if flat else 1, abs=1e-12), name


def test_sizes_are_what_the_number_says():
    assert cl.kernel("box", 4).shape == (4, 4)
    assert cl.kernel("motion", 7).shape == (1, 7)
    disk = cl.kernel("disk", 6.5)
    y, x = np.mgrid[-7:8, -7:8]
    assert disk.shape == (15, 15) and disk.max() == pytest.approx(1 / (np.pi * 6.5**2), rel=0.01)
    assert not disk[np.hypot(y, x) > 7.3].any()
    gaussian = cl.kernel("gaussian", 2.5)
    half = len(gaussian) // 2
    assert gaussian[half, half + 2] / gaussian[half, half] == pytest.approx(np.exp(-0.5 * (2 / 2.5) ** 2))
    image = np.random.default_rng(0).random((40, 40))
    blurred = cl.convolve(image, gaussian, "same", boundary="symmetric")
    np.testing.assert_allclose(blurred, cl.blur(image, 2.5), atol=2e-4)


def test_a_kernel_cannot_be_changed_but_a_copy_can():
    with pytest.raises(ValueError, match="read-only"):
        cl.kernel("laplace")[:] = 0
    mine = cl.kernel("laplace").copy()
    mine[1, 1] = 0
    assert cl.kernel("laplace")[1, 1] == -4


def test_a_kernel_by_name_is_an_array_that_knows_what_it_is():
    kernel = cl.kernel("gaussian", 2.5)
    assert (kernel.name, kernel.number, kernel.sigma, kernel.nonzeros) == ("gaussian", 2.5, 2.5, kernel.size)
    assert kernel.radius == (kernel.shape[0] // 2,) * 2
    assert repr(kernel) == f"<kernel 'gaussian', 2.5: {len(kernel)} × {len(kernel)}, {kernel.size} not zero>"
    assert type(np.asarray(kernel)) is type(kernel * kernel) is np.ndarray
    assert isinstance(kernel.sum(), float) and isinstance(kernel.max(), float) and isinstance(kernel.mean(), float)
    line = np.exp(-0.5 * (np.arange(-kernel.radius[0], kernel.radius[0] + 1) / 2.5) ** 2)
    np.testing.assert_allclose(kernel, np.multiply.outer(line, line) / line.sum() ** 2, atol=1e-16)
    assert (cl.kernel("sobel-x").name, cl.kernel("sobel-x").sigma, cl.kernel("sobel-x").nonzeros) == (
        "sobel-x",
        None,
        6,
    )


@pytest.mark.parametrize(
    "made", [lambda k: k[1:], lambda k: 2 * k, lambda k: k.copy(), lambda k: k.T, lambda k: k.astype(np.int64)]
)
def test_what_is_made_of_a_kernel_is_an_array_of_which_nothing_is_known(made):
    result = made(cl.kernel("gaussian", 2.5))
    assert getattr(result, "name", None) is None and getattr(result, "product", None) is None
    assert repr(result) == repr(np.asarray(result))


def test_a_kernel_in_another_precision_is_still_a_gaussian_with_sum_one():
    single = cl.kernel("gaussian", 9).astype(np.float32)
    assert single.dtype == np.float32 and single.sigma == 9
    np.testing.assert_allclose(single, cl.kernel("gaussian", 9), rtol=1e-6)
    assert all(line.sum(dtype=float) == pytest.approx(1, abs=1e-8) for line in single.product.lines)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("blurry",), "kernel: need one of sobel-x, .* disk, lowpass, .* got 'blurry'"),
        (("sobelx",), r"got 'sobelx'; did you mean 'sobel-x'\?"),
        (("gaussian:2.5",), r"got 'gaussian:2.5'; did you mean 'gaussian'\?"),
        (("box",), "kernel box: need a size in pixels from 0.01 to 500, got None"),
        (("sobel-x", 3), "kernel sobel-x: has one size only, got 3"),
        (("box", 2.5), "kernel box: need a size in whole pixels, got 2.5"),
        (("box", 0), "kernel box: need a size in pixels from 0.01 to 500, got 0"),
        (("disk", float("nan")), "kernel disk: need a size in pixels from 0.01"),
        (("gaussian", 1e9), "kernel gaussian: need a size in pixels from 0.01"),
    ],
)
def test_an_unknown_name_or_size_is_refused(asked, message):
    with pytest.raises(ArgumentError, match=message):
        cl.kernel(*asked)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("box", "kernel box: need its size in pixels after a colon, as in box:5"),
        ("motion:far", "kernel motion:far: need a number after the colon, got 'far'"),
        ("box:2.5", "kernel box: need a size in whole pixels, got 2.5"),
    ],
)
def test_a_word_of_the_command_line_says_what_it_lacks(word, message):
    with pytest.raises(ArgumentError, match=message):
        named_or_read(word)


def test_a_word_of_the_command_line_has_its_size_after_a_colon():
    np.testing.assert_array_equal(named_or_read("disk:6.5"), cl.kernel("disk", 6.5))
    np.testing.assert_array_equal(named_or_read("emboss"), cl.kernel("emboss"))


@pytest.mark.parametrize(("angle", "turned"), [(0, 0), (90, 1), (180, 0), (270, 1)])
def test_a_motion_has_a_direction(angle, turned):
    line = np.asarray(cl.kernel("motion", 5, angle=angle))
    np.testing.assert_allclose(np.rot90(line, turned), np.full((1, 5), 0.2), atol=1e-12)


@pytest.mark.parametrize("length", [4.0, 7.3, 12.0])
@pytest.mark.parametrize("angle", [10, 30, 135])
def test_a_motion_spreads_as_a_line_does(length, angle):
    line = np.asarray(cl.kernel("motion", length, angle=angle))
    down, across = (np.arange(side) - side // 2 for side in line.shape)
    turned = np.deg2rad(angle)
    assert line.sum() == pytest.approx(1)
    assert (line @ across).sum() == pytest.approx(0, abs=1e-12)
    covariance = down @ line @ across
    assert covariance == pytest.approx(-np.sin(turned) * np.cos(turned) * length**2 / 12, abs=0.3)
    spread = (line.sum(0) @ across**2) + (line.sum(1) @ down**2)
    assert spread == pytest.approx(length**2 / 12 + 2 / 12, abs=0.3)  # a line's, and that of the pixels


def test_only_a_motion_has_a_direction():
    with pytest.raises(ArgumentError, match=r"^angle: need none for disk, which has no direction, got 30$"):
        cl.kernel("disk", 3, angle=30)
