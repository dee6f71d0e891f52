"""Correlation by transformed blocks in the core, against the dense definition and against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import Problem, correlate_by_definition, problems, restoring_threads
from tests.instruction_sets import each_instruction_set, using

SIDES = [16, 32, 48, 64, 80]
LENGTHS = [5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 25]


def run(problem: Problem, sizes, out=None) -> tuple[np.ndarray, list[int]]:
    out = problem.empty_out() if out is None else out
    spectrum = _core.Spectrum(problem.kernel, list(sizes))
    return out, spectrum.correlate(problem.x, out, _core.Maps(problem.maps), problem.fill.item())


def error_allowed(problem: Problem, sizes) -> float:
    """Zero for integers, else some roundings for each octave of the transforms."""
    if problem.kernel.dtype.kind == "i":
        return 0.0
    points = np.prod(sizes)
    return 3 * float(np.finfo(problem.kernel.dtype).eps) * np.log2(points) * problem.bound() + 1e-300


@st.composite
def cut_problems(draw):
    """A problem and sizes of blocks that its kernel fits in."""
    problem = draw(problems().filter(lambda p: any(k > 1 for k in p.kernel.shape)))
    axes = [k for k in problem.kernel.shape if k > 1]
    if len(axes) == 1:
        fitting = [(r, c) for r in SIDES for c in SIDES if r * c >= axes[0]]
        return problem, draw(st.sampled_from(fitting))
    choices = [LENGTHS] * (len(axes) - 2) + [SIDES] * 2
    return problem, tuple(
        draw(st.sampled_from([n for n in sizes if n >= k])) for k, sizes in zip(axes, choices, strict=True)
    )


@each_instruction_set
@settings(deadline=None, max_examples=150)
@given(cut_problems())
def test_equals_the_definition(instruction_set, cut):
    problem, sizes = cut
    with using(instruction_set):
        result, contaminated = run(problem, sizes)
    assert contaminated == []
    difference = np.abs(result - correlate_by_definition(problem))
    assert difference.max(initial=0) <= error_allowed(problem, sizes)


@pytest.mark.parametrize("sizes", [(r, c) for r in (16, 48, 80, 128, 144, 240) for c in (32, 160, 192, 400, 512)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_shift_of_any_length_is_exact_to_a_few_roundings(sizes, dtype):
    """A kernel with a single one among zeros moves the signal; every frequency must turn by just so much."""
    length = sizes[0] * sizes[1]
    kernel = np.zeros(length // 2, dtype)
    kernel[-3] = 1
    x = np.random.default_rng(0).normal(size=length).astype(dtype)
    out = np.empty(len(x) - len(kernel) + 1, dtype)
    _core.Spectrum(kernel, list(sizes)).correlate(x, out, _core.Maps([np.arange(length)]), 0)
    expected = x[len(kernel) - 3 :][: len(out)]
    assert np.abs(out - expected).max() < 16 * np.finfo(dtype).eps


@each_instruction_set
def test_the_threads_do_not_change_a_bit(instruction_set):
    problem = Problem.random((300, 400), (9, 12), "f4", seed=1)
    with restoring_threads(), using(instruction_set):
        results = []
        for threads in (1, 2, 4):
            _core.set_threads(threads)
            results.append(run(problem, (48, 64))[0])
    assert all(np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "c16"])
def test_tells_which_blocks_a_bad_sample_reached_and_leaves_the_others_alone(bad, dtype):
    problem = Problem.random((5000,), (40,), dtype, seed=2)
    clean, contaminated = run(problem, (16, 32))
    assert contaminated == []
    problem.x[1000] = bad
    result, contaminated = run(problem, (16, 32))
    step = 16 * 32 - 40 + 1
    each = 1 if dtype[0] == "c" else 2
    before = len(problem.maps[0]) - len(problem.x) - 20
    touched = {(1000 + before - o) // step // each for o in range(40)}
    assert touched <= set(contaminated) <= {min(touched) - 1, *touched, max(touched) + 1}
    for task in set(range(len(clean) // step // each)) - set(contaminated):
        part = slice(task * step * each, (task + 1) * step * each)
        np.testing.assert_array_equal(result[part], clean[part])


@pytest.mark.parametrize("loud", [1e3, 1e8, 1e25])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_quiet_row_keeps_its_digits_beside_a_loud_one(loud, dtype):
    """An odd number of blocks a row: the last of the loud row shares its transform with the first of the quiet one."""
    problem = Problem.random((2, 3000), (1, 512), dtype, seed=3)
    alone, _ = run(
        replace(problem, x=problem.x[1:], maps=[np.arange(1), problem.maps[1]], out_shape=(1, 3000)), (64, 64)
    )
    problem.x[0] *= loud
    result, contaminated = run(problem, (64, 64))
    assert contaminated == []
    assert np.abs(result[1] - alone[0]).max() <= 40 * np.finfo(dtype).eps * np.abs(alone).max()


def test_silence_beside_sound_stays_silent():
    problem = Problem.random((2, 3000), (1, 512), "f4", seed=3)
    problem.x[1] = 0
    result, _ = run(replace(problem, fill=np.float32(0)), (64, 64))
    assert not result[1].any()


@pytest.mark.parametrize(
    ("kernel", "sizes", "message"),
    [
        (np.ones((1, 1)), [16, 16], "two weights or more"),
        (np.ones((3, 3)), [16], "a size for each axis"),
        (np.ones((3, 3)), [16, 24, 16], "a size for each axis"),
        (np.ones((3, 3)), [16, 17], "multiples of a vector's lanes"),
        (np.ones((3, 3)), [16, 16 * 7], "products of 2, 3 and 5"),
        (np.ones((3, 20)), [16, 16], "shorter than the kernel"),
        (np.ones((3, 3), np.float16), [16, 16], "dtype"),
        (np.ones((3, 6))[:, ::2], [16, 16], "C-contiguous"),
    ],
)
@pytest.mark.bad_input
def test_what_would_corrupt_memory_is_refused(kernel, sizes, message):
    for _ in range(2):  # a refusal leaves nothing half made behind
        with pytest.raises(ValueError, match=message):
            _core.Spectrum(kernel, sizes)


@pytest.mark.parametrize(
    ("x", "out", "message"),
    [
        (np.ones((9, 9, 9)), np.ones((9, 9, 9)), "another dtype or rank"),
        (np.ones((9, 9), np.float32), np.ones((9, 9), np.float32), "another dtype"),
        (np.ones((9, 9)), np.ones((9, 7)), "out . kernel - 1"),
    ],
)
@pytest.mark.bad_input
def test_a_spectrum_fits_the_problem_it_was_made_for(x, out, message):
    maps = [np.arange(-1, 10).clip(0, 8) for _ in range(x.ndim)]
    with pytest.raises(ValueError, match=message):
        _core.Spectrum(np.ones((3, 3)), [16, 16]).correlate(x, out, _core.Maps(maps), 0)
