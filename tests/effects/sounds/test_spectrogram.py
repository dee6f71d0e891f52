"""Spectrograms against torch.stft, scipy, the definition and closed forms; their gradients three ways."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import get_window

import convolens as cl
from convolens.effects.sounds import spectrogram as module
from convolens.effects.sounds.mel_bands import from_mel, mel_bands, to_mel
from convolens.errors import ArgumentError, ConvolensError, DtypeError, MemoryRefused, ShapeError

RATE = 16000


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def near(found, wanted, allowed=2e-6):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= allowed * np.abs(wanted).max()


@st.composite
def settings(draw):
    n_fft = draw(st.sampled_from([2, 3, 64, 255, 400, 512]))
    length = draw(st.integers(1, n_fft))
    return {
        "n_fft": n_fft, "length": length, "hop": draw(st.integers(1, 2 * n_fft)), "center": draw(st.booleans()),
        "window": draw(st.sampled_from(["hann", "hamming", "blackman", "box"])),
        "boundary": draw(st.sampled_from(["constant", "reflect"])),
    }  # fmt: skip


@given(settings(), st.integers(0, 700), st.sampled_from([np.float32, np.float64]))
def test_it_is_torchs_short_time_fourier_transform(how, more, dtype):
    samples = noise(how["n_fft"] + more, dtype=dtype)
    window = get_window("boxcar" if how["window"] == "box" else how["window"], how["length"])
    tensor = torch.from_numpy(samples)
    wanted = torch.stft(
        tensor, how["n_fft"], how["hop"], how["length"], torch.from_numpy(window).to(tensor.dtype), how["center"],
        how["boundary"], return_complex=True,
    ).numpy()  # fmt: skip
    found = cl.spectrogram(samples, RATE, power=None, **how)
    assert found.dtype == wanted.dtype
    near(found, wanted)
    near(cl.spectrogram(samples, RATE, **how), np.abs(wanted) ** 2, 1e-5)
    near(cl.spectrogram(torch.from_numpy(samples), RATE, power=1.0, **how).numpy(), np.abs(wanted), 1e-5)


def test_each_number_is_a_correlation_with_a_windowed_wave():
    samples, n_fft, hop = noise(300, dtype=np.float64), 32, 10
    found = cl.spectrogram(samples, RATE, n_fft=n_fft, hop=hop, center=False, power=None)
    wave = get_window("hann", n_fft) * np.exp(-2j * np.pi * 5 * np.arange(n_fft) / n_fft)
    near(found[5], cl.correlate(samples + 0j, wave.conj(), "valid")[::hop].conj(), 1e-12)


def test_a_tone_is_at_its_pitch_and_a_click_at_its_time():
    tone = np.sin(2 * np.pi * 2000 * np.arange(RATE) / RATE)
    pitches = cl.spectrogram(tone, RATE, n_fft=512, power=1)
    assert (pitches[:, 5:-5].argmax(axis=0) * RATE / 512 == 2000).all()
    np.testing.assert_allclose(pitches[64, 5:-5], 512 / 4, rtol=1e-3)  # half of the window's sum
    click = np.zeros(RATE, np.float32)
    click[8000] = 1
    assert cl.spectrogram(click, RATE, n_fft=512, hop=160).sum(axis=0).argmax() == 8000 // 160


def test_channels_are_apart_and_last():
    both = noise(3000, 2)
    found = cl.spectrogram(both, RATE, n_fft=256, mels=20)
    assert found.shape == (20, 47, 2)
    for at in (0, 1):
        np.testing.assert_array_equal(found[..., at], cl.spectrogram(both[:, at], RATE, n_fft=256, mels=20))
    near(cl.spectrogram(torch.from_numpy(both), RATE, n_fft=256, mels=20).numpy(), found)


def test_blocks_of_columns_make_no_difference(monkeypatch):
    samples = noise(20000)
    whole = cl.spectrogram(samples, RATE, n_fft=512, hop=100)
    monkeypatch.setattr(module, "BLOCK", 512 * 7)
    near(cl.spectrogram(samples, RATE, n_fft=512, hop=100), whole, 1e-6)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_bands_are_triangles_between_evenly_spaced_pitches(scale):
    bands = mel_bands(RATE, 2048, 40, 50.0, 7000.0, scale, None)
    corners = [from_mel(value, scale) for value in np.linspace(to_mel(50, scale), to_mel(7000, scale), 42)]
    frequencies = np.arange(1025) * RATE / 2048
    for at, band in enumerate(bands):
        np.testing.assert_allclose(band, np.interp(frequencies, corners[at : at + 3], [0, 1, 0]), atol=1e-12)
    inside = (frequencies > corners[1]) & (frequencies < corners[-2])
    np.testing.assert_allclose(bands.sum(axis=0)[inside], 1, atol=1e-9)  # neighbours share what lies between them
    widths = np.array(corners[2:]) - np.array(corners[:-2])
    np.testing.assert_allclose(mel_bands(RATE, 2048, 40, 50.0, 7000.0, scale, "slaney"), bands * 2 / widths[:, None])


# By the formulas: Slaney's scale has 15 steps to 1 kHz and 27 to 6.4 kHz; HTK's 1000 mel at 1 kHz, to a thousandth.
@pytest.mark.parametrize(
    ("frequency", "scale", "mel"),
    [(500, "slaney", 7.5), (1000, "slaney", 15), (6400, "slaney", 42), (700, "htk", 2595 * np.log10(2)), (0, "htk", 0)],
)
def test_mel_scales(frequency, scale, mel):
    assert to_mel(frequency, scale) == pytest.approx(mel)
    assert from_mel(mel, scale) == pytest.approx(frequency)


@pytest.mark.parametrize("options", [{"power": 2}, {"power": 1}, {"power": 0.7}, {"mels": 5}, {"boundary": "reflect"}])
def test_gradients_three_ways(options):
    samples = torch.from_numpy(noise(120, dtype=np.float64)).requires_grad_()
    how = {"n_fft": 32, "hop": 12, **options}
    assert torch.autograd.gradcheck(lambda x: cl.spectrogram(x, 1000, **how), (samples,))
    loss = cl.spectrogram(samples, 1000, **how).sum()
    (gradient,) = torch.autograd.grad(loss, samples)
    step = noise(120, seed=1, dtype=np.float64)
    before, after = (cl.spectrogram(samples.detach().numpy() + at * step, 1000, **how).sum() for at in (-1e-6, 1e-6))
    assert (after - before) / 2e-6 == pytest.approx(float(gradient @ torch.from_numpy(step)), rel=1e-6)


def test_silence_has_a_gradient_of_nothing():
    samples = torch.zeros(200, requires_grad=True)
    cl.spectrogram(samples, 1000, n_fft=64, power=1).sum().backward()
    assert not samples.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tensors_of_half_precision_keep_their_dtype(dtype):
    samples = torch.from_numpy(noise(600) * 0.1)
    found = cl.spectrogram(samples.to(dtype), RATE, n_fft=128)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), cl.spectrogram(samples, RATE, n_fft=128), rtol=0.1, atol=0.05)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_fft": 1}, "n_fft: need a whole number of at least 2"),
        ({"hop": 0}, "hop: need a whole number of at least 1"),
        ({"length": 3000}, "length: need at most n_fft, 2048, got 3000"),
        ({"window": "hunn"}, "window: need one of hann, hamming, blackman, box"),
        ({"boundary": "mirror"}, "boundary: need one of constant, edge"),
        ({"power": 0}, "power: need a positive number"),
        ({"mels": 8, "power": None}, "power: need a number for bands of pitches, got None"),
        ({"mels": 8, "high": 9000}, "high: need a frequency in Hz above low, 0, and at most half the rate, 8000"),
        ({"mels": 8, "low": -1}, "low: need a frequency in Hz, at least 0"),
        ({"mels": 8, "mel_scale": "bark"}, "mel_scale: need one of slaney, htk"),
        ({"mels": 8, "mel_norm": "area"}, "mel_norm: need one of slaney"),
        ({"center": "yes"}, "center: need True or False"),
    ],
)
def test_wrong_options_are_one_sentence(options, words):
    with pytest.raises(ArgumentError, match=words):
        cl.spectrogram(noise(4000), RATE, **options)


@pytest.mark.bad_input
def test_what_is_no_sound_or_too_short_or_too_large_is_told():
    with pytest.raises(ShapeError, match="samples: need at least 2048 for transforms of 2048, got 100"):
        cl.spectrogram(noise(100), RATE, center=False)
    with pytest.raises(DtypeError, match="samples: need floats"):
        cl.spectrogram(np.arange(9), RATE)
    with pytest.raises(ConvolensError):
        cl.spectrogram(noise(0), RATE)
    cl.memory_limit(1_000_000)
    try:
        with pytest.raises(MemoryRefused, match="spectrogram: need "):
            cl.spectrogram(noise(100_000), RATE, hop=1)
    finally:
        cl.memory_limit("auto")
