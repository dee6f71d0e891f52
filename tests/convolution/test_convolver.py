"""A stream is convolved as the whole is, and the same to the bit however it is cut."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens import errors

LINES = [np.float16, np.float32, np.float64, np.complex64, np.int16, np.uint8]


def streamed(x, kernel, cuts, **options):
    """The outputs of all blocks, and what remains."""
    stream = cl.convolver(kernel, **options)
    axis = options.get("axis", 0)
    parts = [stream.push(block) for block in np.split(x, sorted(cuts), axis)]
    return np.concatenate([*parts, stream.flush()], axis)


@st.composite
def streams(draw):
    """A signal of one or two axes beside the stream's, a kernel short or long, and where the stream is cut."""
    ndim = draw(st.integers(1, 3))
    axis = draw(st.integers(0, ndim - 1))
    line = draw(st.booleans()) or ndim == 1
    longest = draw(st.sampled_from([8, 80, 700] if ndim > 1 else [8, 80, 700, 5000]))
    taps = draw(st.integers(1, longest))
    shape = [draw(st.integers(1, 4)) for _ in range(ndim)]
    shape[axis] = draw(st.integers(1, 2 * longest))
    sizes = [taps if d == axis else draw(st.integers(1, 3)) for d in range(ndim)]
    mode = draw(st.sampled_from(["full", "same", "valid"]))
    options = {"mode": mode, "axis": axis}
    if mode == "valid":
        shape = [
            max(n, k)
            for n, k in zip(shape, [taps if d == axis else 1 for d in range(ndim)] if line else sizes, strict=True)
        ]
    else:
        options["boundary"] = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric"]))
        options["fill_value"] = draw(st.sampled_from([0, 2])) if options["boundary"] == "constant" else 0
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kind = draw(st.sampled_from(LINES))
    x, kernel = (rng.integers(0, 9, size).astype(kind) for size in (shape, [taps] if line else sizes))
    if np.dtype(kind).kind in "fc":
        x, kernel = (x * rng.normal(size=x.shape)).astype(kind), (kernel * rng.normal(size=kernel.shape)).astype(kind)
    if draw(st.integers(0, 3)) == 0:
        kernel = kernel * (rng.random(kernel.shape) < 0.02).astype(kind)
    cuts = draw(st.lists(st.integers(0, shape[axis]), max_size=6))
    return x, kernel, cuts, options


@given(streams())
@settings(max_examples=60)
def test_any_cut_gives_the_same_bits_and_they_are_the_wholes(case):
    x, kernel, cuts, options = case
    whole = streamed(x, kernel, [], **options)
    assert np.array_equal(streamed(x, kernel, cuts, **options), whole)
    rest = {name: value for name, value in options.items() if name != "axis"}
    axes = options["axis"] if kernel.ndim == 1 else None
    expected = cl.convolve(x, kernel, axes=axes, **rest)
    assert whole.dtype == expected.dtype
    if whole.dtype.kind == "i":
        assert np.array_equal(whole, expected)
        return
    scale = max(abs(x).max(initial=0), 2) * abs(kernel).astype(np.complex128).sum() + 1e-300
    tolerance = {2: 2e-3, 4: 2e-5, 8: 1e-12 if whole.dtype == np.float64 else 2e-5, 16: 1e-12}[whole.itemsize]
    np.testing.assert_allclose(whole / scale, expected / scale, atol=tolerance)


def test_samples_one_by_one_are_the_whole():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=6000).astype(np.float32), rng.normal(size=2500).astype(np.float32)
    assert np.array_equal(streamed(x, kernel, range(1, 6000)), streamed(x, kernel, []))


def test_a_copy_goes_on_by_itself():
    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=(9000, 2)), rng.normal(size=4000)
    stream = cl.convolver(kernel)
    first = stream.push(x[:5000])
    for copied in (stream.copy(), copy.copy(stream), copy.deepcopy(stream)):
        copied.push(np.ones((3000, 2)))
        copied.flush()
    again = stream.copy()
    rest = [np.concatenate([one.push(x[5000:]), one.flush()]) for one in (stream, again)]
    assert np.array_equal(*rest)
    assert np.array_equal(np.concatenate([first, rest[0]]), streamed(x, kernel, []))


@pytest.mark.parametrize("kind", [np.float32, np.complex128, np.int64])
def test_a_stream_goes_on_in_another_process(kind):
    """What is pickled is its past: all else follows."""
    rng = np.random.default_rng(6)
    x, kernel = (rng.integers(-9, 9, size).astype(kind) for size in ((9000, 2), 4000))
    stream = cl.convolver(kernel)
    stream.push(x[:5003])
    again = pickle.loads(pickle.dumps(stream))
    assert np.array_equal(again.push(x[5003:]), stream.push(x[5003:]))
    assert np.array_equal(again.flush(), stream.flush())


@pytest.mark.bad_input
def test_two_threads_at_one_stream_are_refused_not_mixed_up():
    stream = cl.convolver(np.ones(48_000))
    long = np.zeros(1 << 20)
    stream.push(long)
    for _ in range(50):  # until they meet
        with ThreadPoolExecutor(2) as both:
            pushes = [both.submit(stream.push, long) for _ in range(2)]
        if found := [error for push in pushes if (error := push.exception())]:
            break
    assert [type(error) for error in found] == [errors.ArgumentError]
    assert "push: need one thread at a time" in str(found[0])


def test_after_a_flush_another_stream_begins():
    stream = cl.convolver([1.0, 2.0])
    assert stream.push(np.float32([1])).tolist() == [1]
    assert stream.flush().tolist() == [2]
    assert stream.push(np.float64([[3.0, 4.0]])).tolist() == [[3, 4]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("taps", [5, 3000])
def test_a_bad_sample_reaches_only_the_outputs_whose_window_holds_it(bad, taps):
    rng = np.random.default_rng(2)
    x, kernel = rng.normal(size=20_000), rng.normal(size=taps)
    x[4321] = bad
    result = streamed(x, kernel, range(0, 20_000, 512))
    reached = np.zeros(len(result), bool)
    reached[4321 : 4321 + taps] = True
    assert np.array_equal(~np.isfinite(result), reached)
    x[4321] = 0
    np.testing.assert_allclose(result[~reached], cl.convolve(x, kernel)[~reached], atol=1e-10)


def test_samples_come_out_as_they_go_in():
    stream = cl.convolver(np.ones(48_000, np.float32))
    assert [len(stream.push(np.zeros(n, np.float32))) for n in (512, 0, 1, 5000)] == [512, 0, 1, 5000]
    assert len(stream.flush()) == 47_999


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "blocks", "error", "message"),
    [
        (lambda: cl.convolver([1, 2], boundary="wrap"), [], errors.BoundaryError, "which begins with the end"),
        (lambda: cl.convolver([1, 2], "all"), [], errors.ArgumentError, "^mode: need one of full"),
        (lambda: cl.convolver(torch.ones(2)), [], errors.DtypeError, "^kernel: need a NumPy array"),
        (lambda: cl.convolver([]), [np.zeros(2)], errors.ShapeError, "^kernel: need at least one weight"),
        (lambda: cl.convolver([1, 2], axis=1), [np.zeros(2)], errors.ArgumentError, "^axis: need one of the block's"),
        (lambda: cl.convolver([1, 2]), [torch.ones(2)], errors.DtypeError, "^block: need a NumPy array"),
        (
            lambda: cl.convolver([1, 2]),
            [np.zeros(2), np.zeros(2, "f4")],
            errors.DtypeError,
            "first one's dtype float64",
        ),
        (
            lambda: cl.convolver([1, 2]),
            [np.zeros((2, 3)), np.zeros((2, 4))],
            errors.ShapeError,
            r"need \(3,\) beside axis 0",
        ),
        (lambda: cl.convolver([[1, 2]]), [np.zeros(2)], errors.ShapeError, "^kernel: need 1 dimensions"),
        (lambda: cl.convolver([2, 2]), [np.array([2**62])], errors.OverflowRefused, "sums that fit in 64 bits"),
        (lambda: cl.convolver([1]), [], errors.ArgumentError, "^flush: need at least one block before"),
    ],
)
def test_a_mistake_gets_its_own_sentence(make, blocks, error, message):
    def use():
        stream = make()
        for block in blocks:
            stream.push(block)
        stream.flush()

    with pytest.raises(error, match=message):
        use()
