"""Networks that hear: trained from folders of sounds, kept with how they hear, and refused what they cannot take."""

from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.cli import run as on_the_line
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, DataError, FormatError, ShapeError
from convolens.evaluation.explanations import measure_explanations
from convolens.media.audio import write_audio
from convolens.training.run_folder import Run
from convolens.trunks.registry import for_one_channel

RATE = 8000


def chirp(rising: bool, generator: np.random.Generator) -> np.ndarray:
    """A tone that rises or falls: neither pitch nor loudness alone tells which."""
    count = int(RATE * generator.uniform(0.3, 0.5))
    pitches = np.geomspace(500, 2000, count) * generator.uniform(0.8, 1.2)
    pitches = pitches if rising else pitches[::-1]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitches) / RATE)).astype(np.float32)


def write_chirps(root: Path, each: int, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    for name in ("falls", "rises"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            write_audio(root / name / f"{number}.wav", chirp(name == "rises", generator), RATE)
    return root


@pytest.fixture(scope="module")
def chirps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chirps(tmp_path_factory.mktemp("chirps") / "data", 24, 0)


@pytest.fixture(scope="module")
def run(chirps: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run") / "run"
    return cl.train(
        "classify", chirps, out=out, trunk="resnet18", width=0.125, taps="layer3.1", epochs=16, batch=8, lr=3e-3,
        device="cpu", progress=False,
    )  # fmt: skip


def test_it_learns_to_tell_sounds_apart_that_it_never_heard(run: Run, tmp_path: Path) -> None:
    fresh = write_chirps(tmp_path / "fresh", 20, 1)
    found = cl.evaluate(run.load(), fresh, progress=False)
    assert found["count"] == 40
    assert found["top1"] >= 0.9
    assert found.summary().startswith(f"40 sounds: top-1 {found['top1']:.1%}, macro-F1")
    assert found.table()[0][-1] == "sounds"
    assert found.having(more=1).summary() == found.summary()


def test_the_file_says_how_it_hears_and_predicts_the_same(run: Run, chirps: Path) -> None:
    model, sound = run.load(), chirps / "rises" / "0.wav"
    assert model.preprocessing.sound == Hearing(8000, 200, 80, 64, 64)
    assert model.trunk.options["channels"] == 1
    predicted = model.predict(sound)
    samples, rate = cl.read_audio(sound)
    levels = model.preprocessing.sound.picture(samples, rate)
    assert model.predict(levels).labels == predicted.labels
    assert model.predict(levels).scores == predicted.scores


def test_other_files_than_sounds_are_refused_by_a_network_that_hears(run: Run, tmp_path: Path) -> None:
    cl.write_image(tmp_path / "a.png", np.zeros((32, 32), np.uint8))
    with pytest.raises(FormatError, match=r"a\.png: need a sound, as the network was taught by sounds, got another"):
        run.load().predict(tmp_path / "a.png")
    with pytest.raises(ShapeError, match="need 64 rows, one for each band that is heard, got 32"):
        run.load().predict(np.zeros((32, 32), np.uint8))


def test_a_network_that_hears_is_not_exported(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="need one that takes pictures to export, got one that hears"):
        cl.export(run.load(), tmp_path / "model.onnx")


def test_explanations_of_sounds_are_measured(run: Run, chirps: Path) -> None:
    found = measure_explanations(run.load(), chirps, ["cam"], count=2, progress=False)
    assert set(found) == {"cam", "random", "center"}
    assert 0 <= found["cam"]["deletion"] <= 1 and found["cam"]["compared"] == 1


def test_eight_bits_are_chosen_by_sounds_and_lose_little(run: Run, chirps: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "small.safetensors")
    given = ["quantize", str(run.folder), str(chirps / "rises"), "--out", out, "--labeled", str(chirps)]
    assert on_the_line([*given, "--at-most", "5"]) == 0
    small = cl.load(out)
    assert small.int8["pictures"] == 48 and small.int8["after"] >= small.int8["before"] - 0.05
    assert small.preprocessing.sound == run.load().preprocessing.sound


def test_sounds_are_refused_by_a_network_that_sees(chirps: Path) -> None:
    model = cl.classifier("resnet18", classes=["falls", "rises"])
    with pytest.raises(DataError, match="need a picture, got a sound; the network was taught by pictures"):
        cl.evaluate(model, chirps, progress=False)


def test_a_head_alone_is_trained_on_a_trunk_that_somebody_trained(chirps: Path, tmp_path: Path) -> None:
    torch.save(cl.trunk("resnet18", seed=3).state_dict(), tmp_path / "weights.pth")
    run = cl.train(
        "classify", chirps, trunk="resnet18", weights=tmp_path / "weights.pth", taps="layer2.1", out=tmp_path / "run",
        device="cpu", progress=False,
    )  # fmt: skip
    model = run.load()
    assert model.trunk.options["channels"] == 1
    assert model.preprocessing.mean == pytest.approx((0.449,))
    assert run.metrics["top1"] >= 0.8


@pytest.mark.parametrize(("tap", "side"), [("stem", 32), ("layer1.0", 64)])
def test_one_channel_gives_what_three_equal_ones_give(tap: str, side: int) -> None:
    trunk = cl.trunk("resnet18", width=0.25)
    one, gray = for_one_channel(trunk), np.random.default_rng(0).integers(0, 255, (side, side), dtype=np.uint8)
    three, summed = (each(each.preprocess(gray), taps=tap)[tap][:, :, 5:-5, 5:-5] for each in (trunk, one))
    torch.testing.assert_close(summed, three, atol=1e-5, rtol=1e-4)


def test_a_class_of_one_sound_is_refused(tmp_path: Path) -> None:
    root = write_chirps(tmp_path / "data", 3, 0)
    for number in (1, 2):
        (root / "rises" / f"{number}.wav").unlink()
    with pytest.raises(DataError, match=r"need at least two sounds of each class, .* got one of 'rises'"):
        cl.train("classify", root, out=tmp_path / "run", progress=False)


def test_what_cannot_be_heard_is_skipped_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_chirps(tmp_path / "data", 4, 0)
    write_audio(root / "rises" / "still.wav", np.zeros(RATE, np.float32), RATE)
    write_audio(root / "falls" / "short.wav", np.ones(RATE // 100, np.float32), RATE)
    run = cl.train("classify", root, out=tmp_path / "run", width=0.125, epochs=1, batch=4, lr=1e-9, progress=True)
    short, still = sorted(one.reason for one in run.skipped)
    assert "short.wav: need a sound of more than 0." in short
    assert "still.wav: need a sound, got 1 s of silence" in still
    told = capsys.readouterr().err
    assert "8 sounds of 2 classes to train on, 2 to validate on, 0." in told
    assert " s at once, 8,000 samples a second in 64 bands" in told
    assert "smaller batches (--batch 8)" in run.advice
    assert "--size" not in run.advice


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"flip": False}, "flip: is an option for pictures"),
        ({"size": 64}, "size: is an option for pictures"),
        ({"seconds": 0.0}, "seconds: need a number from 0.1 to 60"),
        ({"rate": 10}, "rate: need"),
        ({"bands": 4}, "bands: need"),
        ({"noise": 1.5}, "noise: need a fraction"),
        ({"masks": -1}, "masks: need a whole number of at least 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(chirps: Path, tmp_path: Path, option: dict, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        cl.train("classify", chirps, out=tmp_path / "run", progress=False, **option)


def test_options_of_sounds_are_refused_beside_pictures(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(3):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            cl.write_image(tmp_path / "data" / name / f"{number}.png", np.zeros((16, 16), np.uint8))
    with pytest.raises(ArgumentError, match="noise: is an option for sounds"):
        cl.train("classify", tmp_path / "data", trunk="resnet18", out=tmp_path / "run", noise=0.5, progress=False)
