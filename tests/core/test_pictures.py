"""The kernels for pictures, Sobel's and weighted means, on plain arrays against their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from convolens.shapes import BOUNDARIES, boundary_map
from tests.core.definition import restoring_threads
from tests.instruction_sets import each_instruction_set, using

DTYPES = ["u1", "u2", "f4", "f8"]


def picture(shape, dtype, seed=0):
    values = np.random.default_rng(seed).random(shape)
    return (values * 255).astype(dtype) if dtype[0] == "u" else values.astype(dtype)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 90), st.sampled_from([1, 2, 3]))


def gradients(image, boundary, fill, side, middle):
    """Both gradients, one shifted copy of the padded picture for each weight."""
    maps = [boundary_map(n, 1, 1, boundary) for n in image.shape[:2]]
    padded = np.where(((maps[0][:, None] < 0) | (maps[1] < 0))[:, :, None], fill, image[maps[0]][:, maps[1]])
    rows, columns = image.shape[:2]
    gx, gy = np.zeros((2, *image.shape))
    for i, j in np.ndindex(3, 3):
        window = padded[i : i + rows, j : j + columns].astype(float)
        gx += (j - 1) * (side, middle, side)[i] * window
        gy += (i - 1) * (side, middle, side)[j] * window
    return maps, gx, gy


def run_gradient(image, maps, fill, weights):
    dtype = "f8" if image.dtype == np.float64 else "f4"
    magnitude, gx, gy = (np.full(image.shape, np.nan, dtype) for _ in range(3))
    _core.sobel(image, *maps, fill, *weights, magnitude)
    _core.sobel(image, *maps, fill, *weights, gx, gy)
    return magnitude, gx, gy


@each_instruction_set
@settings(max_examples=40)
@given(shapes, st.sampled_from(DTYPES), st.sampled_from(BOUNDARIES), st.sampled_from([(1.0, 2.0), (3.0, 10.0)]))
def test_gradients_and_their_magnitude_are_the_definitions(instruction_set, shape, dtype, boundary, weights):
    image, fill = picture(shape, dtype), 7.0 if boundary == "constant" else 0.0
    maps, gx, gy = gradients(image, boundary, fill, *weights)
    with using(instruction_set):
        got = run_gradient(image, maps, fill, weights)
    for one, wanted in zip(got, (np.hypot(gx, gy), gx, gy), strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-6, atol=2e-5 if dtype == "f4" else 1e-10)


@each_instruction_set
def test_a_magnitude_larger_than_the_caches_is_the_definitions(instruction_set):
    image = picture((1200, 2001, 1), "f4")[:, 1:]  # rows that begin at any address
    maps, gx, gy = gradients(image, "symmetric", 0.0, 1.0, 2.0)
    with restoring_threads(), using(instruction_set):
        for threads in (1, 2):
            _core.set_threads(threads)
            magnitude = run_gradient(image, maps, 0.0, (1.0, 2.0))[0]
            np.testing.assert_allclose(magnitude, np.hypot(gx, gy), rtol=0, atol=2e-6)


@st.composite
def axes(draw, size):
    """One axis of a weighted mean: a filter, a decimation or an enlargement; and the same as a matrix."""
    length, step = draw(st.sampled_from([1, 2, 3, 9, 20])), draw(st.sampled_from([0, 1, 1, 3, "uneven"]))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    padding = boundary_map(size, length, length, draw(st.sampled_from(["symmetric", "constant", "edge"])))
    if step == "uneven":  # as many as a filter has, the last where a filter's last is
        first = np.sort(random.integers(0, len(padding) - length + 1, len(padding) - length + 1))
        first[-1] = len(first) - 1
        phase, phases = np.zeros(len(first), np.int64), 1
    elif step:
        first = np.arange(0, len(padding) - length + 1, step)
        phase, phases = np.zeros(len(first), np.int64), 1
    else:
        phases = 3
        first = np.repeat(np.arange(len(padding) - length + 1), phases)
        phase = np.tile(np.arange(phases), len(first) // phases)
    weights = random.integers(1, 9, (phases, length)).astype(float)
    weights /= weights.sum(1, keepdims=True)
    return padding, first, phase, weights


def as_matrix(axis, size):
    padding, first, phase, weights = axis
    matrix = np.zeros((len(first), size))
    for i, (start, which) in enumerate(zip(first, phase, strict=True)):
        for k, weight in enumerate(weights[which]):
            if padding[start + k] >= 0:
                matrix[i, padding[start + k]] += weight
    return matrix


@each_instruction_set
@settings(max_examples=60)
@given(st.data(), shapes, st.sampled_from([("u1", "u1"), ("u2", "u2"), ("u1", "f4"), ("f4", "f4"), ("f8", "f8")]))
def test_weighted_means_of_rows_and_columns_are_two_matrices(instruction_set, data, shape, dtypes):
    down, across = (data.draw(axes(n)) for n in shape[:2])
    image = picture(shape, dtypes[0])
    matrices = (as_matrix(axis, n) for axis, n in zip((down, across), shape, strict=False))
    wanted = np.einsum("ir,jc,rcn->ijn", *matrices, image.astype(float), optimize=True)
    assert_means(instruction_set, image, dtypes, down, across, wanted)


def assert_means(instruction_set, image, dtypes, down, across, wanted):
    work = np.float64 if dtypes[0] == "f8" else np.float32
    out = np.empty(wanted.shape, dtypes[1])
    with using(instruction_set):
        _core.resample(image, *((*axis[:3], axis[3].astype(work)) for axis in (down, across)), out)
    within = 0.501 if dtypes[1][0] == "u" else {"u1f4": 1e-4, "f4f4": 1e-6, "f8f8": 1e-12}["".join(dtypes)]
    np.testing.assert_allclose(out, wanted, rtol=0, atol=within)


@each_instruction_set
@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("u1", "u1")])
@pytest.mark.parametrize("shape", [(1300, 1700, 1), (70, 1100, 3), (300, 5, 2)])
@pytest.mark.parametrize("step", [1, 4])
def test_large_pictures_are_swept_by_strips_without_a_seam(instruction_set, dtypes, shape, step):
    """Plain means of nine."""
    image = picture(shape, dtypes[0])
    wanted, sweeps = image.astype(float), []
    for axis, n in enumerate(shape[:2]):
        padding, first = boundary_map(n, 4, 4, "edge"), np.arange(0, n, step)
        wanted = sum(wanted.take(padding[first + k], axis) for k in range(9)) / 9
        sweeps.append((padding, first, np.zeros(len(first), np.int64), np.full((1, 9), 1 / 9)))
    assert_means(instruction_set, image, dtypes, *sweeps, wanted)
