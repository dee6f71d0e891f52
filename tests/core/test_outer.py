"""Outer products in the core, against NumPy's broadcasting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import restoring_threads
from tests.instruction_sets import each_instruction_set, using


@st.composite
def factors(draw):
    """Two arrays of which, on every axis, one may have a single entry; laid out in any order, backwards, with gaps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["f4", "f8", "c8", "c16", "i8"]))
    ndim = draw(st.integers(1, 4))
    shape = [draw(st.sampled_from([0, 1, 2, 5, 40])) if ndim > 1 else draw(st.integers(0, 3000)) for _ in range(ndim)]

    def one():
        size = [draw(st.sampled_from([1, n])) for n in shape]
        order = draw(st.permutations(range(ndim)))
        step = draw(st.sampled_from([1, -1, 2]))
        values = rng.integers(-99, 99, (*(size[d] for d in order), 2)).astype(dtype)
        if dtype[0] == "c":
            values = values + 1j * values[::-1]
        return values[..., 0][..., ::step].transpose(np.argsort(order))

    return one(), one()


@each_instruction_set
@settings(deadline=None, max_examples=120)
@given(factors())
def test_equals_numpy(instruction_set, pair):
    x, weights = pair
    try:
        expected = x * weights
    except ValueError:
        return
    out = np.empty_like(expected)
    with using(instruction_set):
        _core.multiply_outer(x, weights, out)
    np.testing.assert_array_equal(out, expected)


def test_large_products_are_shared_by_threads_with_the_same_bits():
    rng = np.random.default_rng(0)
    column, row = rng.normal(size=(1003, 1)), rng.normal(size=(1, 997))
    with restoring_threads():
        for threads in (1, 2, 4):
            _core.set_threads(threads)
            out = np.empty((1003, 997))
            _core.multiply_outer(column, row, out)
            np.testing.assert_array_equal(out, column * row)


@pytest.mark.parametrize(
    ("x", "weights", "out", "message"),
    [
        (np.ones((3, 1)), np.ones((1, 4)), np.ones((3, 5)), "sizes"),
        (np.ones((3, 1)), np.ones((1, 4), np.float32), np.ones((3, 4)), "dtype"),
        (np.ones(3), np.ones((1, 4)), np.ones((3, 4)), "the same of all"),
        (np.ones((2, 1)), np.ones((1, 4)), np.ones((1, 4)), "sizes"),
    ],
)
@pytest.mark.bad_input
def test_what_would_corrupt_memory_is_refused(x, weights, out, message):
    with pytest.raises(ValueError, match=message):
        _core.multiply_outer(x, weights, out)
