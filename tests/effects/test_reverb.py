import numpy as np
import pytest
from scipy import signal

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, ShapeError

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
        (np.zeros(5), np.ones(0), {}, ShapeError, r"impulse: need \(taps,\) or \(taps, channels\), at least one tap"),
        (np.zeros((5, 3)), np.ones((4, 2)), {}, ShapeError, "need 1 channel, or one for each of the sound's 3, got 2"),
        (np.zeros((5, 2)), np.ones((4, 3)), {}, ShapeError, "each of the sound's 2 or 4 of true stereo, got 3"),
        (np.zeros(5), np.ones(3, int), {}, DtypeError, "impulse: need floats, got int64"),
        (np.zeros(5), np.ones(3), {"wet": np.nan}, ArgumentError, "wet: need a finite number, got nan"),
        (np.zeros(5), np.ones(3), {"dry": np.inf}, ArgumentError, "dry: need a finite number, got inf"),
    ],
)
def test_what_makes_no_reverb_is_refused(sound, impulse, options, error, message):
    with pytest.raises(error, match=message):
        cl.reverb(sound, impulse, **options)
