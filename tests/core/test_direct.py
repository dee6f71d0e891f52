"""Direct correlation in the core against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import Problem, correlate_by_definition, problems, restoring_threads, tolerance
from tests.instruction_sets import each_instruction_set, using


def run(problem: Problem) -> np.ndarray:
    out = problem.empty_out()
    _core.correlate_direct(
        problem.x, problem.kernel, out, _core.Maps(problem.maps), problem.fill.item(), problem.bound()
    )
    return out


@each_instruction_set
@settings(deadline=None, max_examples=120)
@given(problem=problems())
def test_equals_the_definition(problem, instruction_set):
    with using(instruction_set):
        out = run(problem)
    expected = correlate_by_definition(problem)
    np.testing.assert_allclose(out, expected, rtol=0, atol=tolerance(problem))


@settings(deadline=None, max_examples=60)
@given(problem=problems(dtypes=("f4", "f8", "c8", "i8")), data=st.data())
def test_a_window_with_infinity_or_nan_is_the_only_one_contaminated(problem, data):
    if problem.x.size == 0 or problem.x.dtype.kind == "i":
        return
    at = tuple(data.draw(st.integers(0, n - 1)) for n in problem.x.shape)
    problem.x[at] = data.draw(st.sampled_from([np.nan, np.inf]))
    touched = correlate_by_definition(problem.marking(at)) > 0
    out = run(problem)
    assert np.isfinite(out[~touched]).all()
    assert not np.isfinite(out[touched]).any()


SHAPES = {
    "a long line": ((300_000,), (100,)),
    "a line with channels": ((100_001, 2), (37, 1)),
    "lines with three channels": ((3, 30_000, 3), (1, 40, 1)),
    "a picture": ((1000, 1300), (5, 7)),
    "a picture with colours": ((700, 600, 3), (3, 3, 1)),
    "a tall kernel": ((1500, 700), (40, 1)),
    "a volume": ((50, 60, 70), (3, 4, 5)),
    "a batch of pictures": ((4, 3, 200, 210), (1, 1, 3, 3)),
}


@each_instruction_set
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "u1"])
@pytest.mark.parametrize("name", SHAPES)
def test_large_problems_equal_the_definition_with_any_number_of_threads(name, dtype, instruction_set):
    shape, kernel_shape = SHAPES[name]
    problem = Problem.random(shape, kernel_shape, dtype, seed=len(name))
    with restoring_threads(), using(instruction_set):
        outs = []
        for count in (1, 2, 4):
            _core.set_threads(count)
            outs.append(run(problem))
    assert outs[0].tobytes() == outs[1].tobytes() == outs[2].tobytes()
    np.testing.assert_allclose(outs[0], correlate_by_definition(problem), rtol=0, atol=tolerance(problem))


def test_integers_are_exact_up_to_the_last_bit_of_int64():
    x = np.array([2**62, -1, 3], np.int64)
    maps = _core.Maps([np.array([0, 1, 2])])
    out = np.empty(2, np.int64)
    _core.correlate_direct(x, np.array([1, 2**61]), out, maps, 0, math.inf)
    assert out.tolist() == [2**62 - 2**61, -1 + 3 * 2**61]


def test_nothing_around_the_output_is_written():
    problem = Problem.random((40, 1500), (3, 3), "f4", seed=1)
    frame = np.full((42, 1502), 7, np.float32)
    _core.correlate_direct(problem.x, problem.kernel, frame[1:-1, 1:-1], _core.Maps(problem.maps), float(problem.fill))
    np.testing.assert_allclose(frame[1:-1, 1:-1], correlate_by_definition(problem), atol=tolerance(problem))
    frame[1:-1, 1:-1] = 7
    assert (frame == 7).all()


def test_a_map_that_reads_beyond_the_signal_is_refused():
    x, kernel, out = np.zeros(3), np.ones(1), np.zeros(3)
    with pytest.raises(ValueError, match="a map reads beyond x"):
        _core.correlate_direct(x, kernel, out, _core.Maps([np.array([0, 1, 3])]))
    with pytest.raises(ValueError, match="entries are positions, or -1"):
        _core.Maps([np.array([0, -2])])
    with pytest.raises(ValueError, match=r"out \+ kernel - 1"):
        _core.correlate_direct(x, kernel, out, _core.Maps([np.array([0, 1, 2, 0])]))
    with pytest.raises(ValueError, match="C-contiguous kernel"):
        _core.correlate_direct(x, np.ones(4)[::2], out[:2], _core.Maps([np.array([0, 1, 2])]))


def test_an_output_without_samples_leaves_what_lies_around_it_alone():
    around = np.full((3, 4), 7.0)
    maps = _core.Maps([np.arange(5), np.zeros(0, np.int64)])
    _core.correlate_direct(np.zeros((5, 0)), np.ones((3, 1)), around[:, 2:2], maps)
    np.testing.assert_array_equal(around, np.full((3, 4), 7.0))
