"""A stream under a line of weights in the core, against the definition, and however it is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core
from tests.core.definition import restoring_threads
from tests.instruction_sets import HERE, each_instruction_set, using

SIZES = [(), (256,), (512,), (256, 512), (256, 1024), (512, 4096), (256, 512, 1024, 2048)]


def pushed(weights, sizes, x, cuts=(), done=0):
    """The outputs of all blocks."""
    stream = _core.LineStream(weights, list(sizes), len(x), done)
    found = []
    for block in np.split(x, sorted(cuts), axis=1):
        out = np.full(block.shape, np.nan, x.dtype)
        stream.push(block, out)
        found.append(out)
    return np.concatenate(found, axis=1)


def by_definition(weights, x):
    """In float64."""
    return np.array([np.convolve(channel, weights)[: len(channel)] for channel in x.astype(np.float64)])


@st.composite
def streams(draw):
    """Weights, sizes of blocks that are less, channels of whole numbers, and cuts."""
    sizes = draw(st.sampled_from(SIZES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    largest = max(sizes, default=256)
    taps = rng.integers(max(sizes, default=0), 3 * largest + 100) + 1
    channels, frames = draw(st.integers(1, 3)), rng.integers(1, 5 * largest)
    dtype = draw(st.sampled_from(["f4", "f8"]))
    weights = rng.integers(-4, 5, taps).astype(dtype)
    x = rng.integers(-4, 5, (channels, frames)).astype(dtype)
    return weights, sizes, x, rng.integers(0, frames + 1, 4), int(rng.integers(0, 5000))


@each_instruction_set
@settings(deadline=None, max_examples=50)
@given(streams())
def test_equals_the_definition_and_for_any_cut_itself(instruction_set, case):
    weights, sizes, x, cuts, done = case
    with using(instruction_set):
        whole, cut = pushed(weights, sizes, x, done=done), pushed(weights, sizes, x, cuts, done)
    assert np.array_equal(whole, cut)
    allowed = 60 * float(np.finfo(x.dtype).eps) * np.abs(weights).sum() * 4
    assert np.abs(whole - by_definition(weights, x)).max(initial=0) <= allowed


def test_no_channels_and_no_frames_are_none():
    for shape in [(0, 9), (2, 0)]:
        assert pushed(np.ones(900), (256,), np.zeros(shape)).shape == shape


def test_a_weight_among_zeros_moves_the_samples_exactly_to_a_few_roundings():
    x = np.random.default_rng(0).normal(size=(1, 20_000)).astype(np.float32)
    for at in [0, 255, 256, 511, 512, 1023, 1024, 4095, 4096, 8191, 9999]:
        weights = np.zeros(10_000, np.float32)
        weights[at] = 1
        result = pushed(weights, (256, 1024, 4096), x)
        expected = np.concatenate([np.zeros((1, at), np.float32), x], axis=1)[:, :20_000]
        assert np.abs(result - expected).max() < 16 * np.finfo(np.float32).eps, at


@each_instruction_set
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_sample_stays_within_its_reach(instruction_set, bad):
    weights = np.random.default_rng(1).normal(size=3000).astype(np.float32)
    x = np.random.default_rng(2).normal(size=(2, 9000)).astype(np.float32)
    x[1, 777] = bad
    with using(instruction_set):
        result = pushed(weights, (256, 1024), x, cuts=[800, 2000])
    reached = np.zeros((2, 9000), bool)
    reached[1, 777 : 777 + 3000] = True
    assert np.array_equal(~np.isfinite(result), reached)
    x[1, 777] = 0
    assert np.abs(result - by_definition(weights, x))[~reached].max() < 1e-3


@each_instruction_set
def test_what_overflows_in_a_transform_alone_is_computed_again(instruction_set):
    weights = np.full(3000, 1e-3, np.float32)
    x = np.full((1, 9000), 3e38, np.float32)
    with using(instruction_set):
        result = pushed(weights, (256, 1024), x * np.float32(0.3), cuts=[800, 2000])
    assert np.abs(result / 3e38 - by_definition(weights, x * np.float32(0.3)) / 3e38).max() < 1e-4


def test_silence_after_sound_is_silent():
    x = np.random.default_rng(3).normal(size=(1, 9000)).astype(np.float32)
    x[:, 2000:] = 0
    assert not pushed(np.ones(3000, np.float32), (256, 1024), x)[:, 6100:].any()


def test_the_threads_do_not_change_a_bit():
    x = np.random.default_rng(4).normal(size=(5, 9000)).astype(np.float32)
    weights = np.random.default_rng(5).normal(size=3000).astype(np.float32)
    with restoring_threads():
        results = []
        for threads in (1, 2, 4):
            _core.set_threads(threads)
            results.append(pushed(weights, (256, 1024), x))
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_strides_of_any_kind_are_read_and_written():
    weights = np.random.default_rng(6).normal(size=700)
    whole = np.random.default_rng(7).normal(size=(4000, 6))
    x, out = whole[::-2, 1::2].T, np.full((3, 4000), 7.0)
    _core.LineStream(weights, [256], 3).push(x, out[:, ::-2])
    assert np.array_equal(out[:, ::-2], pushed(weights, [256], np.ascontiguousarray(x)))
    assert (out[:, ::2] == 7).all()


def test_a_copy_and_what_is_made_of_the_past_go_on_alike():
    rng = np.random.default_rng(8)
    weights, sizes = rng.normal(size=5000), [256, 2048]
    first, then = rng.normal(size=(2, 9300)), rng.normal(size=(2, 7000))
    stream = _core.LineStream(weights, sizes, 2)
    stream.push(first, np.empty_like(first))
    past = stream.past()
    again = _core.LineStream(weights, sizes, 2, (stream.done - past.shape[1]) % 2048)
    again.push(past, np.empty_like(past))
    results = []
    for one in (stream.copy(), again, stream):
        results.append(np.empty_like(then))
        one.push(then, results[-1])
    assert stream.done == 9300 + 7000
    assert np.array_equal(results[0], results[2])
    assert np.array_equal(results[1], results[2])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 2)), [], 1), "a line of weights"),
        ((np.ones(0), [], 1), "a line of weights"),
        ((np.ones(600)[::2], [], 1), "contiguous weights"),
        ((np.ones(4, np.int64), [], 1), "float32 or float64"),
        ((np.ones(4, np.complex64), [], 1), "float32 or float64"),
        ((np.ones(900), [128], 1), "sizes of twos"),
        ((np.ones(900), [768], 1), "sizes of twos"),
        ((np.ones(900), [512, 256], 1), "sizes that grow"),
        ((np.ones(256), [256], 1), "less than the weights"),
        ((np.ones(9000), [256] * 17, 1), "too many sizes"),
        ((np.ones(9000), [256, 256], 1), "sizes that grow"),
        ((np.ones(900), [256], -1), "number of channels"),
        ((np.ones(900), [256], 1, -1), "number of channels"),
        ((np.ones(900), [256], 2**31), "too much memory"),
    ],
)
def test_what_would_corrupt_memory_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        _core.LineStream(*arguments)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("x", "out", "message"),
    [
        (np.ones((3, 9)), np.ones((3, 9)), "channels x frames"),
        (np.ones((2, 9)), np.ones((2, 8)), "channels x frames"),
        (np.ones(9), np.ones(9), "channels x frames"),
        (np.ones((2, 9), np.float32), np.ones((2, 9), np.float32), "the weights' dtype"),
        (np.ones((2, 9)), np.ones((2, 9), np.complex128), "the weights' dtype"),
    ],
)
def test_a_stream_takes_what_it_was_made_for(x, out, message):
    with pytest.raises(ValueError, match=message):
        _core.LineStream(np.ones(900), [256], 2).push(x, out)


@pytest.mark.bad_input
@pytest.mark.skipif(len(HERE) < 2, reason="one instruction set")
def test_a_stream_of_another_instruction_set_is_refused():
    with using(HERE[0]):
        stream = _core.LineStream(np.ones(900), [256], 1)
    with pytest.raises(ValueError, match="another instruction set"):
        stream.push(np.ones((1, 9)), np.ones((1, 9)))
