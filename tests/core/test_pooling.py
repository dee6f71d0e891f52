"""Pooling, ReLU masks and fingerprints on plain arrays, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import restoring_threads
from tests.core.test_layers import address, numbers, pictures
from tests.instruction_sets import each_instruction_set, using


@st.composite
def poolings(draw):
    """x with equal values, -∞ and NaN; the window's size; its stride, padding and dilation; the output's size."""
    rows, columns = draw(st.sampled_from([(2, 2), (3, 3), (1, 3), (4, 2)]))
    stride, dilation = (draw(st.sampled_from([(1, 1), (2, 2), (2, 1)])) for _ in range(2))
    before = draw(st.tuples(st.integers(0, rows // 2), st.integers(0, columns // 2)))
    height, width = (draw(st.integers(d * (k - 1) + 1, 12)) for k, d in ((rows, dilation[0]), (columns, dilation[1])))
    n, channels = draw(st.sampled_from([1, 2, 1, 2, 0])), draw(st.integers(1, 70))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    x = random.integers(-2, 3, (n, height, width, channels)).astype(np.float32)
    x[random.random(x.shape) < 0.2] = -np.inf
    x[random.random(x.shape) < draw(st.sampled_from([0, 0.01]))] = np.nan
    axes = zip((height, width), before, stride, dilation, (rows, columns), strict=True)
    size = tuple((h + b - d * (k - 1) - 1) // s + 1 for h, b, s, d, k in axes)
    return x, (rows, columns), (*stride, *before, *dilation), size


def maxima(x, kernel, window, size):
    """Of every window the first largest value, or the last NaN, and where it lies: row · width + column."""
    height, width = x.shape[1:3]
    y, places = np.empty((len(x), *size, x.shape[3]), np.float32), np.empty((len(x), *size, x.shape[3]), np.int64)
    for i, j in np.ndindex(*size):
        cells = [
            (row, column)
            for r in range(kernel[0])
            for s in range(kernel[1])
            if 0 <= (row := i * window[0] - window[2] + r * window[4]) < height
            and 0 <= (column := j * window[1] - window[3] + s * window[5]) < width
        ]
        values = np.stack([x[:, r, c] for r, c in cells])
        last_nan = len(cells) - 1 - np.isnan(values[::-1]).argmax(0)
        best = np.where(np.isnan(values).any(0), last_nan, np.where(np.isnan(values), -np.inf, values).argmax(0))
        y[:, i, j] = np.take_along_axis(values, best[None], 0)[0]
        places[:, i, j] = np.array([r * width + c for r, c in cells])[best]
    return y, places


@each_instruction_set
@settings(max_examples=60)
@given(poolings())
def test_a_maximum_its_place_and_its_gradient_are_the_definitions(instruction_set, pooling):
    x, kernel, window, size = pooling
    y, places = maxima(x, kernel, window, size)
    got, found, alone = np.empty_like(y), np.empty_like(places), np.empty_like(y)
    g = np.random.default_rng(1).integers(-9, 10, y.shape).astype(np.float32)
    gradient = np.full(x.shape, np.nan, np.float32)
    side_by_side = kernel if window == (*kernel, 0, 0, 1, 1) else (0, 0)
    with using(instruction_set):
        _core.pool(pictures(x), *kernel, window, pictures(got), address(found))
        _core.pool(pictures(x), *kernel, window, pictures(alone), 0)
        _core.pool_gradient(pictures(g), address(places), *side_by_side, pictures(gradient))
    np.testing.assert_array_equal(got, y)
    np.testing.assert_array_equal(found, places)
    np.testing.assert_array_equal(alone, y)
    np.testing.assert_array_equal(gradient, sent_back(g, places, x.shape))


def sent_back(g, places, shape):
    n, height, width, channels = shape
    gradient = np.zeros((n, height * width, channels), np.float32)
    picture, _, _, channel = np.indices(g.shape)
    np.add.at(gradient, (picture, places, channel), g)
    return gradient.reshape(shape)


@each_instruction_set
@settings(max_examples=40)
@given(
    st.tuples(st.sampled_from([1, 2, 0]), st.integers(1, 9), st.integers(1, 9), st.integers(1, 40)),
    st.integers(1, 4),
    st.booleans(),
)
def test_averages_and_their_gradient_are_the_definitions(instruction_set, shape, side, up):
    n, height, width, channels = shape
    size = tuple(-(-k // side) if up else max(k // side, 1) for k in (height, width))
    x, g = numbers(*shape), numbers(n, *size, channels, seed=1)
    y, gradient = np.empty_like(g), np.full(shape, np.nan, np.float32)
    wanted, back = np.zeros(g.shape), np.zeros(shape)
    for i, j in np.ndindex(*size):
        window = np.s_[:, i * side : (i + 1) * side, j * side : (j + 1) * side]
        wanted[:, i, j] = x[window].mean((1, 2), dtype=float)
        back[window] = g[:, i, j][:, None, None] / np.prod(x[window].shape[1:3])
    with using(instruction_set):
        _core.average(pictures(x), side, pictures(y))
        _core.average_gradient(pictures(g), side, pictures(gradient))
    np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-6)
    np.testing.assert_allclose(gradient, back, rtol=0, atol=1e-6)


@each_instruction_set
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 70_001])
def test_a_mask_lets_through_where_the_value_was_above_zero_or_no_number(instruction_set, count):
    y, g = numbers(count), numbers(count, seed=1)
    y[::7], y[3::11] = np.nan, 0
    passing = ~(y <= 0)  # as in torch, NaN among them
    wanted = np.where(passing, g, 0)
    mask = np.full(count, 9, np.uint8)
    with using(instruction_set):
        _core.relu_mask(address(y), address(mask), count)
        _core.apply_mask(address(g), address(mask), count)
    np.testing.assert_array_equal(mask, passing)
    np.testing.assert_array_equal(g, wanted)


@each_instruction_set
def test_a_fingerprint_changes_with_any_word_and_not_with_threads(instruction_set):
    words, seen = np.arange(70_001, dtype=np.float32), set()
    with restoring_threads(), using(instruction_set):
        for count in (1, 2):
            _core.set_threads(count)
            seen.add(_core.fingerprint(address(words), words.size))
        assert len(seen) == 1
        for at in (0, 1, 65_535, 65_536, 70_000):
            words[at] += 1
            seen.add(_core.fingerprint(address(words), words.size))
    assert len(seen) == 6
