"""Arrays that show themselves: as they were made, and nothing that was made of them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convolens.errors import ArgumentError
from convolens.media.images import read_image
from convolens.media.shown_arrays import shown_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (600, 500, 3), np.uint8)


def test_a_shown_picture_is_its_pixels_with_words_below(tmp_path):
    shown = shown_picture(PIXELS.copy(), "noise")
    assert_array_equal(shown.drawn(), PIXELS)
    assert "<figcaption>noise</figcaption>" in shown._repr_html_()
    assert_array_equal(read_image(shown.save(tmp_path / "noise.png")), PIXELS)
    assert shown.plot().get_title() == "noise"
    assert repr(shown) == repr(PIXELS) and str(shown) == str(PIXELS)


def test_transparency_is_drawn_over_white():
    clear = shown_picture(np.zeros((600, 500, 4), np.uint8), "nothing")
    assert (clear.drawn() == 255).all()


@pytest.mark.parametrize(
    "made",
    [lambda one: one[10:], lambda one: one.copy(), lambda one: one.T, lambda one: pickle.loads(pickle.dumps(one))],
)
def test_what_is_made_of_it_shows_its_numbers(made):
    part = made(shown_picture(PIXELS.copy(), "noise"))
    assert part._repr_html_() is None and part._repr_png_() is None
    with pytest.raises(ArgumentError, match=r"drawn: need the ShownPicture as it was made, got a part or a copy of it"):
        part.drawn()


def test_arithmetic_gives_an_array_like_any_other():
    shown = shown_picture(PIXELS.copy(), "noise")
    assert type(shown + 1) is type(np.minimum(shown, 7)) is np.ndarray
    assert type(shown.max()) is np.uint8
