"""Convolutions by products of bfloat16 against their definition in float64, where the processor has them."""

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
    pictures,
    view,
)
from tests.instruction_sets import HERE, using

SETS = "avx512_bf16", "amx"
with_each_set = [
    pytest.param(name, marks=pytest.mark.skipif(name not in HERE, reason=f"not run: this processor has no {name}"))
    for name in SETS
]
each_set = pytest.mark.parametrize("name", with_each_set)
each_number_of_parts = pytest.mark.parametrize("parts", [1, 2])

# Of the largest output: products of numbers of 8 bits, or of 16.
ALLOWED = {1: 1e-2, 2: 2e-5}
PLAIN = (1, 1), (1, 1), (1, 1)


def multiplied(name, parts, x, weight, window, size, bias=None, residual=None, relu=False, scale=None):
    with using(name):
        packed = np.empty(_core.bfloat16_weights_size(view(weight), parts), np.uint16)
        _core.bfloat16_weights(view(weight), parts, address(packed))
        y = np.full((len(x), *size, len(weight)), np.nan, np.float32)
        _core.bfloat16_convolution(
            pictures(x), view(weight), address(packed), parts, tuple(np.ravel(window).tolist()),
            (address(scale), address(bias), address(residual), relu), pictures(y),
        )  # fmt: skip
    return y


@each_set
@each_number_of_parts
@settings(max_examples=100)
@given(layers(kernels_up_to(4, 7)))
def test_products_are_the_convolution_with_all_that_follows_it(name, parts, layer):
    x, weight, window, size, finish = layer
    wanted = finished(convolution(x, weight, window, size), *finish)
    assert error(multiplied(name, parts, x, weight, window, size, *finish), wanted, weight[0].size) <= ALLOWED[parts]


@each_set
@each_number_of_parts
def test_whole_numbers_of_8_bits_are_exact(name, parts):
    draw = np.random.default_rng(0)
    x = draw.integers(-255, 256, (2, 9, 11, 70)).astype(np.float32)
    weight = draw.integers(-7, 8, (45, 70, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        multiplied(name, parts, x, weight, PLAIN, (9, 11)), convolution(x, weight, PLAIN, (9, 11))
    )


# Fewer outputs than are gathered once for all threads, of few panels and of many; more of them; a row that is too long.
@each_set
@pytest.mark.parametrize("shape", [(1, 96, 40, 14, 14), (1, 64, 600, 7, 7), (2, 24, 33, 25, 40), (1, 1300, 40, 9, 9)])
def test_large_layers_have_the_same_bits_on_any_number_of_threads(name, shape):
    n, channels, filters, *size = shape
    x, weight = numbers(n, *size, channels), numbers(filters, channels, 3, 3, seed=1)
    found = []
    with restoring_threads():
        for count in (1, 2, 4):
            _core.set_threads(count)
            found.append(multiplied(name, 2, x, weight, PLAIN, size))
    assert all(one.tobytes() == found[0].tobytes() for one in found)
    assert error(found[0], convolution(x, weight, PLAIN, size), 1) <= ALLOWED[2]


@each_set
@each_number_of_parts
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.4e38])
@pytest.mark.parametrize("channels", [40, 48])  # that fill no whole vectors, and that do
def test_what_is_not_finite_in_bfloat16_gives_what_float32_gives(name, parts, bad, channels):
    x, weight = numbers(1, 20, 21, channels), numbers(40, channels, 3, 3, seed=1)
    weight[:, 3] = 0.5  # without a low part, which times infinity would be NaN
    clean = convolution(x, weight, PLAIN, (20, 21))
    x[0, 7, 8, 3] = bad
    seen = np.zeros((20, 21), bool)
    seen[6:9, 7:10] = True
    residual = numbers(1, 20, 21, 40, seed=2)
    got = multiplied(name, parts, x, weight, PLAIN, (20, 21), None, residual) - residual
    assert error(got[0, ~seen], clean[0, ~seen], 1) <= ALLOWED[parts]
    np.testing.assert_allclose(got[0, seen], np.broadcast_to(np.float32(bad * 0.5), (9, 40)), rtol=1e-6)


def test_other_instruction_sets_refuse():
    weight = numbers(4, 4, 1, 1)
    with using("avx512"), pytest.raises(ValueError, match="bfloat16"):
        _core.bfloat16_weights_size(view(weight), 2)
