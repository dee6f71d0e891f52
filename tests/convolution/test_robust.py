"""Calls that once crashed, hung, or went wrong the second time."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import errors
from convolens.convolution import extend, quick

LINE = np.arange(6.0)


def test_an_empty_channel_axis_is_empty_every_time():
    for _ in range(3):
        assert cl.convolve(np.zeros((5, 0)), np.ones((3, 1)), "same").shape == (5, 0)
        assert cl.convolve(np.zeros((5, 5, 0)), np.ones((3, 3)), axes=(0, 1)).shape == (7, 7, 0)


def test_a_nan_in_a_long_low_rank_problem_ends_with_one_thread():
    code = """
import numpy as np, convolens as cl
cl.threads(1)
kernel = np.outer(np.arange(1, 6), np.arange(1, 601)).astype("f4")
x = np.zeros((8, 100_000), "f4")
x[4, 50_000] = np.nan
print(int(np.isnan(cl.convolve(x, kernel, "same")).sum()))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(out.stdout) == 5 * 600


def test_signals_of_many_lengths_do_not_fill_the_memory():
    for more in range(12):
        cl.convolve(np.zeros(70_000 + more, np.float32), np.ones(3, np.float32), "same")
    assert extend._cached_long_maps.cache_info().currsize <= 4
    before = len(quick._recipes)
    cl.convolve(np.zeros(71_000, np.float32), np.ones(3, np.float32), "same")
    assert len(quick._recipes) == before


@pytest.mark.parametrize("fill", [3, 3.0, np.float64(3), np.float32(3), np.int8(3), np.array(3)])
def test_a_number_to_fill_with_may_be_of_any_kind(fill):
    expected = [3 + 3 + 0, 3 + 0 + 1, 0 + 1 + 2, 1 + 2 + 3, 2 + 3 + 3, 3 + 3 + 3]
    for x in (np.arange(4), np.arange(4.0)):
        for _ in range(2):
            np.testing.assert_array_equal(cl.convolve(x, np.ones(3, x.dtype), fill_value=fill), expected)


def test_the_gradient_conjugates_any_kind_of_complex_number():
    arrays = np.array([1j, 2]), np.array([1, 1j]), np.ones(3)
    plain = cl.convolve_gradients(*arrays, fill_value=1 + 2j)[1]
    np.testing.assert_array_equal(cl.convolve_gradients(*arrays, fill_value=np.complex64(1 + 2j))[1], plain)


def test_a_complex_border_is_the_same_by_torchs_operators():
    x = torch.tensor([1j, 2, 3])
    forced = cl.convolve(x, x[:2], fill_value=1j, method="torch")
    torch.testing.assert_close(forced, cl.convolve(x, x[:2], fill_value=1j))


@pytest.mark.bad_input
def test_axes_may_be_a_list_or_numpys_integers():
    picture = np.ones((3, 4))
    np.testing.assert_array_equal(
        cl.convolve(picture, np.ones((2, 2)), axes=[0, 1]), cl.convolve(picture, np.ones((2, 2)))
    )
    np.testing.assert_array_equal(cl.convolve(LINE, np.ones(3), axes=np.int64(0)), cl.convolve(LINE, np.ones(3)))
    with pytest.raises(errors.ArgumentError, match=r"axes: need whole numbers, got 0\.5"):
        cl.convolve(LINE, np.ones(3), axes=0.5)


def test_a_complex_zero_is_refused_for_reals_whatever_was_called_before():
    cl.convolve(LINE, np.ones(3), fill_value=0)
    with pytest.raises(errors.DtypeError, match="need a real number for float64"):
        cl.convolve(LINE, np.ones(3), fill_value=0j)


def test_a_method_that_there_is_not_is_refused_also_for_huge_integers():
    with pytest.raises(errors.MethodError, match="got 'foo'"):
        cl.convolve(np.array([2**62]), np.array([1, 1, 1]), method="foo")


@pytest.mark.parametrize("dtypes", [("f2", "f2"), ("u1", "u1"), (">f8", ">f8"), ("?", "?"), ("f8", "f4")])
def test_every_dtype_can_be_measured(dtypes):
    plan = cl.plan(np.ones(50, dtypes[0]), np.ones(3, dtypes[1]), measure=True)
    assert plan.cost.seconds > 0


def test_the_result_may_be_a_field_of_a_structured_array():
    field = np.zeros(8, [("a", "c8"), ("b", "f4")])["a"]
    x = np.arange(8).astype("c8")
    cl.convolve(x, np.ones(3, "c8"), "same", out=field)
    np.testing.assert_array_equal(field, cl.convolve(x, np.ones(3, "c8"), "same"))


def test_the_gradients_of_nothing_are_zeros():
    in_x, in_kernel = cl.convolve_gradients(np.zeros(0), np.ones(3), np.ones(0), "same")
    assert in_x.shape == (0,)
    np.testing.assert_array_equal(in_kernel, np.zeros(3))


def test_arrays_of_any_layout_mix_with_tensors():
    expected = cl.convolve(LINE[::-1].copy(), np.ones(2))
    np.testing.assert_array_equal(cl.convolve(LINE[::-1], torch.ones(2, dtype=torch.float64)), expected)
    swapped = LINE.astype(">f8")[::-1]
    np.testing.assert_array_equal(cl.convolve(swapped, torch.ones(2, dtype=torch.float64)), expected)
