"""What a shell's tab key gives: names that are there, without loading a network."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import convolens as cl
from convolens.cli import completion


def completed(line, folder, shell="bash"):
    words = line.split(" ")
    environment = {
        **os.environ, "_CONVOLENS_COMPLETE": f"complete_{shell}", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "",
    }  # fmt: skip
    code = "import sys; from convolens.cli import main; sys.argv = ['convolens']; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    model = cl.classifier(cl.trunk("resnet18", device="cpu"), classes=2)
    for name in ("cats", "dogs"):
        (folder / "runs" / name).mkdir(parents=True)
    model.save(folder / "runs" / "cats" / "best.safetensors")
    shutil.copy(folder / "runs" / "cats" / "best.safetensors", folder / "model.safetensors")
    (folder / "photo.jpg").touch()
    return folder


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("convolens sty", ["stylize"]),
        ("convolens train classify photos --trunk resnet1", ["resnet18", "resnet101", "resnet152"]),
        ("convolens train classify photos --trunk resnet50 --weights im", ["imagenet", "imagenet-v2"]),
        ("convolens train detect photos --trunk vgg16 --weights s", ["ssd"]),
        ("convolens trace a.png b.png --tap conv4", ["conv4_1", "conv4_2", "conv4_3"]),
        ("convolens predict ", ["model.safetensors", "runs/"]),
        ("convolens predict runs/", ["runs/cats", "runs/dogs/"]),
        ("convolens explain runs/cats a.png --tap layer3", ["layer3.0", "layer3.1"]),
        ("convolens weights get vgg16/i", ["vgg16/imagenet"]),
        ("convolens blur a.png b.png --boundary re", ["reflect"]),
    ],
)
def test_names_are_completed(folder, line, names):
    assert completed(line, folder) == names


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_them_too(folder, shell):
    said = "\n".join(completed("convolens train classify photos --trunk resnet1", folder, shell))
    assert all(name in said for name in ("resnet18", "resnet101", "resnet152")) and "vgg" not in said


def test_a_file_that_only_looks_like_a_model_completes_nothing(tmp_path):
    for content in (b"", b"\xff" * 100, (10).to_bytes(8, "little") + b'{"a": 1}  ', json.dumps({}).encode()):
        (tmp_path / "x.safetensors").write_bytes(content)
        assert completion._trunk_of(str(tmp_path / "x.safetensors")) is None
    assert completion._models({}, str(tmp_path / "none" / "")) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_is_installed_and_works_in_the_shell_itself(tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "convolens"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m convolens "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    run = [shell, "-c", "convolens --install-completion; true"]  # `; true`: so that the shell stays the parent
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert f"{shell} completion installed in {tmp_path}" in done.stdout, done.stderr
    if shell == "bash":
        ask = (
            "source ~/.bash_completions/convolens.sh; COMP_WORDS=(convolens trace a b --tap conv4_); COMP_CWORD=5;"
            "_convolens_completion convolens conv4_ --tap; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        found = subprocess.run([shell, "-c", ask], env=environment, capture_output=True, text=True)
        assert found.stdout.split() == ["conv4_1", "conv4_2", "conv4_3"]
    if shell == "fish":
        ask = "complete -C 'convolens trace a b --tap conv4_'"
        found = subprocess.run([shell, "-c", ask], env=environment, capture_output=True, text=True)
        assert found.stdout.split() == ["conv4_1", "conv4_2", "conv4_3"]
