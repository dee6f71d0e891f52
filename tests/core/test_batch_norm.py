"""Batch norm by the batch's own statistics, and its gradient, on plain arrays, against the definition in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import restoring_threads
from tests.core.test_layers import address, numbers
from tests.instruction_sets import each_instruction_set, using

EPSILON = 1e-5
SIZES = st.tuples(st.integers(1, 60), st.integers(1, 70))


def normed(x, weight, bias, residual, *, relu):
    """y, mean and variance in float64."""
    x = x.astype(float)
    mean, variance = x.mean(0), x.var(0)
    y = (x - mean) / np.sqrt(variance + EPSILON)
    y = y * (1 if weight is None else weight) + (0 if bias is None else bias)
    y = y + (0 if residual is None else residual)
    return (np.maximum(y, 0) if relu else y), mean, variance


def run(x, weight, bias, residual, *, relu):
    places, channels = x.shape
    y, mean, variance = np.empty_like(x), *np.empty((2, channels), np.float32)
    mask = np.full((places, -(-channels // 16)), 0x5555, np.uint16) if relu else None
    of_norm = tuple(map(address, (weight, bias, mean, variance)))
    _core.norm(address(x), places, channels, of_norm, EPSILON, address(residual), relu, address(y), address(mask))
    return y, mean, variance, mask


def run_gradient(g, x, mask, statistics, weight, *, passes):
    gradient, (for_weight, for_bias) = np.empty_like(x), np.empty((2, x.shape[1]), np.float32)
    passed = np.empty_like(x) if passes else None
    of_norm = tuple(map(address, (*statistics, weight)))
    to = tuple(map(address, (gradient, passed, for_weight, for_bias)))
    _core.norm_gradient(address(g), address(x), *x.shape, address(mask), of_norm, EPSILON, to)
    return gradient, passed, for_weight, for_bias


def bits_of(mask, channels):
    """A row for each place: whether a channel's bit is set."""
    return np.unpackbits(mask.view(np.uint8), axis=1, bitorder="little")[:, :channels].astype(bool)


@each_instruction_set
@settings(max_examples=60)
@given(SIZES, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99))
@example((1000, 64), True, True, True, 0)  # several tasks
@example((40, 2050), True, True, False, 0)
def test_a_norm_what_follows_it_and_its_gradient_are_the_definitions(instruction_set, size, scaled, added, relu, seed):
    x = 3 * numbers(*size, seed=seed) + numbers(size[1], seed=seed + 1)
    weight, bias = (numbers(size[1], seed=seed + 2 + k) if scaled else None for k in range(2))
    residual = numbers(*size, seed=seed + 4) if added else None
    g = numbers(*size, seed=seed + 5)
    wanted, mean, variance = normed(x, weight, bias, residual, relu=relu)
    with using(instruction_set):
        y, *statistics, mask = run(x, weight, bias, residual, relu=relu)
        gradient, passed, for_weight, for_bias = run_gradient(g, x, mask, statistics, weight, passes=added)
    np.testing.assert_allclose(statistics[0], mean, atol=2e-6)
    np.testing.assert_allclose(statistics[1], variance, rtol=2e-5, atol=1e-9)
    scale = (1 if weight is None else weight) / np.sqrt(variance + EPSILON)
    # Of one place, or equal ones, what is left is rounding times 1 / √ε.
    np.testing.assert_allclose(y, wanted, atol=3e-6 * (1 + np.abs(scale * mean).max() + np.abs(wanted).max()))
    through = g if mask is None else g * bits_of(mask, size[1])
    if mask is not None:
        np.testing.assert_array_equal(bits_of(mask, size[1]), y > 0)
    if added:
        np.testing.assert_array_equal(passed, through)
    hat = (x - statistics[0]) / np.sqrt(statistics[1].astype(float) + EPSILON)
    through = through.astype(float)
    back = scale * (through - through.mean(0) - hat * (through * hat).mean(0))
    largest = np.abs(scale).max() * max(1.0, np.abs(hat).max()) * max(1.0, np.abs(through).max())
    np.testing.assert_allclose(gradient, back, atol=1e-5 * largest)
    np.testing.assert_allclose(for_bias, through.sum(0), atol=1e-5 * len(x) ** 0.5)
    np.testing.assert_allclose(
        for_weight, (through * hat).sum(0), atol=2e-5 * len(x) ** 0.5 * max(1, np.abs(hat).max())
    )


@each_instruction_set
def test_what_is_written_over_g_and_by_any_number_of_threads_is_the_same_to_the_bit(instruction_set):
    x, g = numbers(5000, 40), numbers(5000, 40, seed=1)
    with restoring_threads(), using(instruction_set):
        found = []
        for threads in (1, 2, 4):
            _core.set_threads(threads)
            y, *statistics, mask = run(x, None, None, None, relu=True)
            gradient, *_, for_weight, for_bias = run_gradient(g, x, mask, statistics, None, passes=True)
            found.append((y, *statistics, mask, gradient, for_weight, for_bias))
        over, numbers_of = g.copy(), np.empty((2, 40), np.float32)
        to = address(over), 0, *map(address, numbers_of)
        of_norm = *map(address, statistics), 0
        _core.norm_gradient(address(over), address(x), *x.shape, address(mask), of_norm, EPSILON, to)
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(over, found[0][4])


@each_instruction_set
def test_a_number_that_is_none_comes_through_and_reaches_its_channel_alone(instruction_set):
    x = numbers(100, 20)
    x[7, 3] = np.nan
    with using(instruction_set):
        y, mean, _, mask = run(x, None, None, None, relu=True)
    assert np.isnan(y[:, 3]).all() and bits_of(mask, 20)[:, 3].all()
    assert np.isnan(mean).nonzero()[0].tolist() == [3]
    assert np.isfinite(np.delete(y, 3, axis=1)).all()


def test_a_map_of_nothing_is_refused():
    with pytest.raises(ValueError, match="norm: sizes"):
        _core.norm(0, 0, 4, (0, 0, 0, 0), EPSILON, 0, False, 0, 0)
