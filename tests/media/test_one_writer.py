import os
import subprocess
import sys

import numpy as np
import pytest

import convolens as cl
from convolens import cli
from convolens.errors import FileError
from convolens.media.images import write_image
from convolens.media.one_writer import only_writer

HOLDS = """
import sys, time
from convolens.media.one_writer import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is writing into the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path], stdout=-1, text=True) as running:
        assert running.stdout.readline() == "held\n"
        yield running
        running.kill()


def test_who_comes_second_is_told_who_was_first_until_that_one_ends_however_it_does(tmp_path, holder):
    first = (
        rf"{tmp_path.name}: is being written to by process {holder.pid} on .* since \d\d:\d\d on .*; wait for it or "
    )
    for _ in range(2):
        with pytest.raises(FileError, match=first), only_writer(tmp_path):
            pass
    holder.kill()
    holder.wait()
    with only_writer(tmp_path), pytest.raises(FileError, match=f"by process {os.getpid()} on"), only_writer(tmp_path):
        pass
    assert not any(tmp_path.iterdir())


def test_files_of_one_folder_are_each_written_by_their_own(tmp_path):
    b = tmp_path / "b.png"
    with only_writer(tmp_path / "a.png"), only_writer(b), only_writer(tmp_path):  # noqa: SIM117 - then this fails
        with pytest.raises(FileError, match=r"b\.png: is being written to by process"), only_writer(b):
            pass
    assert not any(tmp_path.iterdir())


def test_a_failure_leaves_nothing_of_it(tmp_path):
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path):
        raise ZeroDivisionError
    assert not any(tmp_path.iterdir())


def test_where_nothing_can_be_written_is_said(tmp_path):
    target = tmp_path / "none" / "a.png"
    with pytest.raises(FileError, match=r"a\.png: need an existing folder to write into"), only_writer(target):
        pass
    assert not target.parent.exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    for name, level in (("dark", 40), ("light", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(3):
            write_image(folder / "photos" / name / f"{number}.png", np.full((32, 32, 3), level + number, np.uint8))
    model = cl.classifier("vgg11", classes=("dark", "light"), taps="conv1_1", seed=0, device="cpu")
    model.save(folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "predict model.safetensors photos --out OUT",
        "explain model.safetensors photos --out OUT",
        "blur photos OUT --sigma 1",
        "tour --only blur --out OUT",
        "edges photos/dark/*.png OUT",
        "train classify photos --trunk vgg11 --finetune head --out OUT",
        "train classify photos --trunk resnet18 --stem small --width 0.25 --finetune all --epochs 1 --out OUT",
        pytest.param("stylize photos photos/dark/0.png OUT --steps 1 --scales 1", marks=pytest.mark.weights),
        pytest.param("stylize photos/dark/1.png photos/dark/0.png OUT/a.png --steps 1", marks=pytest.mark.weights),
    ],
)
def test_no_command_writes_where_another_does(made, tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(made)
    held = tmp_path / "a.png" if "a.png" in line else tmp_path
    with only_writer(held):
        before = sorted(tmp_path.rglob("*"))
        assert cli.run(line.replace("OUT", str(tmp_path)).split()) == 2
        said = capsys.readouterr().err.splitlines()
        assert said[-1].startswith(f"error: {held}: is being written to by process {os.getpid()} on ")
        assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == before
