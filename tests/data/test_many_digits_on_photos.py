import numpy as np
import pytest

from convolens.data import read_data
from examples import many_digits_on_photos as digits

SIDE = 128


@pytest.fixture(scope="module")
def pairs():
    """The background of each of some pictures, and it with its digits."""
    return [digits.with_digits("train", SIDE, np.random.default_rng(seed)) for seed in range(30)]


def test_there_are_one_to_eight_digits_of_all_the_sizes(pairs):
    counts = [len(picture.digits) for _, picture in pairs]
    assert min(counts) == 1
    assert max(counts) == 8
    longest = [max(x2 - x1, y2 - y1) for _, picture in pairs for _, (x1, y1, x2, y2) in picture.digits]
    assert 0.12 * SIDE - 1.5 <= min(longest) < 0.16 * SIDE
    assert 0.45 * SIDE < max(longest) <= 0.6 * SIDE + 1.5


def test_every_changed_pixel_is_in_a_box_and_every_box_touches_changed_pixels_on_its_sides(pairs):
    for background, picture in pairs:
        changed = (picture.pixels != background).any(axis=2)
        inside = np.zeros_like(changed)
        for _, (x1, y1, x2, y2) in picture.digits:
            inside[y1:y2, x1:x2] = True
            box = changed[y1:y2, x1:x2]
            assert box[0].any() and box[-1].any() and box[:, 0].any() and box[:, -1].any()
        assert not (changed & ~inside).any()


def test_boxes_overlap_but_no_more_than_four_tenths_of_a_digits_strokes_is_covered(monkeypatch):
    masks = []
    add = digits._Drawn.add

    def noted(drawn, digit, cover):
        add(drawn, digit, cover)
        masks.append((drawn, digit.box, drawn.strokes[-1]))

    monkeypatch.setattr(digits._Drawn, "add", noted)
    list(digits.pictures("train", 25, side=SIDE))
    covered = []
    for number, (drawn, _, strokes) in enumerate(masks):
        above = np.zeros_like(strokes)
        for later, (x1, y1, x2, y2), _ in masks[number + 1 :]:
            if later is drawn:
                above[y1:y2, x1:x2] = True
        covered.append((strokes & above).sum() / strokes.sum())
    assert max(covered) <= 0.4
    assert np.mean(np.array(covered) > 0) > 0.04


def test_a_tenth_is_without_a_digit_and_a_picture_depends_on_nothing_but_its_number():
    some = list(digits.pictures("test", 100, side=64))
    assert 4 <= sum(not picture.digits for picture in some) <= 18
    again = list(digits.pictures("test", 3, side=64))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(some, again, strict=False))


def test_the_test_set_has_the_backgrounds_and_digits_that_are_not_trained_on():
    assert digits.PARTS == {"train": "train", "test": "val"}


def test_coco_and_voc_say_the_same(tmp_path):
    read = {}
    for form in digits.FORMATS:
        digits.write_many_digits(tmp_path / form, train=6, test=3, side=64, form=form)
        read[form] = read_data(tmp_path / form)
    made = list(digits.pictures("train", 6, side=64))
    for form, data in read.items():
        assert data.splits == ("train", "test")
        for example, picture in zip(data.split("train").examples, made, strict=True):
            found = [(data.class_names[box.label], box.xyxy) for box in example.boxes]
            assert found == [(str(digit.meaning), digit.box) for digit in picture.digits], form
