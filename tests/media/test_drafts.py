import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convolens.media import drafts
from convolens.media.drafts import OTHERS_SECONDS, drop, new_draft
from convolens.media.files import make_folder, need_target, writing

NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc, to tell processes apart")
WRITES = """
import sys, time
from convolens.media.files import writing
with writing(sys.argv[1]) as draft:
    draft.write_bytes(b"half")
    print(draft, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing `out.txt`, and its draft."""
    with subprocess.Popen([sys.executable, "-c", WRITES, tmp_path / "out.txt"], stdout=-1, text=True) as running:
        yield running, Path(running.stdout.readline().strip())
        running.kill()


def others(folder):
    drafts._cleaned.clear()  # as a process that has just begun
    need_target(folder / "mine.txt")
    return sorted(path.name for path in folder.iterdir())


@NEEDS_PROC
def test_the_draft_of_a_killed_process_goes_with_the_next_run_and_that_of_a_live_one_stays(tmp_path, writer):
    running, draft = writer
    assert others(tmp_path) == [draft.name]
    running.kill()
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked how
    assert others(tmp_path) == []


@NEEDS_PROC
def test_a_process_that_has_got_a_dead_ones_number_does_not_keep_its_draft(tmp_path):
    draft = new_draft(tmp_path / "a.wav")
    place, pid, started, rest = draft.name[1:].split("-")
    other = tmp_path / f".{place}-{pid}-{int(started) - 1}-{rest}"
    draft.rename(other)
    assert others(tmp_path) == []
    drop(draft)


def test_what_another_machine_writes_is_left_alone_for_a_day(tmp_path):
    draft = tmp_path / ".00000000-1-1-01234567.part.png"
    draft.touch()
    assert others(tmp_path) == [draft.name]
    old = time.time() - OTHERS_SECONDS - 60
    os.utime(draft, (old, old))
    assert others(tmp_path) == []


def test_what_only_looks_like_a_draft_is_nobodys_business(tmp_path):
    for name in (".01234567.part", "0-1-1-01234567.part", ".00000000-1-1-01234567.partial", ".hidden"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    assert len(others(tmp_path)) == 4


def test_a_folder_is_looked_through_once_however_much_is_written(tmp_path, monkeypatch):
    looked = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: looked.append(folder) or scan(folder))
    make_folder(tmp_path)
    for number in range(3):
        with writing(tmp_path / f"{number}.txt"):
            pass
    assert looked == [tmp_path]


def test_what_is_half_written_goes_though_the_process_works_elsewhere_by_then(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drafts.gone_at_the_end(Path("held"))
    draft = new_draft(Path("a.txt"))
    Path("held").touch()
    monkeypatch.chdir("/")
    drafts.remove_drafts()
    assert not list(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    for path in (draft, Path("held")):
        drop(path)
