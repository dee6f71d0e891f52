"""What a spectrogram looks like: a tone is bright at its pitch and its time."""

import numpy as np
import pytest

import convolens as cl
from convolens.effects.sounds.spectrogram_look import DECIBELS

RATE = 8000
TONE = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)


def axes_of(found, monkeypatch):
    """The axes that the look is drawn on."""
    from matplotlib.figure import Figure

    kept = []
    subplots = Figure.subplots
    monkeypatch.setattr(Figure, "subplots", lambda self: kept.append(subplots(self)) or kept[-1])
    found.drawn()
    return kept[0]


@pytest.mark.parametrize("power", [None, 1, 2])
def test_decibels_are_those_of_amplitudes_whatever_the_numbers_are(power, monkeypatch):
    both = np.concatenate([TONE, 0.01 * TONE])
    shown = axes_of(cl.spectrogram(both, RATE, n_fft=256, power=power), monkeypatch).images[0].get_array()
    loud, quiet = shown[32, 20], shown[32, -20]
    assert loud == pytest.approx(0, abs=0.01) and quiet == pytest.approx(-40, abs=0.01)


def test_rows_are_named_by_their_pitch_and_columns_lie_at_their_time(monkeypatch):
    found = cl.spectrogram(TONE, RATE, n_fft=256, hop=100, center=False)
    axes = axes_of(found, monkeypatch)
    named = dict(zip([text.get_text() for text in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert named["2,400"] == 2400 / RATE * 256
    assert axes.get_xlim() == pytest.approx((78 / RATE, (128 + (found.shape[1] - 0.5) * 100) / RATE))


def test_bands_are_named_by_round_frequencies_that_do_not_crowd(monkeypatch):
    axes = axes_of(cl.spectrogram(TONE, RATE, n_fft=512, mels=40), monkeypatch)
    assert [text.get_text() for text in axes.get_yticklabels()][:3] == ["2,000", "1,000", "500"]
    assert np.diff(axes.get_yticks()).max() <= -40 / 15
    row = int(np.argmax(axes.images[0].get_array().mean(axis=1)))
    assert abs(row - axes.get_yticks()[1]) <= 1  # the tone's


def test_silence_is_black_and_of_two_channels_the_louder_is_shown(monkeypatch):
    silent = axes_of(cl.spectrogram(np.zeros(4000, np.float32), RATE, n_fft=256), monkeypatch)
    assert (silent.images[0].get_array() < -DECIBELS).all()
    one_side = np.stack([np.zeros_like(TONE), TONE], axis=1)
    shown = axes_of(cl.spectrogram(one_side, RATE, n_fft=256), monkeypatch).images[0].get_array()
    assert shown[32].max() == 0


def test_a_click_is_seen_in_a_long_sound_of_which_not_every_column_is_drawn(monkeypatch):
    click = np.zeros(100_000, np.float32)
    click[50_003] = 1
    found = cl.spectrogram(click + 0.01 * np.sin(np.arange(100_000, dtype=np.float32)), RATE, n_fft=32, hop=8)
    shown = axes_of(found, monkeypatch).images[0].get_array()
    np.testing.assert_allclose(shown.max(axis=1), 10 * np.log10(np.asarray(found).max(axis=1) / found.max()), atol=1e-4)
    assert shown.shape[1] == 2000 and abs(int(shown.max(axis=0).argmax()) - 1000) <= 1


def test_it_says_what_it_is():
    found = cl.spectrogram(TONE, RATE, n_fft=256)
    assert found.words == "Spectrogram: 129 pitches × 126 times, 0 to 4000 Hz, 1.00 s, energies"
    assert type(10 * np.log10(found + 1e-9)) is np.ndarray and found[:9].words is None
