"""The layer kernels on plain arrays, channels side by side, against their definitions in float64."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import restoring_threads
from tests.instruction_sets import each_instruction_set, using

# The transforms' own error, of the largest output.
ALLOWED = {2: 2e-6, 4: 2e-5}


def of_a_sum(terms):
    """What a float32 sum of random numbers and what follows it may err, of the largest output."""
    return float(np.finfo(np.float32).eps) * (terms**0.5 + 3)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def view(array):
    """How the core sees weights (filters, channels, rows, columns): where, sizes, steps."""
    return (array.ctypes.data, *array.shape, *(s // array.itemsize for s in array.strides))


def pictures(array):
    """How it sees pictures (n, h, w, c), whose last step is 1."""
    assert array.size == 0 or array.strides[3] == array.itemsize
    return view(array)[:-1]


def address(array):
    return 0 if array is None else array.ctypes.data


def seen_by(x, cell, window, size, *, edge=False):
    """Of every output the pixel that lies under one cell of the kernel: (n, rows, columns, channels) in float64.

    Around x lie zeros, or with `edge` its last pixels again.
    """
    stride, before, dilation = window
    at = [np.arange(n) * s - b + k * d for n, s, b, k, d in zip(size, stride, before, cell, dilation, strict=True)]
    inside = [(a >= 0) & (a < n) for a, n in zip(at, x.shape[1:3], strict=True)]
    rows, columns = (a.clip(0, max(n - 1, 0)) for a, n in zip(at, x.shape[1:3], strict=True))
    found = x[:, rows][:, :, columns].astype(float)
    return found if edge else found * (inside[0][:, None] & inside[1])[:, :, None]


def convolution(x, weight, window, size, *, edge=False):
    """y[n, i, j, f] = Σ weight[f, c, r, s] · x[n, i·stride + r·dilation - before, …, c]."""
    return sum(
        np.einsum("nhwc,fc->nhwf", seen_by(x, cell, window, size, edge=edge), weight[:, :, *cell].astype(float))
        for cell in np.ndindex(weight.shape[2:])
    )


def finished(y, bias, residual, relu, scale=None):
    y = y if scale is None else y * scale
    y = y if bias is None else y + bias
    y = y if residual is None else y + residual
    return np.maximum(y, 0) if relu else y


def error(got, wanted, terms):
    """Of the largest output, or of what a sum of so many unit normal products would be, where that is larger."""
    assert got.shape == wanted.shape
    return np.abs(got - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), terms**0.5, 1.0)


def packed(weight, size, pack, *options):
    out = np.empty(size, np.float32)
    pack(weight, *options, address(out))
    return out


def winograd(
    x,
    weight,
    before,
    size,
    tile,
    bias=None,
    residual=None,
    relu=False,
    scale=None,
    *,
    edge=False,
    once=False,
    pool=False,
):
    """With `once` the kernel transforms the weights itself; `size` is the outputs', before they are pooled."""
    count = _core.winograd_weights_size(*weight.shape[:2], tile)
    transformed = None if once else packed(view(weight), count, _core.winograd_weights, tile)
    rows, columns = (n // 2 for n in size) if pool else size
    y = np.full((len(x), rows, columns, len(weight)), np.nan, np.float32)
    _core.winograd(
        pictures(x), view(weight), address(transformed), tile, *before, edge, pool,
        (address(scale), address(bias), address(residual), relu), pictures(y),
    )  # fmt: skip
    return y


def windowed(kernel, x, weight, window, size, bias=None, residual=None, relu=False, scale=None):
    """`im2col` or `depthwise`, with its weights packed as it wants them."""
    count = getattr(_core, f"{kernel}_weights_size")(view(weight))
    numbers = packed(view(weight), count, getattr(_core, f"{kernel}_weights"))
    y = np.full((len(x), *size, len(weight)), np.nan, np.float32)
    getattr(_core, kernel)(
        pictures(x), view(weight), address(numbers), tuple(np.ravel(window).tolist()),
        (address(scale), address(bias), address(residual), relu), pictures(y),
    )  # fmt: skip
    return y


@st.composite
def layers(draw, kernels):
    """A layer with what follows it: x, weight, window (stride, before, dilation), the output's size, and the finish."""
    kernel = draw(kernels)
    pairs = st.sampled_from(draw(st.sampled_from([[(1, 1)], [(1, 1), (2, 2), (1, 2), (3, 1)]])))
    window = draw(pairs), draw(st.tuples(*(st.integers(0, k) for k in kernel))), draw(pairs)
    size = draw(st.tuples(st.integers(1, 11), st.integers(1, 11)))
    # Past the last window there may be pixels that none sees, and windows may extend beyond the picture.
    extents = [(m - 1) * s + d * (k - 1) + 1 - b for m, s, b, d, k in zip(size, *window, kernel, strict=True)]
    height, width = (max(1, r + draw(st.sampled_from([-1, 0, -1, 2]))) for r in extents)
    n, filters = draw(st.sampled_from([1, 2, 1, 2, 0])), draw(st.integers(1, 70))
    channels = draw(st.one_of(st.integers(1, 4), st.integers(1, 140)))
    x, weight = numbers(n, height, width, channels), numbers(filters, channels, *kernel, seed=1)
    if draw(st.booleans()):
        weight = weight[:, :, ::-1, ::-1]
    bias = numbers(filters, seed=2) * 9 if draw(st.booleans()) else None
    residual = numbers(n, *size, filters, seed=3) * 9 if draw(st.booleans()) else None
    scale = numbers(filters, seed=4) if draw(st.booleans()) else None
    return x, weight, window, size, (bias, residual, draw(st.booleans()), scale)


def kernels_up_to(rows, columns):
    return st.tuples(st.integers(1, rows), st.integers(1, columns))


@each_instruction_set
@settings(max_examples=60)
@given(layers(kernels_up_to(4, 7)))
def test_im2col_is_the_convolution_with_all_that_follows_it(instruction_set, layer):
    x, weight, window, size, finish = layer
    with using(instruction_set):
        got = windowed("im2col", x, weight, window, size, *finish)
    wanted = finished(convolution(x, weight, window, size), *finish)
    assert error(got, wanted, weight[0].size) <= of_a_sum(weight[0].size)


@each_instruction_set
@settings(max_examples=60)
@given(layers(st.one_of(st.sampled_from([(3, 3), (5, 5), (7, 7)]), kernels_up_to(4, 4))))
def test_a_filter_for_each_channel_is_the_convolution_with_all_that_follows_it(instruction_set, layer):
    x, weight, window, size, finish = layer
    alone = np.ascontiguousarray(weight[:, :1])
    x = numbers(*x.shape[:3], len(alone))
    with using(instruction_set):
        got = windowed("depthwise", x, alone, window, size, *finish)
    wanted = finished(channel_by_channel(x, alone, window, size), *finish)
    assert error(got, wanted, alone[0].size) <= of_a_sum(alone[0].size)


def channel_by_channel(x, weight, window, size):
    cells = np.ndindex(weight.shape[2:])
    return sum(seen_by(x, cell, window, size) * weight[:, 0, *cell].astype(float) for cell in cells)


@each_instruction_set
@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_of_outputs_end_where_a_filter_reaches_past_the_picture(instruction_set, side, stride):
    weight = numbers(20, 1, side, side, seed=1)
    for width in range(8, 24):
        x, window = numbers(1, 9, width, 20), ((stride, stride), (side // 2, side // 2), (1, 1))
        size = tuple(-(-n // stride) for n in (9, width))
        with using(instruction_set):
            got = windowed("depthwise", x, weight, window, size)
        assert error(got, channel_by_channel(x, weight, window, size), side * side) <= of_a_sum(side * side)


PLAIN = (1, 1), (1, 1)


@each_instruction_set
@pytest.mark.parametrize("tile", [2, 4])
@settings(max_examples=40)
@given(layers(st.just((3, 3))), st.tuples(st.integers(0, 2), st.integers(0, 2)), st.booleans(), st.booleans())
def test_winograd_is_the_convolution_with_all_that_follows_it(instruction_set, tile, layer, before, edge, once):
    x, weight, _, size, finish = layer
    window = PLAIN[0], before, PLAIN[1]
    with using(instruction_set):
        got = winograd(x, weight, before, size, tile, *finish, edge=edge, once=once)
    wanted = finished(convolution(x, weight, window, size, edge=edge), *finish)
    assert error(got, wanted, weight[0].size) <= ALLOWED[tile]


@each_instruction_set
@pytest.mark.parametrize("size", [(2, 2), (6, 11), (13, 40)])
def test_winograd_pooled_is_the_largest_of_each_four_outputs(instruction_set, size):
    x, weight, bias = numbers(2, *size, 24), numbers(20, 24, 3, 3, seed=1), numbers(20, seed=2)
    with using(instruction_set):
        whole, got = (winograd(x, weight, (1, 1), size, 4, bias, relu=True, pool=pool) for pool in (False, True))
    fours = [whole[:, i : size[0] // 2 * 2 : 2, j : size[1] // 2 * 2 : 2] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_array_equal(got, np.max(fours, axis=0))


# Rows that are read where they lie, the last block shorter than the others; a map that is a part of another; rows that
# lie so far apart that they are gathered.
@each_instruction_set
@pytest.mark.parametrize(
    ("channels", "filters", "part"), [(7, 70, False), (130, 33, False), (64, 64, True), (600, 40, False)]
)
def test_one_cell_over_many_places_is_the_product_of_each(instruction_set, channels, filters, part):
    whole = numbers(2, 19, 20, channels)
    x = whole[:, :, 2:19] if part else whole
    weight, bias, residual = numbers(filters, channels, 1, 1, seed=1), numbers(filters, seed=2), None
    size, window = x.shape[1:3], ((1, 1), (0, 0), (1, 1))
    residual = numbers(2, *size, filters, seed=3)
    results = []
    with restoring_threads(), using(instruction_set):
        for count in (1, 2, 4):
            _core.set_threads(count)
            results.append(windowed("im2col", x, weight, window, size, bias, residual, True))
    assert all(one.tobytes() == results[0].tobytes() for one in results)
    wanted = np.maximum(np.einsum("nhwc,fc->nhwf", x.astype(float), weight[:, :, 0, 0]) + bias + residual, 0)
    assert error(results[0], wanted, channels) <= of_a_sum(channels)


def weight_gradient(x, g, window, kernel=(3, 3)):
    """gradient[f, c, r, s] = Σ g[n, i, j, f] · x[n, what cell (r, s) sees from (i, j), c]."""
    gradient = np.zeros((g.shape[3], x.shape[3], *kernel))
    for cell in product(*map(range, kernel)):
        seen = seen_by(x, cell, window, g.shape[1:3])
        gradient[:, :, *cell] = np.einsum("nhwf,nhwc->fc", g.astype(float), seen)
    return gradient


@each_instruction_set
@settings(max_examples=40)
@given(layers(st.just((3, 3))), st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_winograds_gradient_in_the_weights_is_the_convolutions(instruction_set, layer, before):
    x, weight, _, size, _ = layer
    g = numbers(len(x), *size, len(weight), seed=4)
    got = np.full(weight.shape, np.nan, np.float32)
    with using(instruction_set):
        _core.winograd_weight_gradient(pictures(x), pictures(g), *before, address(got))
    assert error(got, weight_gradient(x, g, (PLAIN[0], before, PLAIN[1])), g[..., 0].size) <= ALLOWED[4]


def by_im2col(x, g, window, kernel):
    got = np.full((g.shape[3], x.shape[3], *kernel), np.nan, np.float32)
    _core.weight_gradient(pictures(x), pictures(g), *kernel, tuple(np.ravel(window).tolist()), address(got))
    return got


@each_instruction_set
@settings(max_examples=60)
@given(layers(kernels_up_to(4, 4)))
def test_the_gradient_in_the_weights_is_the_convolutions(instruction_set, layer):
    x, weight, window, size, _ = layer
    g = numbers(len(x), *size, len(weight), seed=4)
    with using(instruction_set):
        got = by_im2col(x, g, window, weight.shape[2:])
    assert error(got, weight_gradient(x, g, window, weight.shape[2:]), g[..., 0].size) <= of_a_sum(g[..., 0].size)


# Few weights and many places, in several stretches; many weights, in several blocks of places.
@each_instruction_set
@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "size"),
    [
        (40, 70, (1, 1), (60, 60)),
        (33, 20, (3, 3), (50, 41)),
        (300, 300, (1, 1), (64, 61)),
        (100, 130, (3, 3), (61, 40)),
    ],
)
def test_such_a_gradient_has_the_same_bits_on_any_number_of_threads(instruction_set, channels, filters, kernel, size):
    x, g = numbers(2, *size, channels), numbers(2, *size, filters, seed=1)
    window = (1, 1), tuple(side // 2 for side in kernel), (1, 1)
    found = []
    with restoring_threads(), using(instruction_set):
        for count in (1, 2, 4):
            _core.set_threads(count)
            found.append(by_im2col(x, g, window, kernel))
    assert all(one.tobytes() == found[0].tobytes() for one in found)
    terms = g[..., 0].size
    assert error(found[0], weight_gradient(x, g, window, kernel), terms) <= of_a_sum(terms)


# Few channels and many tiles; many channels, more than one panel and chunk; filters that end inside a vector; so many
# channels and filters that the gradient is summed part by part; the most outputs whose rows are gathered once for all,
# and one more.
SHAPES = [
    (2, 24, 33, 25, 40), (1, 160, 70, 30, 31), (1, 130, 35, 9, 9), (1, 250, 230, 6, 7), (1, 60, 40, 16, 16),
    (1, 60, 40, 1, 257),
]  # fmt: skip


@each_instruction_set
@pytest.mark.parametrize("shape", SHAPES)
def test_large_layers_are_the_convolution_with_any_number_of_threads(instruction_set, shape):
    n, channels, filters, *size = shape
    x, weight, g = numbers(n, *size, channels), numbers(filters, channels, 3, 3, seed=1), numbers(n, *size, filters)
    window = PLAIN[0], (1, 1), PLAIN[1]
    results = []
    with restoring_threads(), using(instruction_set):
        for count in (1, 2, 4):
            _core.set_threads(count)
            gradient = np.empty(weight.shape, np.float32)
            _core.winograd_weight_gradient(pictures(x), pictures(g), 1, 1, address(gradient))
            outputs = [winograd(x, weight, (1, 1), size, tile, once=once) for tile in (2, 4) for once in (False, True)]
            results.append((*outputs, windowed("im2col", x, weight, window, size), gradient))
    assert all(one.tobytes() == other.tobytes() for r in results for one, other in zip(r, results[0], strict=True))
    wanted = convolution(x, weight, window, size)
    *outputs, gradient = results[0]
    for got, allowed in zip(outputs, (*[ALLOWED[2]] * 2, *[ALLOWED[4]] * 2, of_a_sum(weight[0].size)), strict=True):
        assert error(got, wanted, 1) <= allowed
    assert error(gradient, weight_gradient(x, g, window), 1) <= ALLOWED[4]


@each_instruction_set
@pytest.mark.parametrize("channels", [32, 160])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_reaches_exactly_what_sees_it(instruction_set, channels, bad):
    x, weight = numbers(1, 20, 21, channels), numbers(40, channels, 3, 3, seed=1)
    clean, size = convolution(x, weight, (PLAIN[0], (1, 1), PLAIN[1]), (20, 21)), (20, 21)
    x[0, 7, 8, 3] = x[0, 0, 20, 5] = bad
    contaminated = np.zeros(size, bool)
    contaminated[6:9, 7:10] = contaminated[:2, 19:] = True
    with using(instruction_set):
        for tile in (2, 4):
            got = winograd(x, weight, (1, 1), size, tile)
            assert not np.isfinite(got[0, contaminated]).any()
            assert error(got[0, ~contaminated], clean[0, ~contaminated], 1) <= ALLOWED[tile]
