"""What users are promised beyond the right numbers: nothing wraps, nothing spreads, nothing is copied whole."""

import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.convolution.planner import ALGORITHMS
from convolens.convolution.spec import Window
from convolens.convolution.windows import windows

METHODS = [algorithm.NAME for algorithm in ALGORITHMS]


def forced(x, kernel, mode="full", **options):
    """The result of every method that can do it, by name."""
    results = {}
    for method in METHODS:
        try:
            results[method] = cl.convolve(x, kernel, mode, method=method, **options)
        except cl.errors.MethodError:
            continue
    return results


def test_uint8_does_not_wrap():
    assert cl.convolve(np.full(5, 200, np.uint8), np.ones(5, np.uint8)).max() == 1000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("shape", "kernel_shape"), [((5000,), (700,)), ((130, 90), (21, 18)), ((40,), (60,))])
def test_a_bad_sample_contaminates_only_the_outputs_whose_window_holds_it(shape, kernel_shape, bad):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    kernel = np.multiply.outer(*(rng.normal(size=n) for n in kernel_shape)) if len(shape) > 1 else rng.normal(size=60)
    at = tuple(n // 3 for n in shape)
    x[at] = bad
    holds = tuple(slice(i, i + k) for i, k in zip(at, kernel.shape, strict=True))
    clean = x.copy()
    clean[at] = 0
    expected = cl.convolve(clean, kernel, method="direct")
    results = forced(x, kernel)
    assert {"direct", "fft"} <= set(results)
    for method, result in {"auto": cl.convolve(x, kernel), **results}.items():
        contaminated = ~np.isfinite(result)
        assert contaminated[holds].all(), method
        contaminated[holds] = False
        assert not contaminated.any(), method
        elsewhere = np.isfinite(result)
        np.testing.assert_allclose(result[elsewhere], expected[elsewhere], atol=1e-9, err_msg=method)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("fill_value", [0, 2])
def test_a_bad_sample_reaches_only_the_dot_products_that_hold_it(bad, fill_value):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(40, 31, 3)), rng.normal(size=(40, 31, 3))
    x[38, 5, 1] = bad
    window = Window((2, 1, 0), (2, 1, 0), "constant", fill_value)
    result = windows(x, kernel, window, method="reduction")
    assert result.shape == (5, 3, 1)
    extended = np.pad(x, ((2, 2), (1, 1), (0, 0)), constant_values=fill_value)
    expected = [[(extended[i : i + 40, j : j + 31] * kernel).sum() for j in range(3)] for i in range(5)]
    np.testing.assert_allclose(result[..., 0], expected, rtol=1e-10)
    one_below = windows(x, kernel, Window((0, 0, 0), (3, 0, 0)), method="reduction").ravel()
    assert np.isfinite(one_below).tolist() == [False, False, False, False]
    x[38, 5, 1], x[0, 0, 0] = 0, bad
    one_below = windows(x, kernel, Window((0, 0, 0), (3, 0, 0)), method="reduction").ravel()
    assert np.isfinite(one_below).tolist() == [False, True, True, True]


def test_a_bad_fill_value_contaminates_only_the_border():
    for method, result in forced(np.ones(3000), np.linspace(1, 2, 300), "same", fill_value=np.nan).items():
        assert np.isfinite(result).sum() == 3000 - 299, method


def test_values_so_large_that_transforms_overflow_are_still_right():
    x = np.full(4096, 1e36, np.float32)
    kernel = np.zeros(400, np.float32)
    kernel[[3, 9]] = 1e-30, 1e2
    np.testing.assert_allclose(cl.convolve(x, kernel, "valid", method="fft"), 1e38, rtol=1e-5)


@pytest.mark.parametrize("size", [4, 33, 300])
def test_full_convolution_commutes(size):
    rng = np.random.default_rng(size)
    x, kernel = rng.normal(size=(40, size)), rng.normal(size=(size, 5))
    for method, result in forced(x, kernel).items():
        np.testing.assert_allclose(result, cl.convolve(kernel, x), atol=1e-10, err_msg=method)


def test_methods_that_cannot_keep_integers_exact_decline():
    x = np.full(2000, 2**40)
    with pytest.raises(cl.errors.MethodError, match="rounding would not give exact integers"):
        cl.convolve(x, np.full(300, 2**10), method="fft")
    assert (cl.convolve(x, np.full(300, 2**10), "valid") == 300 * 2**50).all()


def test_integers_that_cannot_be_proved_to_fit_are_computed_without_limit():
    x = np.array([2**62, -(2**62), 2**62])
    assert cl.convolve(x, [1, 1]).tolist() == [2**62, 0, 0, 2**62]


def test_a_list_takes_the_signals_dtype():
    assert cl.convolve(np.ones(3, np.float32), [0.5, 0.5]).dtype == np.float32
    assert cl.convolve(np.ones(3, np.float32), [1, 2]).dtype == np.float32
    assert cl.convolve(np.ones(3, np.float32), [1j]).dtype == np.complex64
    assert cl.convolve(np.ones(3, np.uint8), [0.5]).dtype == np.float64
    assert cl.convolve(np.ones(3, np.float32), np.ones(2)).dtype == np.float64


def test_correlate_is_convolve_with_the_kernel_turned():
    rng = np.random.default_rng(3)
    x, kernel = rng.normal(size=(9, 8)), rng.normal(size=(4, 3))
    for mode in ("full", "same", "valid"):
        np.testing.assert_array_equal(cl.correlate(x, kernel, mode), cl.convolve(x, kernel[::-1, ::-1], mode))
    np.testing.assert_allclose(cl.correlate(x[0], kernel[0], "full"), np.correlate(x[0], kernel[0], "full"))


def test_out_may_be_the_signal_itself():
    x = np.arange(1000.0)
    expected = cl.convolve(x, [1.0, 2.0, 3.0], "same")
    assert cl.convolve(x, [1.0, 2.0, 3.0], "same", out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_out_may_be_strided():
    roomy = np.zeros((30, 24))
    x = np.random.default_rng(4).normal(size=(10, 8))
    for method, expected in forced(x, np.ones((3, 3)), "same").items():
        cl.convolve(x, np.ones((3, 3)), "same", method=method, out=roomy[::3, ::-3])
        np.testing.assert_array_equal(roomy[::3, ::-3], expected, err_msg=method)


def test_a_repeated_small_call_gives_the_same_through_its_recipe():
    rng = np.random.default_rng(5)
    for _ in range(3):
        x, kernel = rng.normal(size=(20, 20)), rng.normal(size=(4, 3)).T
        first = cl.convolve(x, kernel, "same", boundary="wrap")
        np.testing.assert_array_equal(first, cl.convolve(x, kernel, "same", boundary="wrap", method="direct"))
        np.testing.assert_array_equal(
            cl.correlate(x, kernel, "same", boundary="wrap"),
            cl.correlate(x, kernel, "same", boundary="wrap", method="direct"),
        )


def test_results_do_not_depend_on_the_number_of_threads():
    x, kernel = np.random.default_rng(6).normal(size=(300, 280)), np.random.default_rng(7).normal(size=(19, 16))
    before = cl.threads()
    try:
        one, many = ({cl.threads(n): None, **forced(x, kernel)} for n in (1, 3))
        for method in METHODS:
            if method in one:
                np.testing.assert_array_equal(one[method], many[method], err_msg=method)
    finally:
        cl.threads(before)


def test_a_tensor_gives_what_its_array_gives():
    x, kernel = torch.randn(50, 40), torch.randn(7, 5)
    result = cl.convolve(x, kernel, "same", boundary="reflect")
    assert isinstance(result, torch.Tensor)
    np.testing.assert_array_equal(result, cl.convolve(x.numpy(), kernel.numpy(), "same", boundary="reflect"))


@pytest.mark.parametrize("boundary", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize(("shape", "kernel_shape"), [((40,), (7,)), ((9, 11), (4, 3)), ((60, 70), (40, 35))])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_torchs_own_operators_agree(shape, kernel_shape, boundary, dtype):
    x, kernel = torch.randn(shape, dtype=dtype), torch.randn(kernel_shape, dtype=dtype)
    for mode in ("full", "same"):
        ours = cl.convolve(x, kernel, mode, boundary=boundary)
        theirs = cl.convolve(x, kernel, mode, boundary=boundary, method="torch")
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_half_tensors_keep_their_dtype():
    for dtype in (torch.float16, torch.bfloat16):
        assert cl.convolve(torch.ones(9, dtype=dtype), torch.ones(3, dtype=dtype)).dtype == dtype


def status(name):
    """A line of this process's status, in bytes: VmRSS, what it holds of memory now; VmHWM, at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def extra_memory(size, side):
    """Memory of the process at the peak of a call, the core's included, over input plus output."""
    x = np.ones((size, size), np.float32)
    kernel = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    out = np.ones_like(x)
    cl.convolve(x[:200, :200], kernel, "same")  # imports, plans
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = status("VmRSS")
    cl.convolve(x, kernel, "same", boundary="reflect", out=out)
    return (status("VmHWM") - before + x.nbytes + out.nbytes) / (x.nbytes + out.nbytes)


on_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="need Linux to see a process's memory")


@on_linux
def test_a_large_picture_needs_little_memory_besides():
    assert extra_memory(2500, 31) < 1.5


@on_linux
@pytest.mark.slow
def test_eight_thousand_squared_by_31_squared_needs_half_as_much_again_at_most():
    assert extra_memory(8192, 31) < 1.5


def test_a_memory_map_is_read_as_it_is(tmp_path):
    path = tmp_path / "sound.f4"
    np.arange(10_000_000, dtype=np.float32).tofile(path)
    mapped = np.memmap(path, np.float32, "r")[::-2]
    kernel = np.random.default_rng(0).normal(size=16).astype(np.float32)
    out = np.empty(5_000_000, np.float32)
    cl.convolve(mapped[:9000], kernel, "same")  # imports, plans
    tracemalloc.start()
    cl.convolve(mapped, kernel, "same", out=out)
    assert tracemalloc.get_traced_memory()[1] < out.nbytes / 2
    tracemalloc.stop()
    np.testing.assert_allclose(out, np.convolve(mapped, kernel, "same"), rtol=1e-4, atol=1e-1)


def test_a_long_signal_in_pieces_is_the_same_as_in_one():
    x = np.arange(3_000_000) % 251
    for boundary in ("constant", "wrap", "reflect"):
        result = cl.convolve(x.astype(np.uint8), [1, 2, 3, 0, 0, 0, 7], "same", boundary=boundary, fill_value=0)
        padded = np.pad(x, 3, boundary)
        np.testing.assert_array_equal(result, np.convolve(padded, [1, 2, 3, 0, 0, 0, 7], "valid"))
    floats = cl.convolve(x.astype(np.uint8), np.ones(3, np.float32), "same", fill_value=0.5)
    assert floats[0] == 0.5 + 0 + 1
    assert floats[-1] == x[-2] + x[-1] + 0.5


def test_no_warning_reaches_the_caller_from_infinities():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (np.array([np.inf, -np.inf, 1.0]), np.array([3e38, 3e38], np.float32)):
            forced(x, np.ones(2, x.dtype))
