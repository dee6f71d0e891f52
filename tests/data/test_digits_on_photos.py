import numpy as np
import pytest

from convolens.data import load, read_data, split
from examples import digits_on_photos as digits

SIDE = 128


@pytest.fixture(scope="module")
def pairs():
    """The background of each of some pictures, and it with its digit."""
    return [digits.with_digit("train", SIDE, np.random.default_rng(seed)) for seed in range(40)]


def test_every_changed_pixel_is_in_the_box_and_the_strokes_fill_it(pairs):
    for background, picture in pairs:
        x1, y1, x2, y2 = picture.box
        changed = (picture.pixels != background).any(axis=2)
        inside = np.zeros_like(changed)
        inside[y1:y2, x1:x2] = True
        assert not (changed & ~inside).any()
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == picture.box
        assert 0.2 * SIDE - 2 <= max(x2 - x1, y2 - y1) <= 0.6 * SIDE + 2


def test_a_strokes_color_stands_out_from_each_pixel_behind_it(pairs):
    for background, picture in pairs:
        before, after = (pixels @ np.array([0.299, 0.587, 0.114]) / 255 for pixels in (background, picture.pixels))
        # The colour is that of the pixels which it covers whole: the most common one among those that changed.
        changed = picture.pixels[(picture.pixels != background).any(axis=2)]
        colors, counts = np.unique(changed, axis=0, return_counts=True)
        full = (picture.pixels == colors[counts.argmax()]).all(axis=2)
        assert full.sum() >= 3
        assert np.abs(after - before)[full].min() >= 0.3 - 1 / 255


def test_a_fifth_is_without_a_digit_and_a_picture_depends_on_nothing_but_its_number():
    some = list(digits.pictures("val", 100, side=32))
    assert 12 <= sum(picture.digit is None for picture in some) <= 28
    again = list(digits.pictures("val", 3, side=32))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(some, again, strict=False))


def test_training_and_validation_share_no_photo():
    assert not set(digits.PHOTOS["train"]) & set(digits.PHOTOS["val"])


def test_what_is_written_can_be_read_with_its_parts(tmp_path):
    digits.write_digits(tmp_path, train=8, val=4, side=64)
    data = read_data(tmp_path)
    assert data.class_names == tuple("0123456789")
    assert [len(part) for part in split(data)] == [8, 4]
    made = list(digits.pictures("train", 8, side=64))
    for example, picture in zip(data.split("train").examples, made, strict=True):
        assert [box.xyxy for box in example.boxes] == ([picture.box] if picture.box else [])
        assert np.abs(load(example).pixels.astype(int) - picture.pixels).mean() < 6
