"""A share of each campaign on commands that are quick: nothing may be wrong, and what is wrong must be seen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.looking import difference, half_written, snapshot

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are forked, and their clocks read, as Linux has it"
)
ALL = ("kills", "signals", "full", "rivals", "streams", *(["permission"] if getattr(os, "getuid", int)() == 0 else []))


def campaign(keep, *words):
    command = [sys.executable, "-m", "tests.faults", *words, "--keep", str(keep)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@LINUX
@pytest.mark.slow
def test_a_folder_of_pictures_outlives_every_fault(tmp_path):
    done = campaign(tmp_path, *ALL, "--only", "blur", "--count", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: (tmp_path / f"{name}.jsonl").read_text().count("\n") for name in ALL}
    assert counts["kills"] >= 3 and counts["streams"] == 11 and counts["rivals"] == 1 and counts["full"] > 3


@pytest.mark.slow
@LINUX
def test_every_command_outlives_every_fault(tmp_path):
    done = campaign(tmp_path, *ALL, "--count", "100")
    assert done.returncode == 0, done.stdout + done.stderr


BROKEN = """
import tests.faults.__main__
from convolens.media import drafts, files
from tests.faults.campaign import main
{}
raise SystemExit(main())
"""


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(("change", "told"), [
    ("drafts.remove_abandoned = lambda folder: None", "leftover: out/soft/."),
    ("files.new_draft = lambda target: target.touch() or target; files.drop = lambda draft: None", "half-written"),
])  # fmt: skip
def test_drafts_that_stay_or_are_none_are_found(tmp_path, change, told):
    words = [sys.executable, "-c", BROKEN.format(change), "kills", "--only", "blur", "--count", "60"]
    done = subprocess.run([*words, "--keep", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert told in done.stdout


def test_what_is_not_whole_is_seen_whatever_its_kind(tmp_path):
    whole = {"a.json": b"{}", "b.jsonl": b"{}\n{}\n", "c.html": b"<html></html>\n", "d.csv": b"a,b\n1,2\n"}
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    assert half_written(tmp_path) == []
    before = snapshot(tmp_path)
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data[:-2])
    assert [sentence.split()[0] for sentence in half_written(tmp_path)] == list(whole)
    assert difference(snapshot(tmp_path), before) == ", ".join(whole)
