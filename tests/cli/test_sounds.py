import signal
import subprocess
import sys
import time

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


def test_progress_is_a_plain_line_where_nobody_watches(voice, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("convolens.progress.FIRST_LINE", 0.0)
    monkeypatch.setattr("convolens.progress.GROWTH", 0.0)
    out = tmp_path / "out.wav"
    assert cli.run(["echo", str(voice), str(out), "--delay", "0", "--weight", "0.1", "--normalize"]) == 0
    lines = capsys.readouterr().err.splitlines()[:-1]  # the last says what is next
    assert [line.split("  ")[0] for line in lines] == ["out.wav: 50%", "out.wav: 100%", f"wrote {out}"]


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
        (["--delay", "-1", "--weight", "1"], "--delay: need seconds of at least 0, got -1"),
        (["--delay", "1", "--delay", "2", "--weight", "1"], "--weight: need one for each of the 2 delays, got 1"),
        (["--weight", "1"], "Missing option '--delay'"),
        (["--delay", "1", "--weight", "loud"], "--weight: need a number, or one for each channel as in 0.5,0.3"),
        (
            ["--delay", "1", "--weight", "1", "--delay", "2", "--weight", "1,2"],
            "--weight: need as many channels in each",
        ),
        (
            ["--delay", "1", "--weight", "1,2,3"],
            "--weight: need one for each delay, or one for each of 2 channels, got 3",
        ),
        (["--delay", "1", "--weight", "1", "--feedback", "2"], "--feedback: need a number between -1 and 1"),
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


def test_ping_pong_makes_a_mono_sound_stereo(tmp_path):
    write_audio(tmp_path / "mono.wav", np.full(100, 0.25), 8000)
    assert cli.run(["echo", str(tmp_path / "mono.wav"), str(tmp_path / "pp.wav"), "--delay", "0.1", "--weight", "0.6,0",
                    "--delay", "0.2", "--weight", "0,0.5", "--feedback", "0.5"]) == 0  # fmt: skip
    samples, rate = read_audio(tmp_path / "mono.wav")
    expected = cl.echo(samples, rate, [0.1, 0.2], [[0.6, 0], [0, 0.5]], feedback=0.5)
    np.testing.assert_allclose(read_audio(tmp_path / "pp.wav")[0], expected, atol=2**-14)


def test_reverb_writes_what_the_function_gives(voice, tmp_path):
    impulse = np.random.default_rng(1).uniform(-0.05, 0.05, (700, 4)).astype(np.float32)
    write_audio(tmp_path / "room.wav", impulse, 11025, subtype="FLOAT")
    assert cli.run(["reverb", str(voice), str(tmp_path / "room.wav"), str(tmp_path / "out.wav"), "--wet", "0.5",
                    "--dry", "0.4", "--pre-delay", "0.03"]) == 0  # fmt: skip
    samples, rate = read_audio(voice)
    expected = cl.reverb(samples, impulse, wet=0.5, dry=0.4, rate=rate, impulse_rate=11025, pre_delay=0.03)
    back, _ = read_audio(tmp_path / "out.wav")
    np.testing.assert_allclose(back, expected, atol=1e-6)
    assert soundfile.info(tmp_path / "out.wav").subtype == "PCM_24"


def test_a_stereo_impulse_with_a_sound_of_three_channels_is_refused(tmp_path, capsys):
    write_audio(tmp_path / "three.wav", np.zeros((10, 3)), 8000)
    write_audio(tmp_path / "room.wav", np.ones((10, 2)), 8000)
    assert cli.run(["reverb", str(tmp_path / "three.wav"), str(tmp_path / "room.wav"), str(tmp_path / "o.wav")]) == 2
    assert "impulse: need 1 channel, or one for each of the sound's 3, got 2" in capsys.readouterr().err
    assert not (tmp_path / "o.wav").exists()


def test_unecho_prints_what_it_found_and_removes_it(tmp_path, capsys):
    noise = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    write_audio(tmp_path / "dry.wav", noise, 8000, subtype="FLOAT")
    write_audio(tmp_path / "hall.wav", cl.echo(noise, 8000, [0.1, 0.25], [0.5, 0.3]), 8000, subtype="FLOAT")
    known = ["--delay", "0.1", "--weight", "0.5", "--delay", "0.25", "--weight", "0.3"]
    for more in ([], ["--reference", str(tmp_path / "dry.wav")], known):
        assert cli.run(["unecho", str(tmp_path / "hall.wav"), str(tmp_path / "out.wav"), *more]) == 0
        printed = capsys.readouterr().out
        assert ("found 0.1000 s × 0.500, 0.2500 s × 0.300" in printed) == ("--delay" not in more)
        back, _ = read_audio(tmp_path / "out.wav")
        np.testing.assert_allclose(back[:20000], noise, atol=3e-3)


def test_unecho_says_when_there_is_nothing_to_find(tmp_path, capsys):
    write_audio(tmp_path / "dry.wav", np.random.default_rng(0).normal(0, 0.1, 20000), 8000)
    write_audio(tmp_path / "fast.wav", np.zeros(200), 16000)
    assert cli.run(["unecho", str(tmp_path / "dry.wav"), str(tmp_path / "out.wav")]) == 2
    assert "need echoes that stand out, found none" in capsys.readouterr().err
    arguments = [
        "unecho",
        str(tmp_path / "dry.wav"),
        str(tmp_path / "out.wav"),
        "--reference",
        str(tmp_path / "fast.wav"),
    ]
    assert cli.run(arguments) == 2
    assert "fast.wav: need the recording's rate, 8000 Hz, got 16000 Hz" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("options", [[], ["--limit"], ["--normalize"]])
def test_a_plot_shows_before_and_after(voice, tmp_path, options):
    from convolens.media.images import read_image

    assert cli.run(["echo", str(voice), str(tmp_path / "out.wav"), "--delay", "0.05", "--weight", "0.5",
                    "--plot", str(tmp_path / "plot.png"), *options]) == 0  # fmt: skip
    plot = read_image(tmp_path / "plot.png")
    assert plot.shape == (460, 1000, 3) and plot.std() > 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_leaves_nothing_half_written(tmp_path, number):
    write_audio(tmp_path / "long.wav", np.zeros((44100 * 600, 2), np.float32), 44100)
    program = [sys.executable, "-m", "convolens", "echo", "long.wav", "out.flac", "--delay", "1", "--weight", "0.5"]
    process = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".*.part*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["long.wav"]


@pytest.fixture
def takes(tmp_path):
    folder = tmp_path / "takes"
    (folder / "second").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.wav", "second/b.flac"):
        write_audio(folder / name, rng.uniform(-0.5, 0.5, (900, 1)), 8000)
    (folder / "notes.txt").write_text("none")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["echo", "--delay", "0.05", "--weight", "0.5"],
        ["unecho", "--delay", "0.05", "--weight", "0.5"],
        ["filter", "lowpass", "--frequency", "1000"],
        ["reverb", "room.wav"],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_of_sounds_goes_through_a_command(command, takes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_audio("room.wav", np.array([1.0, 0.0, 0.5]), 8000)
    name, *rest = command
    inner = [rest.pop(0)] if rest and not rest[0].startswith("--") else []
    assert cli.run([name, "takes", *inner, "out", *rest]) == 0
    for sound in ("a.wav", "second/b.flac"):
        assert cli.run([name, f"takes/{sound}", *inner, "alone.wav", *rest]) == 0
        np.testing.assert_allclose(read_audio(f"out/{sound}")[0], read_audio("alone.wav")[0], atol=2**-14)
    assert sorted(one.name for one in (tmp_path / "out").rglob("*") if one.is_file()) == ["a.wav", "b.flac"]


def test_a_sound_that_is_none_or_has_no_echoes_is_told_and_the_others_are_done(takes, tmp_path, capsys):
    (takes / "0.wav").write_bytes(b"none")
    out = tmp_path / "out"
    assert cli.run(["echo", str(takes), str(out), "--delay", "0.05", "--weight", "0.5"]) == 2
    said = capsys.readouterr().err
    assert f"skipped: {takes / '0.wav'}" in said and "2 sounds, 1 skipped" in said
    assert (out / "a.wav").exists() and (out / "second/b.flac").exists()
    assert cli.run(["unecho", str(takes / "*.wav"), str(tmp_path / "clean")]) == 2
    assert "a.wav: echoes" in (said := capsys.readouterr().err) or "a.wav: samples: need echoes" in said


@pytest.mark.parametrize(
    ("command", "kind"), [(["echo", "--delay", "0.1", "--weight", "0.5"], "wav"), (["blur", "--sigma", "2"], "png")]
)
def test_where_nothing_could_be_done_nothing_is_said_to_be_written(command, kind, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"a.{kind}").write_bytes(b"none")
    (tmp_path / "in" / f"b.{kind}").write_bytes(b"none")
    assert cli.run([command[0], str(tmp_path / "in"), str(tmp_path / "out"), *command[1:]]) == 2
    said = capsys.readouterr().err
    assert "wrote" not in said
    assert f"nothing is written into {tmp_path / 'out'}: all 2 {'sounds' if kind == 'wav' else 'pictures'} were" in said


def test_many_sounds_are_not_drawn_nor_written_where_they_are(takes, tmp_path, capsys):
    options = ["--delay", "0.05", "--weight", "0.5"]
    assert cli.run(["echo", str(takes), str(tmp_path / "out"), *options, "--plot", str(tmp_path / "p.png")]) == 2
    assert "plot: need one sound to draw" in capsys.readouterr().err
    assert cli.run(["echo", str(takes), str(takes), *options]) == 2
    assert "is the folder of the inputs, which are never overwritten" in capsys.readouterr().err


def test_results_inside_the_folder_of_the_sounds_are_no_sounds_the_next_time(takes, capsys):
    for _ in range(2):
        assert cli.run(["echo", str(takes), str(takes / "out"), "--delay", "0.05", "--weight", "0.5"]) == 0
        assert "2 sounds, 0 skipped" in capsys.readouterr().err
    assert not (takes / "out" / "out").exists()


def test_what_is_read_and_not_written_becomes_a_flac(takes, tmp_path):
    from convolens.media.found_sounds import sound_results

    (takes / "film.m4a").touch()
    results = sound_results(takes, tmp_path / "out")
    assert results[takes / "film.m4a"] == tmp_path / "out" / "film-m4a.flac"
