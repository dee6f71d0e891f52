import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convolens as cl
from convolens import strips
from convolens.errors import MemoryRefused
from convolens.shapes import BOUNDARIES, boundary_map
from convolens.strips import in_strips


def column_sums(reach, boundary):
    """Of each pixel and those within reach above and below."""

    def work(rows):
        padded = rows[boundary_map(len(rows), reach, reach, boundary)]
        if boundary == "constant":
            padded[boundary_map(len(rows), reach, reach, boundary) < 0] = 0
        return sum(padded[at : at + len(rows)] for at in range(2 * reach + 1))

    return work


@given(
    st.integers(1, 60), st.integers(0, 7), st.integers(0, 5), st.sampled_from(BOUNDARIES), st.sampled_from([8, 40, 400])
)
def test_strips_are_the_whole(height, channels, reach, boundary, size):
    image = np.random.default_rng(height).integers(0, 99, (height, 3, channels)[: 2 + bool(channels)])
    work = column_sums(reach, boundary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "STRIP_BYTES", size)
        found = in_strips(work, image, reach=reach, boundary=boundary)
    np.testing.assert_array_equal(found, work(image))


def test_arrays_beside_the_image_are_cut_like_it(monkeypatch):
    monkeypatch.setattr(strips, "STRIP_BYTES", 64)
    a, b = np.arange(40.0).reshape(20, 2), np.arange(20.0)
    np.testing.assert_array_equal(in_strips(lambda x, y: x * y[:, None], a, b), a * b[:, None])


def test_no_more_than_a_strip_and_its_margins_is_given(monkeypatch):
    monkeypatch.setattr(strips, "STRIP_BYTES", 10 * 4 * 4)
    heights = []
    in_strips(lambda rows: heights.append(len(rows)) or rows, np.zeros((1000, 4), np.float32), reach=3)
    assert max(heights) <= 10 + 2 * 3 and len(heights) == 100


def test_a_result_that_is_over_the_budget_is_refused_after_one_strip(monkeypatch):
    calls = []
    cl.memory_limit("2MB")
    try:
        monkeypatch.setattr(strips, "STRIP_BYTES", 1000)
        with pytest.raises(MemoryRefused, match=r"image of \(500000,\): need 4.01 MB of memory, got a budget of 2 MB"):
            in_strips(lambda rows: calls.append(1) or rows.astype(np.float64), np.zeros(500_000, np.uint8))
    finally:
        cl.memory_limit("auto")
    assert len(calls) == 1
