"""The planner: what it chooses where the answer is known, and how it says so."""

from types import SimpleNamespace

import numpy as np
import pytest

import convolens as cl
from convolens.convolution import planner, windows
from convolens.convolution.algorithms import direct, overlap_save
from convolens.convolution.job import Cost
from convolens.convolution.structure import describe, terms_of

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def echo():
    kernel = np.zeros(40_000, np.float32)
    kernel[[0, 10_000, 39_999]] = 1, 0.5, 0.25
    return kernel


@pytest.mark.parametrize(
    ("x", "kernel", "method"),
    [
        (normal(64, 64), normal(3, 3), "direct"),
        (normal(300_000), echo(), "sparse"),
        (normal(1000, 1), normal(1, 1000), "outer"),
        (normal(700, 700), np.multiply.outer(normal(15), normal(15)), "separable"),
        (normal(2_500_000), normal(2_400_000), "fft"),
        (normal(500_000), normal(2000), "overlap_save"),
    ],
)
def test_the_choice_is_clear_where_one_method_is_far_ahead(x, kernel, method):
    assert cl.plan(x, kernel).method == method


@pytest.mark.parametrize(
    ("shape", "kernel_shape"), [((216, 300, 3), (200, 300, 3)), ((200, 316, 3), (200, 300, 3)), ((10**6,), (10**6,))]
)
def test_few_outputs_of_a_huge_kernel_are_dot_products(shape, kernel_shape):
    assert cl.plan(normal(*shape), normal(*kernel_shape), "valid").method == "reduction"


def test_of_few_outputs_the_direct_method_is_predicted_to_take_far_longer_than_its_multiplications():
    # 17 times a picture of 180,000 numbers: each output is a tile of its own, and reads all of the picture anew.
    few = cl.plan(normal(216, 300, 3), normal(200, 300, 3), "valid").candidates
    many = cl.plan(normal(200, 300, 3), normal(17, 1, 1), "same").candidates
    few, many = (next(c.cost.seconds for c in candidates if c.name == "direct") for candidates in (few, many))
    assert few > 20 * many


def test_the_explanation_lists_every_method_with_its_cost_or_why_not():
    text = cl.plan(normal(700, 700), normal(31, 31)).explain()
    for line in ("direct", "sparse      cannot: more than half of the weights are not zero", "overlap_save"):
        assert line in text
    assert "predicted ms" in text
    assert text.count("*") == 1


def test_a_plan_is_cached_plan():
    x, kernel = normal(700, 700), normal(31, 31)
    assert cl.plan(x, kernel) is cl.plan(x, kernel)


@pytest.mark.parametrize(
    ("shape", "kernel_shape"), [((2003,), (301,)), ((251, 253), (15, 13)), ((61, 67), (3, 5)), ((100_003,), (61,))]
)
def test_a_call_specifies_once_and_plans_once_and_the_next_one_finds_the_plan(shape, kernel_shape, monkeypatch):
    specified = counting(monkeypatch, windows, "_specified")
    x, kernel = normal(*shape), normal(*kernel_shape)
    for plans in (1, 0, 0):
        specified.clear()
        made = planner._cached_plan.cache_info().misses
        cl.convolve(x, kernel, "same")
        assert planner._cached_plan.cache_info().misses == made + plans
        assert len(specified) <= 1


def test_a_tiny_call_like_an_earlier_one_is_neither_specified_nor_planned(monkeypatch):
    x, kernel = normal(31, 37), normal(3, 3)
    expected = cl.convolve(x, kernel)
    specified, looked_up = counting(monkeypatch, windows, "_specified"), counting(monkeypatch, windows, "plan_for")
    np.testing.assert_array_equal(cl.convolve(x, kernel), expected)
    assert specified == looked_up == []


def counting(monkeypatch, module, name):
    """The calls of a module's function, from now on."""
    calls, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args, **kwargs: calls.append(args) or function(*args, **kwargs))
    return calls


def test_measuring_keeps_what_is_fastest_by_the_clock_whatever_was_predicted(monkeypatch):
    x, kernel = normal(3000), normal(2000)
    assert cl.plan(x, kernel).method != "direct"
    # A clock that only the algorithms move: direct takes 1 s at its best, every other one 2 s.
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(planner, "perf_counter", lambda: clock.now)
    for algorithm in planner.ALGORITHMS:
        runs = iter((9.0, 1.0, 8.0) if algorithm.NAME == "direct" else (2.0, 2.0, 2.0))
        monkeypatch.setattr(algorithm, "run", taking(runs, clock))
    plan = cl.plan(x, kernel, measure=True)
    assert plan.method == "direct"
    seconds = {c.name: c.cost.seconds for c in plan.candidates if c.cost}
    assert seconds == {"direct": 1, "fft": 2, "overlap_save": 2}


def taking(durations, clock):
    def run(job, solve):
        clock.now += next(durations)

    return run


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_rank_is_found_and_its_terms_make_the_kernel(rank):
    kernel = sum(np.multiply.outer(RNG.normal(size=25), RNG.normal(size=21)) for _ in range(rank))
    assert describe(kernel, seek_rank=True).terms == rank
    _, terms = terms_of(kernel)
    np.testing.assert_allclose(sum(line * rest for line, rest in terms), kernel, atol=1e-13)


def test_a_kernel_of_full_rank_is_not_split():
    assert describe(normal(15, 15), seek_rank=True).split is None


def test_integers_split_exactly_or_not_at_all():
    column, row = np.array([6, -4, 2]), np.array([3, 9, 0, 12])
    kernel = np.multiply.outer(column, row)
    _, [(line, rest)] = terms_of(kernel)
    np.testing.assert_array_equal(line * rest, kernel)
    assert line.dtype == rest.dtype == kernel.dtype
    kernel[0, 0] += 1
    assert terms_of(kernel)[0] is None


def test_a_cube_of_rank_one_is_split_twice():
    kernel = np.multiply.outer(np.multiply.outer(normal(7), normal(8)), normal(9))
    structure = describe(kernel, seek_rank=True)
    assert structure.terms == structure.rest.terms == 1


def test_of_methods_that_are_about_as_fast_the_most_precise_is_taken(monkeypatch):
    x, kernel = normal(3001), normal(301)
    by_sums, by_transforms = (SimpleNamespace(**vars(module)) for module in (direct, overlap_save))
    monkeypatch.setattr(planner, "ALGORITHMS", (by_sums, by_transforms))
    for seconds, expected in ((1.05, "direct"), (1.2, "overlap_save")):
        planner._cached_plan.cache_clear()
        by_sums.cost = lambda spec, best, seconds=seconds: Cost(seconds, 0.0, 1e-7)
        by_transforms.cost = lambda spec, best: Cost(1.0, 0.0, 1e-5)
        assert cl.plan(x, kernel).method == expected
    planner._cached_plan.cache_clear()


def test_neither_the_choice_nor_the_bits_depend_on_the_number_of_threads():
    x, kernel, found = normal(256, 256), normal(13, 13), cl.threads()
    results = []
    try:
        for count in (1, 2, 4):
            cl.threads(count)
            planner._cached_plan.cache_clear()
            results.append((cl.plan(x, kernel).method, cl.convolve(x, kernel)))
    finally:
        cl.threads(found)
    assert len({method for method, _ in results}) == 1
    for _, result in results[1:]:
        np.testing.assert_array_equal(result, results[0][1])
