"""Correlation by a list of nonzeros in the core, against the dense definition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import Problem, correlate_by_definition, problems, restoring_threads, tolerance
from tests.instruction_sets import each_instruction_set, using


def run(problem: Problem, offsets: np.ndarray) -> np.ndarray:
    weights = problem.kernel[tuple(offsets.T)]
    out = problem.empty_out()
    _core.correlate_sparse(
        problem.x, offsets, weights, out, _core.Maps(problem.maps), problem.fill.item(), problem.bound()
    )
    return out


def sparsified(problem: Problem, nonzeros: int, seed: int) -> tuple[Problem, np.ndarray]:
    """The problem with only `nonzeros` of its kernel's entries kept, and where they are."""
    rng = np.random.default_rng(seed)
    kept = rng.choice(problem.kernel.size, min(nonzeros, problem.kernel.size), replace=False)
    offsets = np.stack(np.unravel_index(kept, problem.kernel.shape), axis=1).astype(np.int64)
    kernel = np.zeros_like(problem.kernel)
    kernel[tuple(offsets.T)] = problem.kernel[tuple(offsets.T)]
    return replace(problem, kernel=kernel), offsets


@each_instruction_set
@settings(deadline=None, max_examples=120)
@given(problem=problems(), nonzeros=st.integers(1, 9))
def test_equals_the_definition(problem, nonzeros, instruction_set):
    problem, offsets = sparsified(problem, nonzeros, seed=nonzeros)
    with using(instruction_set):
        out = run(problem, offsets)
    np.testing.assert_allclose(out, correlate_by_definition(problem), rtol=0, atol=tolerance(problem))


@each_instruction_set
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "i2"])
@pytest.mark.parametrize(
    ("shape", "kernel_shape"), [((400_000,), (90_000,)), ((150_001, 2), (50_000, 1)), ((700, 900), (99, 80))]
)
def test_large_problems_equal_the_definition_with_any_number_of_threads(shape, kernel_shape, dtype, instruction_set):
    full = Problem.random(shape, kernel_shape, dtype, seed=1, before=[k - 1 for k in kernel_shape])
    problem, offsets = sparsified(full, 5, seed=2)
    with restoring_threads(), using(instruction_set):
        outs = []
        for count in (1, 2, 4):
            _core.set_threads(count)
            outs.append(run(problem, offsets))
    assert outs[0].tobytes() == outs[1].tobytes() == outs[2].tobytes()
    expected = np.zeros_like(outs[0])
    single = replace(problem, kernel=np.ones((1,) * len(shape), problem.kernel.dtype))
    for at in offsets:
        maps = [m[o : o + n] for m, o, n in zip(problem.maps, at, problem.out_shape, strict=True)]
        expected += (problem.kernel[tuple(at)] * correlate_by_definition(replace(single, maps=maps))).astype(
            expected.dtype
        )
    np.testing.assert_allclose(
        outs[0], expected, rtol=0, atol=tolerance(replace(problem, kernel=problem.kernel[problem.kernel != 0]))
    )


def test_a_tap_that_points_outside_its_map_is_refused():
    x, out, maps = np.zeros(4), np.zeros(3), _core.Maps([np.arange(4)])
    weights = np.ones(1)
    with pytest.raises(ValueError, match="offset outside the map"):
        _core.correlate_sparse(x, np.array([[2]]), weights, out, maps)
    with pytest.raises(ValueError, match="offset outside the map"):
        _core.correlate_sparse(x, np.array([[-1]]), weights, out, maps)
    with pytest.raises(ValueError, match="one weight a nonzero"):
        _core.correlate_sparse(x, np.array([[0], [1]]), weights, out, maps)
