"""Names of files that are not UTF-8, or that a terminal would obey: shown with escapes, and no traceback."""

import os
import subprocess
import sys

import numpy as np
import pytest

import convolens as cl
from convolens import cli
from convolens.cli.telling import answer, answer_line
from convolens.evaluation.result import in_columns
from convolens.media.images import write_image


@pytest.fixture
def folder(tmp_path):
    """Two classes, with a picture in each whose name is the bytes `caf\\xe9.png`."""
    for number, label in enumerate("ab"):
        (tmp_path / "data" / label).mkdir(parents=True)
        write_image(tmp_path / "plain.png", np.full((20, 30, 3), 100 + number, np.uint8))
        try:
            os.rename(tmp_path / "plain.png", os.fsencode(tmp_path / "data" / label) + b"/caf\xe9.png")  # noqa: PTH104
        except OSError:
            pytest.skip("a file system whose names are all UTF-8")
    return tmp_path / "data"


def convolens(*arguments):
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-m", "convolens", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment)


def test_the_doctor_tells_of_them_and_writes_its_page(folder, tmp_path):
    done = convolens("doctor", folder, "--html", tmp_path / "page.html")
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert "caf\\xe9.png" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_folder_of_them_is_filtered(folder, tmp_path):
    done = convolens("blur", folder, tmp_path / "out", "--sigma", "1")
    assert done.returncode == 0 and b"2 pictures, 0 skipped" in done.stderr
    assert os.listdir(os.fsencode(tmp_path / "out" / "a")) == [b"caf\xe9.png"]  # noqa: PTH208


def test_one_that_cannot_be_read_is_named_with_escapes(folder, tmp_path):
    path = os.fsencode(folder / "a") + b"/caf\xe9\x1b[31m.png"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"no picture")
    done = convolens("blur", folder, tmp_path / "out", "--sigma", "1")
    assert done.returncode == 2 and b"caf\\xe9\\x1b[31m.png: need a picture" in done.stderr
    assert b"\x1b" not in done.stderr and b"Traceback" not in done.stderr


OBEYED = "d\x1b[31mk\nx"


def test_an_answer_of_one_line_is_one_whatever_the_names_in_it_hold(capsys):
    answer_line(f"{OBEYED}.png  {OBEYED} 5.0%")
    assert capsys.readouterr().out == "d\\x1b[31mk\\nx.png  d\\x1b[31mk\\nx 5.0%\n"
    answer(f"one\n{OBEYED}")
    assert capsys.readouterr().out == "one\nd\\x1b[31mk\nx\n"


def test_a_name_of_a_class_is_one_cell_of_a_table():
    assert in_columns([("class", "ap"), (OBEYED, "0.500")]) == ["class             ap", "d\\x1b[31mk\\nx  0.500"]


def test_classes_and_files_that_a_terminal_would_obey_are_escaped_in_answers(tmp_path, capsys):
    for name in (OBEYED, "light"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / f"{OBEYED}.png", np.zeros((20, 20, 3), np.uint8))
    model = cl.classifier("vgg11", classes=(OBEYED, "light"), taps="conv1_1", seed=0, device="cpu")
    model.save(tmp_path / "m.safetensors")
    for line in (["predict", "m.safetensors"], ["evaluate", "m.safetensors"], ["doctor"]):
        arguments = [line[0], *(str(tmp_path / one) for one in line[1:]), str(tmp_path)]
        assert cli.run(arguments) in (0, 1)
        out = capsys.readouterr().out
        assert "d\\x1b[31mk\\nx" in out and "\x1b" not in out
