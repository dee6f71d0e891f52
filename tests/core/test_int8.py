"""Convolutions in 8-bit integers against their definition: rounded inputs and weights, summed exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from convolens import _core
from tests.core.definition import restoring_threads
from tests.core.test_layers import (
    address,
    convolution,
    error,
    finished,
    kernels_up_to,
    layers,
    numbers,
    of_a_sum,
    packed,
    pictures,
    view,
)
from tests.instruction_sets import HERE, using

each_set = pytest.mark.parametrize("instruction_set", HERE)
PLAIN = (1, 1), (1, 1), (1, 1)
SIGNED, POSITIVE = (0.02, -127), (0.01, 0)


def in_int8(x, weight, window, size, bias=None, residual=None, relu=False, scale=None, *, levels=SIGNED):
    made = packed(view(weight), _core.int8_weights_size(view(weight)), _core.int8_weights)
    y = np.full((len(x), *size, len(weight)), np.nan, np.float32)
    _core.int8_convolution(
        pictures(x), view(weight), address(made), *levels, tuple(np.ravel(window).tolist()),
        (address(scale), address(bias), address(residual), relu), pictures(y),
    )  # fmt: skip
    return y


def rounded(x, levels):
    """Each number as the nearest level's number, in float64."""
    step, lowest = np.float32(levels[0]), levels[1]
    return np.clip(np.rint(x * (np.float32(1) / step)), lowest, lowest + 255).astype(float) * float(step)


def rounded_weights(weight):
    """Each filter's numbers in 127 steps to its largest."""
    largest = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    step = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    return np.rint(weight / step).astype(float) * step


@each_set
@settings(max_examples=40)
@given(layers(kernels_up_to(4, 7)))
def test_it_is_the_convolution_of_what_was_rounded_with_all_that_follows_it(instruction_set, layer):
    x, weight, window, size, finish = layer
    with using(instruction_set):
        found = in_int8(x, weight, window, size, *finish)
    wanted = finished(convolution(rounded(x, SIGNED), rounded_weights(weight), window, size), *finish)
    assert error(found, wanted, weight[0].size) <= of_a_sum(16)  # the sums are exact, what follows them is not


@each_set
@pytest.mark.parametrize("channels", [16, 18])  # whole groups of 4, which are read where they lie, and others
@pytest.mark.parametrize(
    ("kernel", "window"),
    [
        ((3, 3), ((1, 1), (1, 1), (1, 1))),
        ((3, 3), ((2, 2), (1, 1), (1, 1))),
        ((3, 2), ((2, 1), (0, 1), (2, 3))),
        ((5, 5), ((1, 3), (4, 4), (1, 1))),  # whole lines see the border alone
        ((2, 2), ((3, 3), (0, 0), (1, 1))),  # what no window sees
    ],
)
@pytest.mark.parametrize("count", [1, 20])  # few outputs, and many
def test_kernels_strides_and_borders_of_every_kind(instruction_set, channels, kernel, window, count):
    x, weight = numbers(count, 11, 13, channels), numbers(70, channels, *kernel, seed=1)
    size = tuple(
        (n + 2 * b - d * (k - 1) - 1) // s + 1 for n, k, s, b, d in zip(x.shape[1:3], kernel, *window, strict=True)
    )
    with using(instruction_set):
        found = in_int8(x, weight, window, size)
    wanted = convolution(rounded(x, SIGNED), rounded_weights(weight), window, size)
    assert error(found, wanted, weight[0].size) <= of_a_sum(16)


@each_set
def test_every_set_of_instructions_gives_the_same_bits(instruction_set):
    x, weight = numbers(2, 9, 12, 77), numbers(41, 77, 3, 3, seed=1)
    with using(HERE[0]):
        first = in_int8(x, weight, PLAIN, (9, 12))
    with using(instruction_set):
        np.testing.assert_array_equal(in_int8(x, weight, PLAIN, (9, 12)), first)


@each_set
@pytest.mark.parametrize("levels", [SIGNED, POSITIVE, (0.5, -3), (1e-3, -255)])
def test_what_lies_past_the_levels_takes_the_last_one(instruction_set, levels):
    x, weight = numbers(1, 6, 7, 16) * 3, numbers(33, 16, 1, 1, seed=1)
    x[0, 0, 0, 0], x[0, 1, 2, 3] = np.inf, -np.inf
    window = (1, 1), (0, 0), (1, 1)
    with using(instruction_set):
        found = in_int8(x, weight, window, (6, 7), levels=levels)
    wanted = convolution(rounded(x, levels), rounded_weights(weight), window, (6, 7))
    assert error(found, wanted, 1) <= of_a_sum(16)


@each_set
def test_the_largest_sums_do_not_overflow(instruction_set):
    depth = (1 << 31) // (255 * 127) // 9 * 9
    x, weight = np.full((1, 3, 3, depth // 9), 255.0, np.float32), np.ones((2, depth // 9, 3, 3), np.float32)
    weight[1] = -1
    with using(instruction_set):
        found = in_int8(x, weight, ((1, 1), (0, 0), (1, 1)), (1, 1), levels=(1.0, 0))
    np.testing.assert_allclose(found[0, 0, 0], [255.0 * depth, -255.0 * depth], rtol=1e-6)


# Fewer outputs than are gathered once for all threads, of few panels and of many; more of them; one cell and several.
@each_set
@pytest.mark.parametrize("shape", [(1, 96, 40, 14, 14), (1, 64, 300, 7, 7), (2, 24, 33, 25, 40)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_large_layers_have_the_same_bits_on_any_number_of_threads(instruction_set, shape, kernel):
    n, channels, filters, *size = shape
    x, weight = numbers(n, *size, channels), numbers(filters, channels, kernel, kernel, seed=1)
    window, found = ((1, 1), (kernel // 2,) * 2, (1, 1)), []
    with restoring_threads(), using(instruction_set):
        for count in (1, 2, 4):
            _core.set_threads(count)
            found.append(in_int8(x, weight, window, size))
    assert all(one.tobytes() == found[0].tobytes() for one in found)
    wanted = convolution(rounded(x, SIGNED), rounded_weights(weight), window, size)
    assert error(found[0], wanted, 1) <= of_a_sum(16)


@each_set
@pytest.mark.parametrize("kernel", [1, 3])
def test_outputs_that_see_nan_are_nan_and_no_others(instruction_set, kernel):
    x, weight = numbers(1, 8, 9, 20), numbers(40, 20, kernel, kernel, seed=1)
    window = (1, 1), (kernel // 2,) * 2, (1, 1)
    with using(instruction_set):
        clean = in_int8(x, weight, window, (8, 9))
        x[0, 3, 4, 5] = np.nan
        found = in_int8(x, weight, window, (8, 9))
    reach = kernel // 2
    seen = np.zeros((8, 9), bool)
    seen[3 - reach : 4 + reach, 4 - reach : 5 + reach] = True
    assert np.isnan(found[0][seen]).all()
    np.testing.assert_array_equal(found[0][~seen], clean[0][~seen])


def test_a_filter_of_zeros_gives_zeros():
    weight = numbers(3, 8, 1, 1)
    weight[1] = 0
    found = in_int8(numbers(1, 4, 4, 8), weight, ((1, 1), (0, 0), (1, 1)), (4, 4))
    assert (found[..., 1] == 0).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("levels", [(0.0, 0), (np.nan, 0), (1.0, 1), (1.0, -256)])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(ValueError, match="int8_convolution: levels"):
        in_int8(numbers(1, 4, 4, 8), numbers(3, 8, 1, 1), ((1, 1), (0, 0), (1, 1)), (4, 4), levels=levels)
