import numpy as np
import pytest
from scipy.signal import lfilter

from convolens.errors import ArgumentError
from convolens.tour.melody import FRERE_JACQUES, ROUND_BEATS, melody, pitch_hz, pluck

RATE = 44100


def string(pitch=440.0, seconds=1.6, seed=0):
    return pluck(pitch, seconds, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("note", ["G3", "C4", "G4", "A4", "C6"])
def test_a_string_sounds_its_note_to_within_a_cent(note):
    tone = string(pitch_hz(note))
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 2**20))
    frequencies = np.fft.rfftfreq(2**20, 1 / RATE)
    near = (frequencies > pitch_hz(note) * 0.8) & (frequencies < pitch_hz(note) * 1.2)
    heard = frequencies[near][spectrum[near].argmax()]
    assert abs(1200 * np.log2(heard / pitch_hz(note))) < 1


def test_a_string_is_the_recursive_filter_of_its_pluck():
    tone = string(330.0)
    period = RATE / 330.0
    loop = int(period - 0.5)
    fraction = period - 0.5 - loop
    damping = 0.001 ** (period / (1.6 * RATE))
    feedback = np.zeros(loop + 3)
    feedback[0] = 1
    feedback[loop:] = -damping * np.array([0.5 - fraction / 2, 0.5, fraction / 2])
    burst = np.zeros_like(tone)
    burst[:loop] = tone[:loop]
    np.testing.assert_allclose(tone, lfilter([1.0], feedback, burst), atol=1e-12)


def test_a_string_dies_away_and_never_grows():
    tone = string()
    assert np.abs(tone).max() <= 1
    assert np.abs(tone[-441:]).max() < 0.01


@pytest.mark.parametrize(("note", "hz"), [("A4", 440.0), ("A5", 880.0), ("C4", 261.6256), ("B0", 30.8677)])
def test_pitches_are_those_of_equal_temperament(note, hz):
    assert pitch_hz(note) == pytest.approx(hz, rel=1e-6)


@pytest.mark.parametrize("note", ["H4", "A", "A44", "a4", ""])
def test_a_note_that_is_none_is_refused(note):
    with pytest.raises(ArgumentError, match=r"note: need a letter from A to G and an octave such as 'A4', got "):
        pitch_hz(note)


def test_a_string_too_short_to_loop_is_refused():
    with pytest.raises(ArgumentError, match=r"pitch: need at most a third of the rate \(8000 Hz\), got 4000 Hz"):
        pluck(4000.0, 1.0, 8000, np.random.default_rng(0))


@pytest.fixture(scope="module")
def tune():
    return melody(RATE, beat_seconds=0.25)


def test_the_tune_lasts_as_long_as_its_beats_and_the_last_tone(tune):
    assert sum(beats for _, beats in FRERE_JACQUES) == 32
    assert len(tune) == round((32 * 0.25 + 1.6) * RATE)
    assert tune.dtype == np.float32


def test_three_voices_of_the_round_fit_below_full_scale(tune):
    later = round(ROUND_BEATS * 0.25 * RATE)
    voices = np.zeros(len(tune) + 2 * later)
    for voice in range(3):
        voices[voice * later :][: len(tune)] += tune
    assert np.abs(voices).max() < 1


def test_the_same_seed_makes_the_same_tune_and_another_seed_another():
    first, again, other = (melody(8000, tune=(("A4", 1.0),), seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert not np.allclose(first, other)
