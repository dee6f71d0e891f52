import json
import subprocess
import sys
from pathlib import Path

import pytest

import convolens as cl
from examples.many_digits_on_photos import write_many_digits

EXAMPLE = Path(__file__).parents[2] / "examples" / "voc_to_ap.py"


@pytest.mark.slow
def test_a_folder_of_xml_becomes_an_average_precision(tmp_path):
    write_many_digits(tmp_path / "digits", train=12, test=6, side=64, form="voc")
    line = [sys.executable, EXAMPLE, tmp_path / "digits", "--out", tmp_path / "run", "--minutes", "0.03"]
    line += ["--size", "64", "--width", "0.0625"]
    ended = subprocess.run([*map(str, line)], capture_output=True, text=True, check=True)
    figures = dict(one.rsplit(" ", 1) for one in ended.stdout.strip().splitlines()[-1].split(", "))
    model = cl.load(tmp_path / "run" / "best.safetensors")
    measured = cl.evaluate(model, tmp_path / "digits", split="test", progress=False)
    assert figures["count"] == "6"
    assert float(figures["ap"]) == pytest.approx(measured["ap"], rel=0.01)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["validation"]["count"] == 3  # of 12 to train on
