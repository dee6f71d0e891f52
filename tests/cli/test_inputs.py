"""No command replaces what it was given to read, whatever the output is called."""

import shutil

import numpy as np
import pytest

import convolens as cl
from convolens.cli import run
from convolens.media.images import write_image

REFUSED = "is the input, which is never overwritten; give another name for the output\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model in what looks like a run folder, pictures of two classes with a table of boxes, and further pictures."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "run").mkdir()
    model = cl.classifier("vgg11", classes=("dark", "light"), taps="conv1_1", seed=0, device="cpu")
    model.save(folder / "run" / "best.safetensors")
    rows = ["path,label,x1,y1,x2,y2"]
    for name, level in (("dark", 40), ("light", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(3):
            write_image(folder / "photos" / name / f"{number}.png", np.full((32, 32, 3), level + number, np.uint8))
            rows.append(f"{name}/{number}.png,{name},4,4,20,20")
    (folder / "photos" / "metrics.csv").write_text("\n".join(rows))
    for name in ("x.heat.png", "style.png", "mask.png", "start.png"):
        write_image(folder / name, np.full((32, 32, 3), 255, np.uint8))
    return folder


QUICK = ("--steps", "1", "--scales", "1")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("doctor photos/metrics.csv --html photos/metrics.csv", "photos/metrics.csv"),
        ("doctor photos --html photos/dark/../dark/1.png", "photos/dark/1.png"),
        ("evaluate run photos/metrics.csv --html photos/metrics.csv", "photos/metrics.csv"),
        ("evaluate run photos --html photos/dark/0.png", "photos/dark/0.png"),
        ("evaluate run photos --html run/best.safetensors", "run/best.safetensors"),
        ("explain run x.heat.png --html x.heat.png", "x.heat.png"),
        ("explain run x.heat.png --out x.png --maps", "x.heat.png"),
        ("explain run/best.safetensors x.heat.png --html run/best.safetensors", "run/best.safetensors"),
        ("stylize x.heat.png style.png mask.png --mask mask.png", "mask.png"),
        ("stylize x.heat.png style.png start.png --init start.png", "start.png"),
        ("train classify photos/metrics.csv --out photos --trunk vgg11", "photos/metrics.csv"),
        ("train detect photos --out photos --trunk vgg11", "photos/metrics.csv"),
        ("train classify photos --weights run/best.safetensors --out run --overwrite", "run/best.safetensors"),
        ("convolve x.heat.png gaussian:1 x.heat.png", "x.heat.png"),
        ("edges x.heat.png x.heat.png --method canny", "x.heat.png"),
    ],
)  # fmt: skip
def test_an_output_that_is_an_input_is_refused_in_one_sentence(made, tmp_path, monkeypatch, capsys, line, kept):
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(line.split() + list(QUICK if line.startswith("stylize") else ())) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"{kept}: {REFUSED}".replace("dark/1", "dark/../dark/1" if ".." in line else "dark/1"))
    assert said.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_page_beside_the_data_is_written_again_and_again(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    for _ in range(2):
        assert run(["doctor", "photos", "--html", "photos/page.html"]) in (0, 1)
        assert run(["evaluate", "run", "photos", "--html", "photos/measured.html"]) == 0


def test_a_training_below_the_folder_of_its_data_can_be_done_again(made, tmp_path, monkeypatch):
    shutil.copytree(made / "photos", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "photos" / "metrics.csv"
    table.write_text("\n".join(",".join(row.split(",")[:2]) for row in table.read_text().splitlines()))
    line = ["train", "classify", "photos", "--trunk", "vgg11", "--finetune", "head", "--out", "photos/run"]
    assert run(line) == run([*line, "--overwrite"]) == 0
    assert (tmp_path / "photos" / "run" / "curves.png").exists()


def test_calls_from_python_keep_their_inputs_too(made, monkeypatch):
    monkeypatch.chdir(made)
    with pytest.raises(cl.errors.FileError, match="is the input"):
        cl.evaluate(cl.load("run"), "photos", html="photos/dark/0.png", progress=False)
    with pytest.raises(cl.errors.FileError, match="is the input"):
        cl.train("classify", "photos", trunk="vgg11", weights="run/best.safetensors", out="run", overwrite=True)
