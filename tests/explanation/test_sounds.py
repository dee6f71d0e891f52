"""Explanations of sounds: the map's columns are times in the sound, its rows frequencies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.effects.sounds.hearing import Hearing
from convolens.explanation import SoundExplanation
from convolens.inference.hearing import explain_sounds
from convolens.media.audio import write_audio
from convolens.models.classify import Classifier
from convolens.training.sounds import hearing_trunk

RATE, HEARING = 8000, Hearing(8000, 200, 80, 64, 96)


@pytest.fixture(scope="module")
def model() -> Classifier:
    """`loud` is scored by the brightness of the stem's map and nothing else, so what speaks for it is known."""
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.0625, channels=1, device="cpu"), HEARING)
    with torch.no_grad():
        trunk.conv1.weight.zero_()
        trunk.conv1.weight[0, 0, 3, 3] = 1.0
    made = cl.classifier(trunk, classes=["loud", "soft"], taps="stem")
    with torch.no_grad():
        made.head.linear.weight.zero_()
        made.head.linear.weight[0, 0] = 1.0
    return made.eval()


def tone_at(path: Path, at: float, pitch: float, seconds: float = 3.0) -> Path:
    samples = np.random.default_rng(0).normal(0, 1e-4, int(seconds * RATE)).astype(np.float32)
    first, count = int(at * RATE), int(0.2 * RATE)
    samples[first : first + count] += (0.5 * np.sin(2 * np.pi * pitch * np.arange(count) / RATE)).astype(np.float32)
    write_audio(path, samples, RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize(("at", "pitch"), [(0.4, 500), (1.7, 1200), (2.6, 2500)])
def test_what_speaks_for_a_class_is_shown_at_its_time_and_pitch(
    model: Classifier, tmp_path: Path, at: float, pitch: float
) -> None:
    why = cl.explain(model, tone_at(tmp_path / "a.wav", at, pitch), target="loud")
    assert isinstance(why, SoundExplanation)
    assert at - 0.03 <= why.moment <= at + 0.23
    assert why.pitch == pytest.approx(pitch, rel=0.15)
    span = why.span(0.8)
    assert span is not None
    start, end, low, high = span
    assert start == pytest.approx(at, abs=0.06)
    assert end == pytest.approx(at + 0.2, abs=0.06)
    assert low <= pitch * 1.1
    assert high >= pitch * 0.9


def test_a_short_sound_begins_within_its_picture(model: Classifier, tmp_path: Path) -> None:
    first, second = cl.explain(
        model, [tone_at(tmp_path / name, 0.1, 1000, 0.4) for name in ("a.wav", "b.wav")], target="loud"
    )
    assert first.begin == pytest.approx(-0.27, abs=0.02)
    assert 0.05 <= first.moment <= 0.33
    assert second.moment == first.moment
    everywhere = replace(first, heatmap=np.ones_like(first.heatmap))  # in the background around the sound, too
    start, end, _, _ = everywhere.span()
    assert (start, end) == (0, pytest.approx(0.41, abs=0.02))
    assert first.seconds == end


def test_nothing_is_said_to_be_written_where_nothing_is(model: Classifier, tmp_path: Path, capsys) -> None:
    from convolens.cli.hearing import explain_sounds as command

    (tmp_path / "a.png").write_text("none")
    assert command(model, [str(tmp_path / "a.png")], tmp_path / "why.png", {}, False) == 1
    told = capsys.readouterr().err
    assert "a.png: need a sound" in told
    assert "wrote" not in told


def test_it_is_drawn_on_axes_and_a_bad_file_is_told(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tone_at(tmp_path / "in" / "a.wav", 1, 1000)
    (tmp_path / "in" / "b.wav").write_text("none")
    good, bad = explain_sounds(model, [tmp_path / "in"], tmp_path / "out", target="loud")
    assert good.result is not None
    assert " Hz" in str(good.result)
    assert "b.wav" in bad.error
    drawn = cl.read_image(tmp_path / "out" / "a-wav.png")
    assert drawn.shape == (480, 840, 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100


def test_rows_and_pitches_are_each_others_inverse() -> None:
    assert HEARING.row_of(HEARING.pitch_of(17)) == pytest.approx(17)
