"""Methods that need more than the budget are not chosen; where all do, the call is refused before it allocates."""

import numpy as np
import pytest

import convolens as cl
from convolens.errors import MemoryRefused


@pytest.fixture(autouse=True)
def _default_budget_after():
    yield
    cl.memory_limit("auto")


X, KERNEL = (
    np.random.default_rng(0).random(200_000, dtype=np.float32),
    np.random.default_rng(1).random(150_000, dtype=np.float32),
)


def test_a_method_over_the_budget_is_passed_over_and_the_plan_says_so():
    free = cl.plan(X, KERNEL, "same")
    cl.memory_limit(int(0.9 * (free.cost.memory + X.nbytes)))
    frugal = cl.plan(X, KERNEL, "same")
    assert frugal.method != free.method
    assert frugal.cost.memory < free.cost.memory
    assert f"{free.method:<12}cannot: needs" in frugal.explain() and "MB of memory" in frugal.explain()


def test_the_frugal_methods_result_is_the_same():
    expected = cl.convolve(X[:50_000], KERNEL[:40_000], "same")
    cl.memory_limit(1_000_000)
    assert cl.plan(X[:50_000], KERNEL[:40_000], "same").cost.memory < 800_000
    np.testing.assert_allclose(cl.convolve(X[:50_000], KERNEL[:40_000], "same"), expected, rtol=1e-3)


@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_a_result_over_the_budget_is_refused(kind):
    cl.memory_limit("5MB")
    with pytest.raises(MemoryRefused, match=r"convolution of \(3000, 1\) by \(1, 3000\) .*need .* of memory"):
        cl.convolve(np.ones((3000, 1), kind), np.ones((1, 3000), kind))


def test_a_method_that_was_asked_for_is_refused_rather_than_replaced():
    cl.memory_limit("1MB")
    with pytest.raises(MemoryRefused, match=r"\(fft\): need"):
        cl.convolve(X[:100_000], KERNEL[:50_000], "same", method="fft")


def test_a_result_that_the_caller_holds_does_not_count():
    x, out = np.ones(400_000, np.float32), np.empty(400_000, np.float32)
    cl.memory_limit("1.1MB")
    with pytest.raises(MemoryRefused):
        cl.convolve(x, np.ones(3, np.float32), "same")
    cl.convolve(x, np.ones(3, np.float32), "same", out=out)
    assert out[1] == 3
