import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convolens.errors import ArgumentError, BoundaryError
from convolens.shapes import BOUNDARIES, boundary_map, check_boundary, check_mode


@given(
    size=st.integers(1, 7),
    before=st.integers(0, 20),
    after=st.integers(0, 20),
    boundary=st.sampled_from(BOUNDARIES),
)
def test_the_map_gathers_what_numpy_pad_gives(size, before, after, boundary):
    samples = np.arange(1, size + 1)
    at = boundary_map(size, before, after, boundary)
    gathered = np.where(at < 0, 0, samples[at])
    np.testing.assert_array_equal(gathered, np.pad(samples, (before, after), mode=boundary))


def test_an_empty_axis_can_only_be_continued_by_a_constant():
    np.testing.assert_array_equal(boundary_map(0, 1, 2, "constant"), [-1, -1, -1])
    with pytest.raises(BoundaryError, match="'edge': need at least one sample to continue from, got none"):
        boundary_map(0, 1, 1, "edge")


def test_the_shared_map_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        boundary_map(3, 1, 1, "edge")[0] = 2


@pytest.mark.parametrize(
    ("word", "hint"), [("mirror", "'mirror' is 'reflect'"), ("nearest", "'edge'"), ("replicate", "'edge'")]
)
def test_another_librarys_boundary_is_refused_with_the_numpy_name(word, hint):
    with pytest.raises(BoundaryError, match=f"got '{word}'; .*{hint} in numpy's words"):
        check_boundary(word)


def test_an_unknown_mode_is_refused_with_the_known_ones():
    with pytest.raises(ArgumentError, match="mode: need one of full, same, valid, got 'circular'"):
        check_mode("circular")
