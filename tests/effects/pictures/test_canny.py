import numpy as np
import pytest
from scipy import ndimage
from skimage import data, feature

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, ShapeError

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 3.3])
@pytest.mark.parametrize("name", ["camera", "coins", "page"])
def test_every_pixel_is_scikit_images(name, sigma):
    image = getattr(data, name)()
    exact = feature.canny(image / 255, sigma, mode="reflect")
    np.testing.assert_array_equal(cl.canny(image / 255, sigma), exact)
    assert np.mean(cl.canny(image, sigma) != exact) < 1e-4  # in float32 two neighbours may come out equal
    other = {"low": 0.05, "high": 0.4}
    expected = feature.canny(image / 255, sigma, low_threshold=0.05, high_threshold=0.4, mode="reflect")
    np.testing.assert_array_equal(cl.canny(image / 255, sigma, **other), expected)


def test_quantiles_and_a_mask_are_scikit_images():
    image = data.camera()[100:300, 150:400] / 255
    mask = np.hypot(*(np.mgrid[:200, :250] - np.array([100, 125])[:, None, None])) < 90
    for options in ({"use_quantiles": True, "low_threshold": 0.6, "high_threshold": 0.9}, {"mask": mask}):
        ours = {"use_quantiles": "quantiles", "low_threshold": "low", "high_threshold": "high"}
        found = cl.canny(image, 1.5, **{ours.get(name, name): value for name, value in options.items()})
        expected = feature.canny(image, 1.5, mode="reflect", **options)
        assert expected.any()
        assert np.mean(found != expected) < 2e-4
    assert torch.equal(cl.canny(torch.tensor(image), mask=torch.tensor(mask)), torch.tensor(cl.canny(image, mask=mask)))


@pytest.mark.bad_input
def test_a_mask_of_another_kind_or_size_is_refused():
    with pytest.raises(ShapeError, match=r"^mask: need the picture's size \(5, 5\), got \(4, 5\)"):
        cl.canny(np.zeros((5, 5)), mask=np.ones((4, 5), bool))
    with pytest.raises(DtypeError, match=r"^mask: need truth values, got float64"):
        cl.canny(np.zeros((5, 5)), mask=np.ones((5, 5)))
    with pytest.raises(ArgumentError, match=r"^high: need a fraction from 0 to 1, got 2"):
        cl.canny(np.zeros((5, 5)), high=2, quantiles=True)


def test_a_disk_has_one_closed_line_round_it():
    y, x = np.mgrid[:101, :101] - 50
    found = cl.canny((np.hypot(y, x) < 30).astype(float), 2.0)
    radius = np.hypot(*(np.argwhere(found) - 50).T)
    assert np.abs(radius - 30).max() < 1.5
    angles = np.sort(np.arctan2(*(np.argwhere(found) - 50).T))
    assert np.diff(angles).max() < 0.06


def test_a_weak_line_counts_only_where_it_leads_to_a_strong_one():
    ramp = np.linspace(0.1, 1, 60)[:, None] * (np.arange(40) >= 20)
    alone = np.zeros((60, 40))
    alone[:, 20:] = 0.1
    assert cl.canny(ramp, 1.0, low=0.1, high=1.0)[5:55, 18:22].any(axis=1).all()
    assert not cl.canny(alone, 1.0, low=0.1, high=1.0).any()
    for plain in (0.0, 0.3, 0.7):
        assert not cl.canny(np.full((20, 20), plain), low=0.0, high=0.0).any()
        assert not cl.canny(np.full((20, 20), plain, np.float32), low=0.0, high=0.0).any()


def test_colors_count_by_their_brightness_and_opacity_not_at_all():
    colors = np.random.default_rng(0).random((30, 30, 3))
    gray = colors @ [0.2126, 0.7152, 0.0722]
    np.testing.assert_array_equal(cl.canny(colors), cl.canny(gray))
    np.testing.assert_array_equal(cl.canny(np.dstack([colors, np.eye(30)])), cl.canny(gray))


def test_a_tensor_gives_a_tensor():
    image = np.random.default_rng(0).random((30, 30))
    found = cl.canny(torch.tensor(image))
    assert found.dtype == torch.bool
    np.testing.assert_array_equal(found, cl.canny(image))
    for dtype in (torch.float16, torch.bfloat16):
        half = torch.tensor(image).to(dtype).requires_grad_()
        np.testing.assert_array_equal(cl.canny(half), cl.canny(half.float()))
    with pytest.raises(DtypeError, match="need a dense tensor"):
        cl.canny(torch.tensor(image).to_sparse())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (np.zeros((3, 3)), {"low": 0.3}, ArgumentError, "low: need a threshold from 0 to high's 0.2, got 0.3"),
        (np.zeros((3, 3)), {"low": np.nan}, ArgumentError, "low: need a threshold from 0 to high's 0.2, got nan"),
        (np.zeros((3, 3)), {"sigma": -1}, ArgumentError, "sigma: need finite widths of at least 0, got -1"),
        (np.zeros((0, 3)), {}, ShapeError, "image: need .* not empty, got"),
        (np.zeros((3, 3, 2)), {}, ShapeError, "image: need 1, 3 or 4 channels, got 2"),
        (np.zeros((3, 3), complex), {}, DtypeError, "image: need real numbers, got complex128"),
    ],
)
def test_what_has_no_edges_is_refused(image, options, error, message):
    with pytest.raises(error, match=message):
        cl.canny(image, **options)


def figures():
    """Ideal edges: steps both ways and on the diagonal, squares, a line, a dot, a disk, a chessboard."""
    for side in (9, 16, 33):
        down, across = np.mgrid[:side, :side]
        middle, quarter = side // 2, side // 4
        inside = (down >= quarter) & (down < 3 * quarter) & (across >= quarter) & (across < 3 * quarter)
        disk = (down - side / 2 + 0.5) ** 2 + (across - side / 2 + 0.5) ** 2 < (side / 3) ** 2
        for figure in (across >= middle, down >= middle - 1, down + across > side, down > across, inside, ~inside, disk,
                       0.7 * inside, 0.05 * (across >= middle), down == middle, (down == middle) & (across == middle),
                       (down // 4 + across // 4) % 2):  # fmt: skip
            yield figure.astype(float)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.4, 2.0, 3.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.uint16])
def test_on_ideal_edges_ties_are_kept_whatever_rounding_and_however_the_picture_is_turned(sigma, dtype):
    for figure in figures():
        white = 1 if dtype in (np.float64, np.float32) else np.iinfo(dtype).max
        pixels = np.round(figure * white).astype(dtype) if white > 1 else figure.astype(dtype)
        found = cl.canny(pixels, sigma)
        theirs = feature.canny(pixels / np.float64(white), sigma, low_threshold=0.1, high_threshold=0.2, mode="reflect")
        assert not (theirs & ~found).any()
        assert not (found & ~ndimage.binary_dilation(theirs)).any()
        for turn in (np.fliplr, np.flipud, np.rot90, np.transpose):
            np.testing.assert_array_equal(cl.canny(np.ascontiguousarray(turn(pixels)), sigma), turn(found))


def test_a_step_is_two_pixels_wide_and_a_threshold_that_it_just_reaches_counts():
    step = np.repeat([[0.0] * 8 + [0.5] * 8], 7, axis=0)
    for pixels in (step, step.T, 1 - step):
        assert cl.canny(np.ascontiguousarray(pixels), 1).sum() == 2 * 5
    just = float(np.hypot(*cl.sobel_gradients(cl.blur(step, 1, truncate=4))).max())
    assert cl.canny(step, 1, low=just, high=just).sum() == 10


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint32, np.int16, np.int8])
def test_white_is_not_guessed_from_a_wide_type(dtype):
    step = np.repeat([[0] * 8 + [100] * 8], 7, axis=0)
    with pytest.raises(DtypeError, match=r"image: need uint8, uint16 or floats in \[0, 1\], got .*int.*; convert"):
        cl.canny(step.astype(dtype))
