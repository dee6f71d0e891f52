import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from convolens.cli import run
from convolens.inference import stylize as workflow
from convolens.media.images import read_image, write_image
from convolens.tour.pictures import photo
from tests.file_size import files_of_at_most

pytestmark = pytest.mark.weights
QUICK = ["--steps", "2", "--style-tap", "conv1_1", "--style-tap", "conv2_1", "--content-tap", "conv2_2"]

# Ends itself in the way it is told as soon as the first picture on the way is there.
ENDED = """
import os
from convolens import cli
from convolens.inference import stylize as workflow
plain = workflow.write_picture
def write(*given):
    plain(*given)
    os.kill(os.getpid(), {end})
workflow.write_picture = write
cli.main()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coffee = np.ascontiguousarray(read_image(photo("coffee.png"))[::8, ::8])
    write_image("photo.png", coffee)
    write_image("deep.png", coffee.astype(np.uint16) * 257)
    write_image("style.png", np.ascontiguousarray(read_image(photo("brick.png"))[:400:8, :400:8]))
    return tmp_path


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_a_picture_is_restyled_from_file_to_file(folder, capsys):
    assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "wrote out.png"
    out, photo_ = read_image("out.png"), read_image("photo.png")
    assert out.shape == photo_.shape and out.dtype == np.uint8 and not np.array_equal(out, photo_)
    assert not hidden(folder)


def test_sixteen_bits_stay_where_the_format_has_them(folder):
    for out, dtype in (("out.png", np.uint16), ("out.tif", np.uint16), ("out.jpg", np.uint8)):
        assert run(["stylize", "deep.png", "style.png", out, *QUICK]) == 0
        assert read_image(out).dtype == dtype


def test_a_dash_is_a_texture(folder):
    assert run(["stylize", "-", "style.png", "out.png", "--size", "40", *QUICK]) == 0
    assert read_image("out.png").shape == (40, 40, 3)


def test_ctrl_c_keeps_the_best_so_far_and_resume_goes_on(folder, monkeypatch, capsys):
    plain, seen = workflow.stylize, []

    def stopped_after_one(content, style, **options):
        def on_step(step):
            options["on_step"](step)
            raise KeyboardInterrupt

        return plain(content, style, **{**options, "on_step": on_step})

    def watched(content, style, **options):
        def on_step(step):
            seen.append(step.number)
            options["on_step"](step)

        return plain(content, style, **{**options, "on_step": on_step})

    monkeypatch.setattr(workflow, "stylize", stopped_after_one)
    assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK]) == 130
    assert "out.png: holds step 1 of 2; the same command with --resume continues" in capsys.readouterr().err
    assert read_image("out.png").shape == read_image("photo.png").shape
    assert hidden(folder) == [".out.png.resume.safetensors"]
    monkeypatch.setattr(workflow, "stylize", watched)
    assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK, "--strength", "0.9", "--resume"]) == 2
    assert "out.png: was begun with other options" in capsys.readouterr().err
    assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK, "--resume"]) == 0
    assert seen == [2]
    assert not hidden(folder)
    assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK, "--resume"]) == 2
    assert "out.png: nothing to resume" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_after_the_step_in_hand(folder, monkeypatch, capsys, number, code):
    plain = workflow.stylize

    def signalled(content, style, **options):
        def on_step(step):
            if step.number == 2:
                os.kill(os.getpid(), number)
            options["on_step"](step)

        return plain(content, style, **{**options, "on_step": on_step})

    monkeypatch.setattr(workflow, "stylize", signalled)
    before = signal.getsignal(number)
    line = ["stylize", "photo.png", "style.png", "out.png", *QUICK, "--steps", "3"]
    try:
        found = run(line)
    except SystemExit as end:
        found = end.code
    assert found == code
    said = capsys.readouterr().err
    assert "out.png: holds step 2 of 3; the same command with --resume continues" in said
    assert signal.getsignal(number) is before
    monkeypatch.setattr(workflow, "stylize", plain)
    assert run([*line, "--resume"]) == 0
    assert not hidden(folder)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_whatever_ends_it_resume_goes_on_from_the_picture_that_stands_there(folder, capsys, end):
    line = ["stylize", "photo.png", "style.png", "out.png", *QUICK, "--save-every", "1"]
    assert run(line) == 0
    whole = read_image("out.png")
    (folder / "out.png").unlink()
    with subprocess.Popen([sys.executable, "-c", ENDED.format(end=int(end)), *line], stderr=-1) as running:
        assert b"Traceback" not in running.stderr.read()
    assert running.returncode in (-end, 128 + end)
    assert not np.array_equal(read_image("out.png"), whole)
    assert run([*line, "--resume"]) == 0
    assert np.abs(read_image("out.png").astype(int) - whole).mean() < 8
    assert not hidden(folder)


def test_a_disk_too_full_for_the_state_is_one_sentence(folder, capsys):
    size = 8 * read_image("photo.png").size  # the picture has room, its state of floats has none
    with files_of_at_most(size // 4):
        assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK, "--save-every", "1"]) == 2
    said = capsys.readouterr().err
    assert said == "error: .out.png.resume.safetensors: cannot be written: File too large\n"
    assert hidden(folder) == []


def test_previews_are_written_on_the_way(folder, monkeypatch):
    written, plain = [], workflow.write_picture
    monkeypatch.setattr(workflow, "write_picture", lambda path, *a, **k: (written.append(path), plain(path, *a, **k)))
    assert run(["stylize", "photo.png", "style.png", "out.png", *QUICK, "--save-every", "1"]) == 0
    assert len(written) == 3


def test_a_folder_is_done_but_for_what_cannot_be_read(folder, capsys):
    (folder / "in").mkdir()
    for name in ("a.png", "c.png"):
        write_image(f"in/{name}", read_image("photo.png"))
    (folder / "in" / "b.png").write_bytes(b"no picture")
    assert run(["stylize", "in", "style.png", "out", *QUICK]) == 2
    captured = capsys.readouterr()
    assert "wrote out: 2 pictures, 1 could not be done\n" in captured.err
    assert "in/b.png: need a picture" in captured.err
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "c.png"]


def test_frames_start_from_the_one_before(folder, monkeypatch):
    (folder / "in").mkdir()
    still = read_image("photo.png")
    for name, frame in (("1.png", still), ("2.png", still), ("3.png", np.roll(still, 2, axis=1))):
        write_image(f"in/{name}", frame)
    assert run(["stylize", "in", "style.png", "out", *QUICK, "--sequence"]) == 0
    first, second, third = (read_image(f"out/{n}.png").astype(float) for n in (1, 2, 3))
    alone = np.abs(first - still).mean()
    assert np.abs(second - still).mean() > alone  # it went on from the first, and farther
    assert np.abs(third - second).mean() < np.abs(third - np.roll(second, 40, axis=0)).mean()


def test_what_cannot_be_is_one_sentence(folder, capsys):
    write_image("mask.png", np.full((5, 5), 255, np.uint8))
    cases = {
        ("photo.png", "style.png", "out.png", "--mask", "mask.png"): "mask 1: need the content's 50×75 pixels, got 5×5",
        ("photo.png", "style.png", "out.png", "--style-tap", "conv9_9"): "--style-tap: need one of conv1_1, conv1_2",
        ("photo.png", "none.png", "out.xyz"): "out.xyz: need a name that ends in",  # before anything is read or done
        ("photo.png", "none.png", "nowhere/out.png"): "out.png: need an existing folder to write into",
        ("photo.png", "style.png", "photo.png", *QUICK): "photo.png: is the input, which is never overwritten",
        ("photo.png", "style.png", "out.png", "--weights", "none.pth"): "none.pth",
        ("photo.png", "style.png", "out.png", "--keep-colors", "--match-colors"): "colors: need --keep-colors or",
    }
    for arguments, message in cases.items():
        assert run(["stylize", *arguments]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
