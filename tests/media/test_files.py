import os
import resource
import shutil
import stat
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from convolens.errors import FileError
from convolens.media.drafts import remove_drafts
from convolens.media.files import append, make_folder, need_file, need_target, writing
from convolens.media.inputs import given


def test_what_was_written_stands_under_its_final_name_and_nothing_else_is_left(tmp_path):
    with writing(tmp_path / "out.txt") as draft:
        assert draft.parent == tmp_path and draft.suffix == ".txt"
        draft.write_text("whole")
        assert not (tmp_path / "out.txt").exists()
    assert (tmp_path / "out.txt").read_text() == "whole"
    assert [f.name for f in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_draft(tmp_path, failure):
    target = tmp_path / "out.txt"
    target.write_text("old")

    def write_half():
        with writing(target) as draft:
            draft.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert target.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["out.txt"]


def test_the_input_is_never_overwritten_not_even_through_a_link(tmp_path):
    source, link = tmp_path / "in.txt", tmp_path / "link.txt"
    source.write_text("precious")
    link.symlink_to(source)
    for name in (source, link):
        with (
            pytest.raises(FileError, match="is the input, which is never overwritten"),
            given(source),
            writing(name),
        ):
            pass
    assert source.read_text() == "precious"


def test_a_missing_folder_a_folder_and_a_device_are_refused(tmp_path):
    for target, message in (
        (tmp_path / "no" / "out.txt", "need an existing folder to write into, found none"),
        (tmp_path, "need the name of a file to write, got a folder"),
        (Path("/dev/null"), "need an ordinary file to write, got a device"),
    ):
        with pytest.raises(FileError, match=message), writing(target):
            pass


def test_a_disk_that_fills_up_is_one_sentence_that_names_the_file(tmp_path):
    with pytest.raises(FileError, match=r"out\.txt: cannot be written: No space left"), writing(tmp_path / "out.txt"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_what_the_umask_says_not_those_of_a_temporary_file(tmp_path):
    old = os.umask(0o022)
    try:
        with writing(tmp_path / "out.txt") as draft:
            draft.write_text("x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o644


def test_needed_files_say_what_was_found_instead(tmp_path):
    (tmp_path / "file").touch()
    assert need_file(tmp_path / "file") == tmp_path / "file"
    with pytest.raises(FileError, match=r"gone: need a sound, found nothing there"):
        need_file(tmp_path / "gone", "a sound")
    with pytest.raises(FileError, match="need a sound, got a folder"):
        need_file(tmp_path, "a sound")


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs to be root to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_where_nothing_can_be_written_is_known_before_the_work(tmp_path):
    assert need_target(tmp_path / "a.png") == tmp_path / "a.png"
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileError, match=r"need an existing folder to write into, found none; create .*none first"):
        need_target(tmp_path / "none" / "a.png")
    (tmp_path / "in.png").touch()
    with pytest.raises(FileError, match="is the input, which is never overwritten"), given(tmp_path / "in.png"):
        need_target(tmp_path / "in.png")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write into")
def test_a_folder_that_takes_no_files_is_refused():
    with pytest.raises(FileError, match=r"/proc/a.png: cannot be written"):
        need_target("/proc/a.png")
    with pytest.raises(FileError, match="/proc: need a folder to write into, got one that takes no files: "):
        make_folder("/proc")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.png", "a.jpg", "a.tif"])
def test_a_full_disk_is_said_to_be_full_and_keeps_what_stood_there(full_disk, name):
    from convolens.media.audio import write_audio
    from convolens.media.images import write_image

    noise = np.random.default_rng(0)
    (full_disk / name).write_bytes(b"what stood here before")
    if name.endswith((".wav", ".flac")):
        write, content = partial(write_audio, rate=44100), noise.uniform(-0.5, 0.5, 400_000)
    else:
        write, content = write_image, noise.integers(0, 256, (600, 600, 3), np.uint8)
    with pytest.raises(FileError, match=rf"{name}: cannot be written.*: [Nn]o space left on"):
        write(full_disk / name, content)
    assert (full_disk / name).read_bytes() == b"what stood here before"
    assert [path.name for path in full_disk.iterdir()] == [name]


def test_a_process_that_is_told_to_end_leaves_no_draft(tmp_path):
    def half() -> None:
        with writing(tmp_path / "a.txt") as draft:
            draft.write_text("half")
            remove_drafts()
            assert not any(tmp_path.iterdir())

    with pytest.raises(FileError, match="cannot be written"):
        half()
    assert not any(tmp_path.iterdir())


def test_lines_that_find_no_room_are_not_begun_and_the_file_is_named(tmp_path):
    log = tmp_path / "log.jsonl"
    append(log, "first\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # Python ignores the signal of it
    try:
        with pytest.raises(FileError, match=r"log\.jsonl: cannot be written: File too large$"):
            append(log, "a second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    append(log, "third\n")
    assert log.read_text() == "first\nthird\n"
