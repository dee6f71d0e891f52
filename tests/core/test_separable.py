"""Correlation by a sum of outer products in the core, against the dense definition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import RESULT, Problem, correlate_by_definition, problems, restoring_threads
from tests.instruction_sets import each_instruction_set, using


def factored(problem: Problem, axes: tuple[int, int], rank: int, seed: int) -> tuple[Problem, np.ndarray, np.ndarray]:
    """The problem with a kernel of that rank along two axes, and its factors."""
    rng = np.random.default_rng(seed)
    dtype = problem.kernel.dtype
    first, second = (rng.integers(-9, 10, (rank, problem.kernel.shape[a])) for a in axes)
    if dtype.kind == "c":
        first, second = first + 2j * first[:, ::-1], second - 1j
    kernel = np.einsum("qi,qj->ij", first, second)
    shape = [problem.kernel.shape[a] if a in axes else 1 for a in range(problem.x.ndim)]
    return replace(problem, kernel=kernel.reshape(shape).astype(dtype)), first.astype(dtype), second.astype(dtype)


def separable_bound(problem: Problem, first: np.ndarray, second: np.ndarray) -> float:
    weight = (np.abs(first.astype(complex)).sum(1) * np.abs(second.astype(complex)).sum(1)).sum()
    return float(weight) * replace(problem, kernel=np.ones((1,) * problem.x.ndim)).bound()


def run(problem, first, second, axes) -> np.ndarray:
    out = problem.empty_out()
    bound = separable_bound(problem, first, second)
    maps = _core.Maps(problem.maps)
    _core.correlate_separable(problem.x, first, second, out, maps, axes, problem.fill.item(), bound)
    return out


def error_allowed(problem: Problem, first: np.ndarray, second: np.ndarray) -> float:
    """Zero for integers, else what two sums in one order may err."""
    if first.dtype.kind == "i":
        return 0.0
    terms = first.size + second.size + 4
    return terms * float(np.finfo(first.dtype).eps) * separable_bound(problem, first, second) * 2


@each_instruction_set
@settings(deadline=None, max_examples=120)
@given(
    shape=st.tuples(st.integers(0, 4), st.integers(1, 50), st.integers(1, 90), st.integers(1, 4)),
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 20)),
    colors=st.booleans(),
    boundary=st.sampled_from(["constant", "edge", "wrap"]),
    dtype=st.sampled_from(sorted(RESULT)),
    rank=st.integers(1, 3),
    backwards=st.booleans(),
)
def test_equals_the_definition(shape, sizes, colors, boundary, dtype, rank, instruction_set, backwards):
    shape = shape if colors else shape[:3]
    kernel_shape = (1, *sizes, 1)[: len(shape)]
    problem = Problem.random(shape, kernel_shape, dtype, seed=rank, boundary=boundary if shape[0] else "constant")
    if backwards:
        problem = replace(problem, x=problem.x[:, ::-1, ::-1])
    problem, first, second = factored(problem, (1, 2), rank, seed=rank)
    with using(instruction_set):
        out = run(problem, first, second, (1, 2))
    expected = correlate_by_definition(problem)
    np.testing.assert_allclose(out, expected, rtol=0, atol=error_allowed(problem, first, second))


@settings(deadline=None, max_examples=100)
@given(problem=problems(), data=st.data())
def test_any_two_axes_that_nothing_scattered_follows(problem, data):
    if problem.x.ndim < 2:
        return
    a = data.draw(st.integers(0, problem.x.ndim - 2))
    axes = (a, problem.x.ndim - 1)
    maps = [
        m if d in axes else np.arange(n) for d, (m, n) in enumerate(zip(problem.maps, problem.x.shape, strict=True))
    ]
    out_shape = tuple(n if d in axes else len(maps[d]) for d, n in enumerate(problem.out_shape))
    problem, first, second = factored(replace(problem, maps=maps, out_shape=out_shape), axes, 2, seed=a)
    out = run(problem, first, second, axes)
    expected = correlate_by_definition(problem)
    np.testing.assert_allclose(out, expected, rtol=0, atol=error_allowed(problem, first, second))


@each_instruction_set
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "u1"])
@pytest.mark.parametrize(
    ("shape", "kernel_shape"), [((600, 1101), (7, 11)), ((300, 200, 3), (40, 3, 1)), ((2, 3, 100, 310), (1, 1, 5, 5))]
)
def test_large_problems_equal_the_definition_with_any_number_of_threads(shape, kernel_shape, dtype, instruction_set):
    axes = (0, 1) if len(shape) < 4 else (2, 3)
    problem, first, second = factored(Problem.random(shape, kernel_shape, dtype, seed=1), axes, 2, seed=2)
    with restoring_threads(), using(instruction_set):
        outs = []
        for count in (1, 2, 4):
            _core.set_threads(count)
            outs.append(run(problem, first, second, axes))
    assert outs[0].tobytes() == outs[1].tobytes() == outs[2].tobytes()
    expected = correlate_by_definition(problem)
    np.testing.assert_allclose(outs[0], expected, rtol=0, atol=error_allowed(problem, first, second))


def test_a_window_with_nan_is_the_only_one_contaminated():
    problem, first, second = factored(Problem.random((300, 1400), (9, 5), "f4", seed=1), (0, 1), 1, seed=3)
    problem.x[100, 700] = np.nan
    out = run(problem, first, second, (0, 1))
    rows, columns = np.nonzero(np.isnan(out))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (96, 104, 698, 702)
    assert np.isnan(out).sum() == 45


@pytest.mark.parametrize("dtype", ["f4", "c16"])
@pytest.mark.parametrize("shape", [(0, 1, 1, 2), (2, 0, 3, 2)])
def test_an_empty_signal_is_continued_by_its_fill_or_gives_an_empty_result(shape, dtype):
    problem = Problem.random(shape, (1, 2, 1, 1), dtype, seed=1, before=[0, 1, 0, 0], after=[0, 1, 0, 0])
    problem, first, second = factored(problem, (1, 2), 1, seed=1)
    np.testing.assert_allclose(run(problem, first, second, (1, 2)), correlate_by_definition(problem), rtol=1e-6)


def test_factors_and_axes_that_do_not_fit_are_refused():
    x = np.zeros((5, 6), np.float32)
    maps = _core.Maps([np.arange(5), np.arange(6)])
    one, out = np.ones((1, 1), np.float32), np.zeros((5, 6), np.float32)
    with pytest.raises(ValueError, match="two axes in order"):
        _core.correlate_separable(x, one, one, out, maps, (1, 0))
    with pytest.raises(ValueError, match="of one rank, at most 16"):
        _core.correlate_separable(x, np.ones((17, 1), np.float32), np.ones((17, 1), np.float32), out, maps, (0, 1))
    with pytest.raises(ValueError, match=r"out \+ kernel - 1"):
        _core.correlate_separable(x, np.ones((1, 2), np.float32), one, out, maps, (0, 1))
    wide = np.zeros((5, 6, 8), np.float32)[..., ::2].transpose(0, 2, 1)[:, :, ::-1]
    maps = _core.Maps([np.arange(5), np.arange(4), np.arange(6)])
    cube = np.zeros((5, 4, 6), np.float32)
    with pytest.raises(ValueError, match="two axes in order"):
        _core.correlate_separable(wide, one, one, cube, maps, (0, 3))
