"""The pictures that the tour paints, to be styles."""

import numpy as np
import pytest

from convolens.tour.painted import _nearest, _places, brush_strokes, stained_glass


@pytest.mark.parametrize("paint", [brush_strokes, stained_glass])
def test_a_painting_is_that_of_its_seed(paint):
    first = paint(32, seed=1)
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, paint(32, seed=1))
    assert np.abs(first.astype(int) - paint(32, seed=2)).mean() > 20


def test_strokes_are_yellow_about_the_swirls_and_blue_between_them():
    painted = brush_strokes(96).astype(int)
    swirl, between = painted[24:34, 22:32].mean(axis=(0, 1)), painted[45:55, 4:14].mean(axis=(0, 1))
    assert swirl[0] > swirl[2] + 60
    assert between[2] > between[0] + 60


def test_lead_runs_halfway_between_two_middles_and_panes_are_those_of_the_nearest():
    places, middles = _places(20), np.array([[0.25, 0.5], [0.75, 0.5]])
    which, edge = _nearest(places, middles)
    assert np.allclose(edge, np.abs(places[..., 0] - 0.5))
    many = np.random.default_rng(0).random((12, 2))
    away = np.linalg.norm(places[:, :, None] - many, axis=-1)
    which, _ = _nearest(places, many)
    assert np.array_equal(which, away.argmin(axis=-1))
