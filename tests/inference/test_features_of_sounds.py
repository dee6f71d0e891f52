"""Features of sounds, and what is most like one: a row for each part that the network takes at once, with its times."""

from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.cli import run
from convolens.effects.sounds.heard import in_windows
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, FileError
from convolens.media.audio import write_audio
from convolens.models.classify import Classifier
from convolens.training.sounds import hearing_trunk

RATE = 8000
HEARING = Hearing(RATE, 200, 80, 32, 32)  # 0.32 s at once
TAP = "layer2.1"


@pytest.fixture(scope="module")
def model() -> Classifier:
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.125, seed=1, channels=1, device="cpu"), HEARING)
    return cl.classifier(trunk, classes=["high", "low"], taps=TAP)


def tone(path: Path, pitch: float, seconds: float = 0.3, before: float = 0.0) -> Path:
    samples = 1e-3 * np.random.default_rng(0).normal(size=int((before + seconds) * RATE))
    at = np.arange(int(seconds * RATE)) / RATE
    samples[int(before * RATE) :][: len(at)] += 0.3 * np.sin(2 * np.pi * pitch * at)
    write_audio(path, samples.astype(np.float32), RATE, subtype="FLOAT")
    return path


def test_a_long_sound_has_a_row_for_each_part_with_its_times(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tone(tmp_path / "in" / "long.wav", 700, 1.0)
    tone(tmp_path / "in" / "short.wav", 700)
    (tmp_path / "in" / "torn.wav").write_text("none")
    found = cl.features_of_files(model, [tmp_path / "in"], tmp_path / "out.npz", progress=False)
    assert found.done == 5
    (sentence,) = found.failed
    assert "torn.wav: need a sound file" in sentence
    with np.load(tmp_path / "out.npz") as table:
        paths = [Path(str(one)).name for one in table["path"]]
        rows = table[TAP]
    assert paths == [
        "long.wav[0-0.32 s]", "long.wav[0.227-0.547 s]", "long.wav[0.453-0.773 s]", "long.wav[0.68-1 s]", "short.wav",
    ]  # fmt: skip
    levels = HEARING.picture(*cl.read_audio(tmp_path / "in" / "long.wav"))[:, 45:77]
    expected = model.trunk(model.preprocess([levels]), taps=(TAP,))[TAP].mean(dim=(2, 3))
    np.testing.assert_allclose(rows[2], expected.detach().numpy()[0], rtol=1e-4, atol=1e-5)


def test_parts_cover_a_recording_to_its_end(tmp_path: Path) -> None:
    parts = in_windows(tone(tmp_path / "a.wav", 700, 0.65), HEARING)
    assert [(one.start, one.end) for one in parts] == [(0, 0.32), (0.165, 0.485), (0.33, 0.65)]
    assert [(one.start, one.end) for one in in_windows(tone(tmp_path / "b.wav", 700, 0.32), HEARING)] == [(None, None)]


def test_the_sound_most_like_one_is_found_in_a_recording_at_its_time(model: Classifier, tmp_path: Path) -> None:
    tone(tmp_path / "recording.wav", 1500, 0.3, before=2.0)
    wanted = tone(tmp_path / "wanted.wav", 1500)
    found = cl.similar(model, wanted, tmp_path / "recording.wav", count=3, progress=False)
    assert found.paths[0] in {"recording.wav[1.98-2.3 s]", f"{tmp_path / 'recording.wav'}[1.98-2.3 s]"}
    assert found.scores[0] > found.scores[1]


def test_a_sound_is_not_looked_for_backwards(model: Classifier, tmp_path: Path) -> None:
    forwards = tone(tmp_path / "rising.wav", 700, 0.1, 0.2)
    samples, rate = cl.read_audio(forwards)
    write_audio(tmp_path / "falling.wav", np.ascontiguousarray(samples[::-1]), rate, subtype="FLOAT")
    alike, same = (
        cl.similar(model, forwards, tmp_path / "falling.wav", flip=flip, progress=False) for flip in (True, False)
    )
    assert alike == same


def test_the_command_takes_sounds_and_says_what_means_nothing_for_them(
    model: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "model.safetensors")
    wanted, given = tone(tmp_path / "wanted.wav", 1500), ["--model", str(tmp_path / "model.safetensors")]
    tone(tmp_path / "recording.wav", 1500, 0.3, before=1.0)
    assert run(["similar", str(wanted), str(tmp_path / "recording.wav"), *given, "--count", "1"]) == 0
    assert "recording.wav[" in capsys.readouterr().out
    assert run(["similar", str(wanted), str(tmp_path / "recording.wav"), *given, "--out", "a.png"]) == 2
    assert "--out: means nothing for a network that hears" in capsys.readouterr().err


def test_what_sounds_do_not_have_is_refused(model: Classifier, tmp_path: Path) -> None:
    file = tone(tmp_path / "a.wav", 700)
    with pytest.raises(ArgumentError, match="shard: need none for a network that hears, got 1/2"):
        cl.features_of_files(model, [file], tmp_path / "out.npz", shard="1/2", progress=False)
    with pytest.raises(ArgumentError, match="cluster: need none for a network that hears"):
        cl.features_of_files(model, [file], tmp_path / "out.npz", cluster="local", progress=False)
    with pytest.raises(ArgumentError, match="need one that takes pictures to group near copies, got one that hears"):
        cl.near_copies(model, [file], progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty: need sounds \(\.wav"):
        cl.similar(model, file, tmp_path / "empty", progress=False)
