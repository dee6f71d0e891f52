import subprocess
import sys

import numpy as np
import pytest
import soundfile

import convolens as cl
from convolens import cli
from convolens.media.audio import read_audio, write_audio


@pytest.fixture
def voice(tmp_path):
    write_audio(tmp_path / "voice.wav", np.random.default_rng(0).uniform(-0.5, 0.5, (800, 2)), 8000, subtype="PCM_24")
    return tmp_path / "voice.wav"


def test_echo_writes_what_the_function_gives_in_the_encoding_of_the_input(voice, tmp_path):
    out = tmp_path / "cave.wav"
    assert cli.run(["echo", str(voice), str(out), "--delay", "0.05", "--weight", "0.5", "--delay", "0.1",
                    "--weight", "0.25", "--dry", "0.5"]) == 0  # fmt: skip
    samples, rate = read_audio(voice)
    back, _ = read_audio(out)
    np.testing.assert_allclose(back, cl.echo(samples, rate, [0.05, 0.1], [0.5, 0.25], dry=0.5), atol=2**-23)
    assert soundfile.info(out).subtype == "PCM_24"


def test_samples_that_are_clipped_are_counted(voice, tmp_path, capsys):
    assert cli.run(["echo", str(voice), str(tmp_path / "out.wav"), "--delay", "0", "--weight", "4"]) == 0
    samples, _ = read_audio(voice)
    count = np.count_nonzero(np.abs(5 * samples) > 1)
    assert f"{count} samples were louder than the format can hold" in capsys.readouterr().err


def test_echo_loads_no_torch(voice, tmp_path):
    code = (
        "import sys; from convolens.cli import run\n"
        f"run(['echo', {str(voice)!r}, {str(tmp_path / 'out.wav')!r}, '--delay', '0.1', '--weight', '0.5'])\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "soundfile" in loaded
    assert "torch" not in loaded
    assert (tmp_path / "out.wav").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.wav", None, "gone.wav: need a sound, found nothing there"),
        ("empty.wav", b"", "empty.wav: need a sound file, got 0 bytes"),
        ("letter.wav", b"Dear sound, how are you?", "letter.wav: need a sound file (WAV, FLAC, OGG, MP3)"),
    ],
)
def test_bad_sounds_are_one_line_and_exit_code_2_and_leave_no_output(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert cli.run(["echo", str(tmp_path / name), str(tmp_path / "out.wav"), "--delay", "1", "--weight", "1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and err.count("\n") == 1
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--delay", "-1", "--weight", "1"], "delays: need seconds of at least 0, got -1"),
        (["--delay", "1", "--delay", "2", "--weight", "1"], "weights: need one for each of the 2 delays, got 1"),
        (["--weight", "1"], "Missing option '--delay'"),
    ],
)
def test_bad_echoes_are_one_line_and_exit_code_2(voice, tmp_path, capsys, options, message):
    assert cli.run(["echo", str(voice), str(tmp_path / "out.wav"), *options]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "out.wav").exists()


def test_the_input_is_not_overwritten(voice, capsys):
    before = voice.read_bytes()
    assert cli.run(["echo", str(voice), str(voice), "--delay", "1", "--weight", "1"]) == 2
    assert "is the input, which is never overwritten" in capsys.readouterr().err
    assert voice.read_bytes() == before
