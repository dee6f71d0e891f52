"""The doctor on sounds: what is in the files, and what in them would spoil a training."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from convolens.cli import run
from convolens.data.doctor import as_page, as_text, diagnose
from convolens.errors import DataError
from convolens.media.audio import write_audio

RATE = 16_000


def write_noise(path: Path, seconds: float = 0.5, seed: int = 0, rate: int = RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (round(rate * seconds), channels)
    write_audio(path, np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32), rate)


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    for at in range(8):
        write_noise(tmp_path / "data" / ("crow", "owl")[at % 2] / f"{at}.wav", seed=at)
    return tmp_path / "data"


def kinds(found) -> dict[str, list[str]]:
    return {one.kind: [instance.path.name for instance in one.instances] for one in found.findings}


def test_good_sounds_are_clean_and_told_in_numbers(healthy: Path) -> None:
    found = diagnose(healthy, progress=False)
    assert kinds(found) == {}
    assert found.facts["rates"] == {"16,000 Hz": 8} and found.facts["channels"] == {"mono": 8}
    assert found.facts["seconds"] == {"all": 4.0, "shortest": 0.5, "longest": 0.5, "median": 0.5}
    lines = as_text(found).splitlines()
    assert lines[0] == "sounds: 8 sounds, 2 classes, one label each"
    assert "seconds   4.0 in 8 files of 0.50 to 0.50, median 0.50" in lines
    page = as_page(found)
    assert "heard as their mean" in page and "data:image" in page  # samples, as pictures of time and pitch


def test_what_cannot_be_used_is_named_with_its_reason(healthy: Path) -> None:
    write_audio(healthy / "crow" / "still.wav", np.zeros(RATE, np.float32), RATE)
    write_noise(healthy / "crow" / "short.wav", 0.01)
    whole = (healthy / "owl" / "1.wav").read_bytes()
    (healthy / "owl" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    samples = np.zeros(RATE, np.float32)
    samples[7] = np.nan
    soundfile.write(healthy / "owl" / "nan.wav", samples, RATE, subtype="FLOAT")
    write_noise(healthy / "lone" / "a.wav", seed=99)
    (healthy / "owl" / "notes.txt").touch()
    found = diagnose(healthy, progress=False)
    assert kinds(found) == {
        "unreadable file": ["cut.wav", "nan.wav"], "silence": ["still.wav"], "short sound": ["short.wav"],
        "class with one sound": ["data"], "other file": ["notes.txt"],
    }  # fmt: skip
    text = as_text(found)
    assert "the file was cut short" in text and "got NaN or infinity" in text
    assert "less than an eighth of what a network takes at once by itself, " in text
    assert as_page(found)


def test_other_rates_and_channels_are_a_note(healthy: Path) -> None:
    write_noise(healthy / "owl" / "low.wav", rate=8000, seed=50)
    write_noise(healthy / "owl" / "two.wav", channels=2, seed=51)
    found = diagnose(healthy, progress=False)
    assert {one.kind: one.level for one in found.findings} == {"mixed rates": "note", "mixed channels": "note"}
    assert found.findings[0].instances[1].text == "8,000 Hz, one of 1"
    assert found.findings[1].instances[1].text == "stereo, one of 1"


def test_copies_are_told_and_what_they_do(healthy: Path) -> None:
    shutil.copy(healthy / "owl" / "1.wav", healthy / "crow" / "again.wav")
    found = diagnose(healthy, progress=False)
    assert kinds(found) == {"contradicting copies": ["1.wav"], "copy": ["1.wav"]}
    for split in ("train", "val"):
        for at, name in enumerate(("crow", "owl")):
            write_noise(healthy.parent / "splits" / split / name / "a.wav", seed=at)
            write_noise(healthy.parent / "splits" / split / name / "b.wav", seed=len(split) + 10 * at)
    assert kinds(diagnose(healthy.parent / "splits", progress=False))["leak"] == ["a.wav", "a.wav"]


def test_labels_past_the_end_are_faults_and_parts_of_one_file_no_copies(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 5)
    (tmp_path / "a.csv").write_text(
        "path,start,end,label\na.wav,0,1,crow\na.wav,1,2,owl\na.wav,2,3,crow\na.wav,3,4,owl\na.wav,4,9,owl\n"
    )
    found = diagnose(tmp_path, progress=False)
    assert list(kinds(found)) == ["unreadable row"]
    assert "need times within a.wav, which lasts 5.00 s, got 4 to 9 s" in as_text(found)
    assert found.facts["files"] == 1 and found.facts["pictures"] == 4


def test_labels_of_time_and_pitch_are_looked_through(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name, 2, seed=ord(name[0]))
    (tmp_path / "a.txt").write_text("0.5\t1\tcrow\n\\\t500\t900\n0.5\t1\tcrow\n\\\t900\t500\n")
    found = diagnose(tmp_path, progress=False)
    assert kinds(found) == {"unreadable row": ["a.txt"], "not annotated": ["b.wav"]}
    assert as_text(found).startswith("audacity: 1 sounds, 1 classes, 1 boxes")


def test_sounds_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    for name in ("crow", "owl"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(b"none")
    with pytest.raises(DataError, match=r"need sounds that can be read, got none of 2; .*a\.wav"):
        diagnose(tmp_path, progress=False)


@pytest.mark.parametrize("option", ["labels", "near-copies"])
def test_what_is_of_pictures_alone_is_refused(healthy: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert run(["doctor", str(healthy), f"--{option}"]) == 2
    assert f"--{option}: need pictures, got sounds in {healthy}" in capsys.readouterr().err
