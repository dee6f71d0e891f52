import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convolens as cl
from convolens.effects.sounds.echo_stream import echo_stream
from convolens.errors import ArgumentError, DtypeError, ShapeError

torch = pytest.importorskip("torch")


def noise(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def by_definition(samples, rate, delays, weights, dry):
    frames = [round(delay * rate) for delay in delays]
    out = np.zeros((len(samples) + max([0, *frames]), *samples.shape[1:]), samples.dtype)
    for at, weight in zip([0, *frames], [dry, *weights], strict=True):
        out[at : at + len(samples)] += samples.dtype.type(weight) * samples
    return out


def test_echo_of_a_click_lands_where_it_should():
    click = np.zeros(100, np.float32)
    click[10] = 1
    out = cl.echo(click, 1000, [0.05, 0.2], [0.5, -0.25])
    assert out.shape == (300,)
    assert {int(at): float(out[at]) for at in np.flatnonzero(out)} == {10: 1.0, 60: 0.5, 210: -0.25}


@given(
    taps=st.lists(st.tuples(st.integers(0, 3000), st.floats(-2, 2)), min_size=1, max_size=5),
    dry=st.floats(-1, 1),
    shape=st.sampled_from([(1,), (2000,), (2000, 1), (500, 2), (3, 5)]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_echo_is_its_definition(taps, dry, shape, dtype):
    samples = noise(*shape, dtype=dtype)
    delays, weights = [at / 8000 for at, _ in taps], [w for _, w in taps]
    out = cl.echo(samples, 8000, delays, weights, dry=dry)
    expected = by_definition(samples, 8000, delays, weights, dry)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=0, atol=np.finfo(dtype).eps * 64)


def test_energy_of_echoes_that_do_not_overlap_is_the_sum_of_their_energies():
    samples = noise(500, dtype=np.float64)
    out = cl.echo(samples, 1000, [1.0, 2.0], [0.5, 0.25])
    assert np.sum(out**2) == pytest.approx(np.sum(samples**2) * (1 + 0.25 + 0.0625))


def test_channels_do_not_hear_one_another():
    left = noise(400)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    out = cl.echo(both, 100, 0.5, 0.5)
    np.testing.assert_allclose(out[:, 0], cl.echo(left, 100, 0.5, 0.5), atol=1e-6)
    assert not out[:, 1].any()


def test_two_echoes_in_one_frame_add_up():
    np.testing.assert_allclose(cl.echo(np.ones(1), 10, [0.1, 0.1], [0.5, 0.25], dry=0), [0, 0.75])


def test_a_tensor_gives_a_tensor_with_gradients():
    samples = torch.tensor(noise(50, 2, dtype=np.float64), requires_grad=True)
    out = cl.echo(samples, 10, [0.3, 1.0], [0.5, 0.25])
    np.testing.assert_allclose(out.detach(), cl.echo(samples.detach().numpy(), 10, [0.3, 1.0], [0.5, 0.25]))
    assert torch.autograd.gradcheck(lambda s: cl.echo(s, 10, [0.3, 1.0], [0.5, 0.25]), samples)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(0), 10, 1, 1), ShapeError, r"samples: need .* at least one sample, got shape \(0,\)"),
        ((np.zeros((2, 2, 2)), 10, 1, 1), ShapeError, r"samples: need \(frames,\) or \(frames, channels\)"),
        ((np.zeros(3, np.int16), 10, 1, 1), DtypeError, r"samples: need floats in \[-1, 1\], got int16"),
        ((np.zeros(3), 0, 1, 1), ArgumentError, r"rate: need a positive number of frames a second, below 2\^31, got 0"),
        ((np.zeros(3), np.nan, 1, 1), ArgumentError, "rate: need a positive number"),
        ((np.zeros(3), 10, -1, 1), ArgumentError, "delays: need seconds of at least 0, got -1"),
        ((np.zeros(3), 10, np.inf, 1), ArgumentError, "delays: need a finite number, or a list of them, got inf"),
        ((np.zeros(3), 10, [1, np.nan], [1, 1]), ArgumentError, "delays: need a finite number"),
        ((np.zeros(3), 10, 1, np.nan), ArgumentError, "weights: need a finite number"),
        ((np.zeros(3), 10, [1, 2], [1]), ArgumentError, "weights: need one for each of the 2 delays, got 1"),
        ((np.zeros(3), 10, [], []), ArgumentError, "delays: need a finite number, or a list of them"),
        ((np.zeros((3, 3)), 10, 1, [[1, 2]]), ArgumentError, "or one for each of 3 channels, got 2"),
        ((np.zeros(3), 10, [1, 2], [[1, 2], [3]]), ArgumentError, "weights: need numbers, in lists of one length"),
    ],
)
def test_what_makes_no_echo_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        cl.echo(*arguments)


@pytest.mark.bad_input
def test_a_dry_level_that_is_no_number_is_refused():
    with pytest.raises(ArgumentError, match="dry: need a finite number, got nan"):
        cl.echo(np.zeros(3), 10, 1, 1, dry=np.nan)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("delays", "options", "message"),
    [
        (1, {"feedback": 1.0}, "feedback: need a number between -1 and 1, where echoes die away, got 1"),
        (1, {"feedback": -1.5}, "feedback: need a number between -1 and 1, where echoes die away, got -1.5"),
        (1, {"feedback": np.nan}, "feedback: need a number between -1 and 1"),
        (0, {"feedback": 0.5}, "delays: need one of at least one frame for feedback, got none"),
        (1, {"feedback": 1 - 1e-9}, "feedback: need echoes that end within 86400 seconds"),
        (0.25, {"sub_sample": True}, "delays: need at least 32 frames where one falls between two frames, got 2.5"),
    ],
)
def test_what_makes_no_loop_and_no_tap_is_refused(delays, options, message):
    with pytest.raises(ArgumentError, match=message):
        cl.echo(np.zeros(3), 10, delays, 1, **options)


def test_feedback_repeats_the_echoes_until_they_are_90_decibels_down():
    out = cl.echo(np.ones(1), 10, [0.2, 0.5], [1.0, 0.5], feedback=0.5)
    repeats = 15  # 0.5^15 = -90.3 dB
    expected = np.zeros(1 + 5 + 5 * repeats)
    expected[0] = 1
    for k in range(repeats + 1):
        expected[2 + 5 * k] += 0.5**k
        expected[5 + 5 * k] += 0.5 * 0.5**k
    np.testing.assert_allclose(out, expected, atol=1e-15)
    assert abs(out[-1]) >= 10 ** (-90 / 20) / 4


def test_a_negative_feedback_turns_every_other_round_upside_down():
    out = cl.echo(np.ones(1), 10, 0.3, 1.0, dry=0.0, feedback=-0.5)
    np.testing.assert_allclose(out[3:16:3], [1, -0.5, 0.25, -0.125, 0.0625])


@pytest.mark.parametrize("frames", [1, 7, 100, 1000])
@pytest.mark.parametrize("loop", [1, 3, 250])
def test_the_loop_is_its_recursion_for_short_and_long_sounds(frames, loop):
    samples = noise(frames, 2, dtype=np.float64)
    out = cl.echo(samples, 1000, loop / 1000, 1.0, dry=0.0, feedback=0.8)
    looped = np.zeros_like(out)
    looped[:frames] = samples
    for t in range(loop, len(out)):
        looped[t] += 0.8 * looped[t - loop]
    np.testing.assert_allclose(out[loop:], looped[: len(out) - loop], atol=1e-12)


def test_ping_pong_answers_on_the_left_then_on_the_right():
    click = np.zeros(4, np.float32)
    click[0] = 1
    out = cl.echo(click, 10, [0.2, 0.4], [[0.6, 0], [0, 0.4]])
    assert out.shape == (8, 2) and out.dtype == np.float32
    assert {tuple(map(int, at)): round(float(out[tuple(at)]), 6) for at in np.argwhere(out)} == {
        (0, 0): 1.0, (0, 1): 1.0, (2, 0): 0.6, (4, 1): 0.4
    }  # fmt: skip


@pytest.mark.parametrize("hertz", [200, 5000, 19000])
@pytest.mark.parametrize("delay", [0.01, 0.0123456, 100.5 / 44100])
def test_a_delay_between_two_frames_delays_a_tone_by_exactly_that(hertz, delay):
    at = np.arange(6000) / 44100
    out = cl.echo(np.sin(2 * np.pi * hertz * at), 44100, delay, 1.0, dry=0.0, sub_sample=True)
    inner = slice(1000, 5000)
    np.testing.assert_allclose(out[:6000][inner], np.sin(2 * np.pi * hertz * (at - delay))[inner], atol=1e-3)


def test_a_delay_on_a_frame_needs_no_interpolation():
    samples = noise(100)
    np.testing.assert_array_equal(cl.echo(samples, 1000, 0.05, 0.5, sub_sample=True), cl.echo(samples, 1000, 0.05, 0.5))


@pytest.mark.parametrize(
    "options",
    [
        {"feedback": 0.7},
        {"feedback": -0.4, "dry": 0.3},
        {"weights": [[0.5, 0.0], [0.25, -0.5]]},
        {"weights": [[0.5, 0.0], [0.25, -0.5]], "feedback": 0.5},
        {"delays": [0.0413, 0.2003], "sub_sample": True},
    ],
)
def test_a_tensor_echoes_like_an_array_with_gradients(options):
    samples = noise(30, 2, dtype=np.float64)
    arguments = {"delays": [0.04, 0.11], "weights": [0.5, 0.25], **options}
    tensor = torch.tensor(samples, requires_grad=True)
    out = cl.echo(tensor, 1000, **arguments)
    np.testing.assert_allclose(out.detach(), cl.echo(samples, 1000, **arguments), atol=1e-12)
    # An echo is linear: its derivative in a sample is the echo of a click there.
    clicks = np.eye(samples.size).reshape(-1, *samples.shape)
    weight = noise(*out.shape, dtype=np.float64)
    expected = [(cl.echo(click, 1000, **arguments) * weight).sum() for click in clicks]
    out.backward(torch.tensor(weight))
    np.testing.assert_allclose(tensor.grad.ravel(), expected, atol=1e-12)


def test_a_thousand_channels_need_no_more_memory_than_two():
    import tracemalloc

    for channels in (2, 1024):
        tracemalloc.start()
        frames = sum(map(len, echo_stream([np.zeros((4, channels), np.float32)], 8000, 0.1, 0.5)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert frames == 804 and peak < 32 << 20
