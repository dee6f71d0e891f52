"""Filters let through what they say, keep out what they say, and delay nothing."""

import numpy as np
import pytest
from scipy.signal import freqz

import convolens as cl
from convolens import cli
from convolens.effects.sound_kernels import a_curve
from convolens.effects.sounds.filter import filter_stream
from convolens.errors import ArgumentError

RATE = 16_000


def gains(kernel, frequencies, rate=RATE):
    """In dB at these frequencies."""
    _, response = freqz(np.asarray(kernel), worN=np.asarray(frequencies, float), fs=rate)
    return 20 * np.log10(np.abs(response) + 1e-12)


def test_passes_let_through_and_keep_out_what_lies_beyond_their_width():
    for name, size, through, out in (
        ("lowpass", 1000, [0, 500, 874], [1126, 3000, 7999]),
        ("highpass", 1000, [1126, 3000, 7999], [0, 500, 874]),
        ("bandpass", (1000, 3000), [1126, 2000, 2874], [0, 874, 3126, 7999]),
        ("notch", (1000, 3000), [0, 874, 3126, 7999], [1126, 2000, 2874]),
    ):
        kernel = cl.kernel(name, size, rate=RATE)
        np.testing.assert_allclose(gains(kernel, through), 0, atol=2e-3)
        assert gains(kernel, out).max() < -79, name
        assert len(kernel) % 2 == 1
        np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-15)


def test_a_narrower_width_is_a_longer_kernel():
    wide, narrow = (cl.kernel("lowpass", 1000, rate=RATE, width=width) for width in (400, 40))
    assert 9 < len(narrow) / len(wide) < 11
    assert gains(narrow, [1021]).max() < -79


def test_shelves_lift_one_side_by_their_gain():
    for gain in (6, -12):
        low, high = (cl.kernel(name, 1000, rate=RATE, gain=gain) for name in ("lowshelf", "highshelf"))
        np.testing.assert_allclose(gains(low, [100, 800, 1200, 5000]), [gain, gain, 0, 0], atol=5e-3)
        np.testing.assert_allclose(gains(high, [100, 800, 1200, 5000]), [0, 0, gain, gain], atol=5e-3)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_weighting_is_the_standards_curve(rate):
    # IEC 61672-1, table 3, and the curve between.
    table = {63: -26.2, 125: -16.1, 250: -8.6, 500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0}
    kernel = cl.kernel("a-weighting", rate=rate)
    np.testing.assert_allclose(gains(kernel, list(table), rate), list(table.values()), atol=0.15)
    between = np.geomspace(50, 0.45 * rate, 60)
    np.testing.assert_allclose(gains(kernel, between, rate), 20 * np.log10(a_curve(between)), atol=0.3)


def test_a_stream_is_filtered_as_the_whole_and_as_long():
    sound = np.random.default_rng(0).standard_normal((9000, 2)).astype(np.float32)
    kernel = cl.kernel("lowpass", 500, rate=RATE)
    whole = np.concatenate(list(filter_stream([sound], kernel)))
    parts = np.concatenate(list(filter_stream(np.split(sound, [1, 700, 5000]), kernel)))
    assert np.array_equal(whole, parts)
    np.testing.assert_allclose(whole, cl.convolve(sound, kernel, "same", axes=0), atol=1e-5)


def test_a_tone_goes_through_the_command_where_it_lies_and_another_does_not(tmp_path):
    at = np.arange(RATE) / RATE
    tones = [np.sin(2 * np.pi * f * at).astype(np.float32) * 0.4 for f in (300, 3000)]
    cl.write_audio(tmp_path / "in.wav", sum(tones), RATE, subtype="FLOAT")
    out = tmp_path / "out.wav"
    assert cli.run(["filter", str(tmp_path / "in.wav"), "lowpass", str(out), "--frequency", "1000"]) == 0
    found, rate = cl.read_audio(out)
    assert (len(found), rate) == (RATE, RATE)
    np.testing.assert_allclose(found[500:-500], tones[0][500:-500], atol=2e-4)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("lowpass", 100), {}, "^rate: need the sound's frames a second for a lowpass, got none"),
        (("lowpass",), {"rate": RATE}, "^frequency: need one in Hz for a lowpass, got none"),
        (("bandpass", 100), {"rate": RATE}, "^frequency: need two in Hz, the lower first, for a bandpass, got 1"),
        (("bandpass", (200, 100)), {"rate": RATE}, "^kernel bandpass: need the lower frequency first"),
        (
            ("lowpass", 8000),
            {"rate": RATE},
            "^kernel lowpass: need frequencies above 0 and below half the rate, 8000 Hz",
        ),
        (("lowpass", 100), {"rate": RATE, "width": 300}, "^width: need a positive width in Hz, at most 200, got 300"),
        (("lowpass", 100), {"rate": RATE, "width": 1e-4}, "^width: need at least"),
        (("lowpass", 100), {"rate": RATE, "gain": 3}, "^gain: need none for a lowpass, got 3"),
        (("lowshelf", 100), {"rate": RATE}, "^gain: need one in dB for a lowshelf, got None"),
        (("gaussian", 2), {"rate": RATE}, "^rate: need none for gaussian, which is no filter of sounds"),
    ],
)
@pytest.mark.bad_input
def test_what_is_no_filter_is_refused(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        cl.kernel(*arguments, **options)
