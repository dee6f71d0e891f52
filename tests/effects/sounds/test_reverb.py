import numpy as np
import pytest
from scipy import signal

import convolens as cl
from convolens.effects.sounds.resampling import resample, resample_impulse
from convolens.effects.sounds.reverb import reverb_stream
from convolens.errors import ArgumentError, DtypeError, MemoryRefused, ShapeError

torch = pytest.importorskip("torch")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def room(sound, impulse, dry, wet):
    """One channel by SciPy."""
    out = wet * signal.fftconvolve(sound, impulse)
    out[: len(sound)] += dry * sound
    return out


def test_the_reverb_of_a_click_is_the_impulse_response():
    impulse = noise(300)
    np.testing.assert_allclose(cl.reverb(np.ones(1), impulse, dry=0, wet=1), impulse, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 50, 5000])
@pytest.mark.parametrize("taps", [1, 300, 2000])
def test_each_channel_has_its_own_room_or_all_have_the_same(frames, taps):
    sound, rooms = noise(frames, 3), noise(taps, 3, seed=1)
    out = cl.reverb(sound, rooms, dry=0.5, wet=0.25)
    same = cl.reverb(sound, rooms[:, 0], dry=0.5, wet=0.25)
    assert out.shape == same.shape == (frames + taps - 1, 3)
    for c in range(3):
        np.testing.assert_allclose(out[:, c], room(sound[:, c], rooms[:, c], 0.5, 0.25), atol=1e-10)
        np.testing.assert_allclose(same[:, c], room(sound[:, c], rooms[:, 0], 0.5, 0.25), atol=1e-10)
    np.testing.assert_array_equal(cl.reverb(sound, rooms[:, :1], dry=0.5, wet=0.25), same)


@pytest.mark.parametrize("shape", [(400,), (400, 1)])
def test_one_channel_in_a_stereo_room_becomes_stereo(shape):
    sound, rooms = noise(*shape), noise(100, 2, seed=1)
    out = cl.reverb(sound, rooms)
    assert out.shape == (499, 2)
    for c in range(2):
        np.testing.assert_allclose(out[:, c], room(sound.ravel(), rooms[:, c], 0.7, 0.3), atol=1e-10)


def test_true_stereo_lets_each_ear_hear_both_sides():
    rooms = noise(100, 4, seed=1)
    left = np.stack([noise(300), np.zeros(300)], axis=1)
    out = cl.reverb(left, rooms, dry=0, wet=1)
    np.testing.assert_allclose(out[:, 0], signal.fftconvolve(left[:, 0], rooms[:, 0]), atol=1e-10)
    np.testing.assert_allclose(out[:, 1], signal.fftconvolve(left[:, 0], rooms[:, 1]), atol=1e-10)
    out = cl.reverb(left[:, ::-1], rooms, dry=0, wet=1)
    np.testing.assert_allclose(out[:, 0], signal.fftconvolve(left[:, 0], rooms[:, 2]), atol=1e-10)
    np.testing.assert_allclose(out[:, 1], signal.fftconvolve(left[:, 0], rooms[:, 3]), atol=1e-10)


def test_the_dtype_is_the_sounds_and_the_input_is_left_alone():
    sound, impulse = noise(500).astype(np.float32), noise(90)
    before = sound.copy(), impulse.copy()
    assert cl.reverb(sound, impulse).dtype == np.float32
    np.testing.assert_array_equal(sound, before[0])
    np.testing.assert_array_equal(impulse, before[1])


@pytest.mark.parametrize(
    "shapes", [((40,), (9,)), ((40, 2), (9,)), ((40, 2), (9, 2)), ((40, 2), (9, 4)), ((40,), (9, 2))]
)
def test_a_tensor_gives_the_same_tensor_with_gradients(shapes):
    sound, impulse = (torch.tensor(noise(*shape, seed=i), requires_grad=True) for i, shape in enumerate(shapes))
    out = cl.reverb(sound, impulse)
    np.testing.assert_allclose(out.detach(), cl.reverb(sound.detach().numpy(), impulse.detach().numpy()), atol=1e-12)
    upstream = torch.tensor(noise(*out.shape, seed=9))
    (out * upstream).sum().backward()
    step = 1e-6 * torch.tensor(noise(*shapes[1], seed=5))
    with torch.no_grad():
        change = ((cl.reverb(sound, impulse + step) - cl.reverb(sound, impulse - step)) * upstream).sum() / 2
    assert float((impulse.grad * step).sum()) == pytest.approx(float(change), rel=1e-6)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("sound", "impulse", "options", "error", "message"),
    [
        (np.zeros(0), np.ones(3), {}, ShapeError, "samples: need .* at least one sample"),
        (
            np.zeros(5),
            np.ones(0),
            {},
            ShapeError,
            r"need \(length,\) or \(length, channels\), at least one",
        ),
        (np.zeros((5, 3)), np.ones((4, 2)), {}, ShapeError, "need 1 channel, or one for each of the sound's 3, got 2"),
        (np.zeros((5, 2)), np.ones((4, 3)), {}, ShapeError, "each of the sound's 2 or 4 of true stereo, got 3"),
        (np.zeros(5), np.ones(3, int), {}, DtypeError, "impulse: need floats, got int64"),
        (np.zeros(5), np.ones(3), {"wet": np.nan}, ArgumentError, "wet: need a finite number, got nan"),
        (np.zeros(5), np.ones(3), {"dry": np.inf}, ArgumentError, "dry: need a finite number, got inf"),
        (np.zeros(5), np.ones(3), {"pre_delay": -1}, ArgumentError, "pre_delay: need seconds from 0 to 60, got -1"),
        (np.zeros(5), np.ones(3), {"pre_delay": 1}, ArgumentError, "rate: need the sound's, as there is a pre-delay"),
        (np.zeros(5), np.ones(3), {"impulse_rate": 9}, ArgumentError, "rate: need the sound's, as the impulse's is"),
        (np.zeros(5), np.ones(3), {"impulse_rate": 0, "rate": 9}, ArgumentError, "rate: need a positive number of"),
    ],
)
def test_what_makes_no_reverb_is_refused(sound, impulse, options, error, message):
    with pytest.raises(error, match=message):
        cl.reverb(sound, impulse, **options)


def in_blocks(samples, size):
    return [samples[i : i + size] for i in range(0, len(samples), size)]


@pytest.mark.parametrize("shapes", [((300_000, 1), (3000,)), ((150_000, 2), (3000, 4)), ((150_000, 1), (500, 2))])
def test_a_stream_is_the_same_to_the_last_bit_however_it_is_cut(shapes):
    sound, impulse = (noise(*shape, seed=i).astype(np.float32) / 100 for i, shape in enumerate(shapes))
    options = {"dry": 0.5, "wet": 0.25, "rate": 44100, "impulse_rate": 48000, "pre_delay": 0.1}
    whole = np.concatenate(list(reverb_stream([sound], impulse, **options)))
    expected = cl.reverb(sound, impulse, **options)
    assert len(whole) == len(expected)
    np.testing.assert_allclose(whole, expected.reshape(whole.shape), atol=1e-6)
    for size in (999, 65536, 131072):
        np.testing.assert_array_equal(
            np.concatenate(list(reverb_stream(in_blocks(sound, size), impulse, **options))), whole
        )


@pytest.mark.parametrize("pre_delay", [0.0, 2.0, 20.0])
def test_a_stream_keeps_a_pre_delay_longer_than_its_parts(pre_delay):
    click = np.zeros((200_000, 1), np.float32)
    click[[5, 190_000]] = 1
    impulse = np.array([0.5, 0.25], np.float32)
    out = np.concatenate(list(reverb_stream([click], impulse, dry=1, wet=1, rate=8000, pre_delay=pre_delay)))
    np.testing.assert_allclose(out, cl.reverb(click, impulse, dry=1, wet=1, rate=8000, pre_delay=pre_delay), atol=1e-6)
    late = round(pre_delay * 8000)
    assert len(out) == 200_001 + late
    np.testing.assert_allclose(out[[5 + late, 6 + late], 0], [0.5 + (late == 0), 0.25], atol=1e-6)


def test_a_resampled_impulse_colors_and_amplifies_as_before():
    at = np.arange(4800)
    impulse = np.exp(-at / 400) * np.sin(at / 30)
    slower = resample_impulse(impulse, 48000, 32000)
    assert len(slower) == 3200
    for hertz in (0, 200, 1000, 9000):
        before, after = (
            np.sum(h * np.exp(-2j * np.pi * hertz * np.arange(len(h)) / rate))
            for h, rate in ((impulse, 48000), (slower, 32000))
        )
        assert after == pytest.approx(before, abs=2e-3 * np.abs(impulse).sum())


@pytest.mark.parametrize(("rate", "to"), [(44100, 48000), (48000, 44100), (8000, 44100), (44100, 8000)])
def test_resampling_keeps_a_tone_and_takes_out_what_does_not_fit(rate, to):
    at = np.arange(rate) / rate
    inner = slice(to // 4, 3 * to // 4)
    kept = resample(np.sin(2 * np.pi * 1000 * at), rate, to)
    assert len(kept) == to
    np.testing.assert_allclose(kept[inner], np.sin(2 * np.pi * 1000 * np.arange(to) / to)[inner], atol=1e-4)
    if 2 * to < rate:
        gone = resample(np.sin(2 * np.pi * 0.55 * to * at), rate, to)
        assert np.abs(gone[inner]).max() < 1e-4


@pytest.mark.parametrize("level", [0, 1])
def test_a_streams_impulse_is_refused_before_it_is_copied(level):
    cl.memory_limit("70MB")
    try:
        with pytest.raises(MemoryRefused, match=r"^impulse: need 80 MB of memory, .*; use a shorter one"):
            next(reverb_stream([np.zeros((9, 1), np.float32)], np.full(1_000_000, level, np.float32)))
    finally:
        cl.memory_limit("auto")
