"""Every command ends with a line that says what can be done next; `--quiet` leaves answers and errors alone."""

import numpy as np
import pytest
import soundfile
from typer.main import get_command

from convolens import cli
from convolens.cli.next_step import NEXT
from convolens.media.images import write_image


def commands(command, path=()):
    below = getattr(command, "commands", None)
    if below is None:
        return [" ".join(path)]
    return [one for name, child in below.items() for one in commands(child, (*path, name))]


@pytest.fixture
def photo(tmp_path):
    write_image(tmp_path / "a.png", np.full((8, 8, 3), 99, np.uint8))
    return str(tmp_path / "a.png")


def test_there_is_one_for_each_command_and_for_nothing_else():
    assert sorted(NEXT) == sorted(commands(get_command(cli.app)))


def test_a_command_says_what_it_made_and_what_is_next(photo, tmp_path, capsys):
    assert cli.run(["blur", photo, str(tmp_path / "b.png"), "--sigma", "1"]) == 0
    made, after = capsys.readouterr().err.splitlines()
    assert made == f"wrote {tmp_path / 'b.png'}"
    assert after.startswith("next: a larger --sigma blurs more")


def test_a_folder_is_recommended_to_whoever_gave_one_picture(photo, tmp_path, capsys):
    assert cli.run(["blur", photo, str(tmp_path / "b.png"), "--sigma", "1"]) == 0
    assert "a folder in place of the picture" in capsys.readouterr().err
    (tmp_path / "many").mkdir()
    write_image(tmp_path / "many" / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert cli.run(["blur", str(tmp_path / "many"), str(tmp_path / "soft"), "--sigma", "1"]) == 0
    assert capsys.readouterr().err.endswith("next: a larger --sigma blurs more\n")


def test_quiet_says_errors_alone(photo, tmp_path, capsys):
    assert cli.run(["blur", photo, str(tmp_path / "b.png"), "--sigma", "1", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    (tmp_path / "more").mkdir()
    write_image(tmp_path / "more" / "good.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "more" / "bad.png").write_bytes(b"")
    assert cli.run(["blur", str(tmp_path / "more"), str(tmp_path / "out"), "--sigma", "1", "-q"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("skipped: ") and "bad.png" in line
    assert cli.run(["blur", photo, str(tmp_path / "b.png"), "--sigma", "x", "-q"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_what_is_wrong_with_a_sound_is_said_of_its_file(tmp_path, capsys):
    soundfile.write(tmp_path / "short.wav", np.zeros(200), 8000)
    assert cli.run(["unecho", str(tmp_path / "short.wav"), str(tmp_path / "out.wav")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'short.wav'}: need more than ")


def test_the_doctor_says_what_to_do_about_faults(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_image(tmp_path / "data" / name / "0.png", np.zeros((8, 8, 3), np.uint8))
    assert cli.run(["doctor", str(tmp_path / "data")]) == 1  # the same picture in two classes
    assert capsys.readouterr().err.splitlines()[-1].startswith("next: mend what was found")


def test_the_doctor_recommends_the_training_that_the_data_is_for(tmp_path, capsys):
    for at, name in enumerate(("a", "b")):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_image(
            tmp_path / "data" / name / "0.png", np.random.default_rng(at).integers(0, 255, (40, 40, 3), np.uint8)
        )
    assert cli.run(["doctor", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("next: convolens train classify ")
    lines = [f"{name}/0.png,{name},1,1,30,30" for name in "ab"]
    (tmp_path / "data" / "boxes.csv").write_text("\n".join(["path,label,x1,y1,x2,y2", *lines]))
    assert cli.run(["doctor", str(tmp_path / "data" / "boxes.csv")]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("next: convolens train detect ")


def test_what_is_next_after_sounds_is_of_sounds(photo, tmp_path):
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "owl.wav").touch()
    given = {"shard": None, "out": None, "as_format": None, "measure": False, "html": None}
    for source in ("owl.flac", str(tmp_path / "calls")):
        assert "Audacity" in NEXT["predict"]({**given, "files": [source]})
        assert "recording" in NEXT["explain"]({**given, "files": [source]})
    assert "annotated pictures" in NEXT["predict"]({**given, "files": [photo]})
    assert "--measure" in NEXT["explain"]({**given, "files": [photo]})
