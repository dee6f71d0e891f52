import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError, FileError, ShapeError
from convolens.inference.explain import explain_files
from convolens.inference.predict import predict_files, predictions
from convolens.inference.stylize import stylize_folder
from convolens.media.images import read_image, write_image
from convolens.media.picture_files import find_pictures


@dataclass(frozen=True)
class Found:
    label: str
    score: float
    box_xyxy: tuple[float, float, float, float] | None
    objectness: float


class Finder(nn.Module):
    """Stands for any task: finds the brightest quarter, needs 4 pixels, and counts what it is asked."""

    task = "localize"

    def __init__(self, scale=1.0):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))
        self.asked = []

    def predict(self, images, *, threshold=0.5, batch=16):
        if min(min(one.shape[:2]) for one in images) < 4:
            raise ShapeError("need a picture of at least 4 pixels")
        self.asked.append(len(images))
        return [self.find(one, threshold) for one in images]

    def find(self, one, threshold):
        height, width = one.shape[:2]
        score = float(one.mean() / 255)
        return Found("light", score, (0, 0, width / 2, height / 2) if score >= threshold else None, score)


def fill(folder, count, size=(20, 30)):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder / f"{number:02}.png", np.full((*size, 3), 10 * number + 5, np.uint8))
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_picture_has_its_line_and_is_annotated(tmp_path):
    photos = fill(tmp_path / "photos" / "a", 3).parent
    fill(photos / "b", 2)
    found = predict_files(Finder(), [photos], tmp_path / "out", threshold=0.05, progress=False)
    assert (found.done, found.failed, found.before) == (5, 0, 0)
    written = lines(found.lines)
    assert [one["path"] for one in written] == [
        str(photos / name) for name in ("a/00.png", "a/01.png", "a/02.png", "b/00.png", "b/01.png")
    ]
    assert written[1] == {
        "path": str(photos / "a" / "01.png"), "label": "light", "score": 15 / 255,
        "box_xyxy": [0, 0, 15, 10], "objectness": 15 / 255,
    }  # fmt: skip
    drawn = read_image(tmp_path / "out" / "pictures" / "a" / "01.jpg")
    assert drawn.shape == (320, 480, 3)  # large enough to read what stands on the boxes
    assert drawn[:160, :240].max() > 150  # its box
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.json", "pictures", "predictions.jsonl"]


def test_one_bad_file_is_one_line_with_its_error(tmp_path):
    photos = fill(tmp_path / "photos", 5)
    (photos / "01.png").write_bytes(b"")
    write_image(photos / "02.png", np.zeros((2, 9), np.uint8))
    found = predict_files(Finder(), [photos], tmp_path / "out", progress=False)
    assert (found.done, found.failed) == (3, 2)
    errors = {Path(one["path"]).name: one["error"] for one in lines(found.lines) if "error" in one}
    assert errors == {
        "01.png": f"{photos / '01.png'}: need a picture, got 0 bytes",
        "02.png": f"{photos / '02.png'}: need a picture of at least 4 pixels",
    }


def test_an_interrupted_run_goes_on_behind_its_last_whole_line(tmp_path):
    photos, out = fill(tmp_path / "photos", 9), tmp_path / "out"
    whole = predict_files(Finder(), [photos], out, progress=False).lines.read_bytes()
    part = out / "predictions.part.jsonl"
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        (out / "predictions.jsonl").unlink()
        part.write_bytes(whole[:cut])
        finder = Finder()
        found = predict_files(finder, [photos], out, progress=False)
        assert found.lines.read_bytes() == whole
        assert found.before == whole[:cut].count(b"\n") == 9 - sum(finder.asked)
        assert not part.exists()


def test_what_failed_is_tried_again_and_its_new_line_takes_the_place_of_the_old(tmp_path):
    photos, out = fill(tmp_path / "photos", 6), tmp_path / "out"
    whole = predict_files(Finder(), [photos], tmp_path / "whole", progress=False).lines.read_bytes()
    good = (photos / "01.png").read_bytes()
    for name in ("01.png", "03.png"):
        (photos / name).write_bytes(b"")
    first = predict_files(Finder(), [photos], out, progress=False).lines.read_bytes()
    other = predict_files(Finder(), [fill(tmp_path / "more", 1)], out, progress=False)
    assert (other.failed, len(lines(other.lines))) == (0, 7)  # the others' failures are not this run's
    (out / "predictions.jsonl").write_bytes(first)
    (photos / "01.png").write_bytes(good)
    found = predict_files(Finder(), [photos], out, progress=False)
    assert (found.done, found.failed, found.before) == (1, 1, 4)
    (out / "predictions.jsonl").rename(out / "predictions.part.jsonl")  # as if killed at the end
    write_image(photos / "03.png", np.full((20, 30, 3), 35, np.uint8))
    found = predict_files(Finder(), [photos], out, progress=False)
    assert (found.done, found.failed, found.before) == (1, 0, 5)
    assert found.lines.read_bytes() == whole
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "pictures", "predictions.jsonl"]


def test_a_picture_that_is_named_is_meant_even_in_the_folder_of_results(tmp_path, monkeypatch):
    monkeypatch.chdir(fill(tmp_path / "photos", 2))
    assert predict_files(Finder(), ["00.png"], ".", progress=False).done == 1
    with pytest.raises(FileError, match=r"all below \., which is left out as the folder of results"):
        predict_files(Finder(), ["*.png"], ".", progress=False)


@pytest.mark.parametrize("line", ['{"path": 3}', '{"path": ["a"]}', "[" * 100_000, "7", '{"no": 1}'])
def test_lines_that_no_run_wrote_are_written_anew(tmp_path, line):
    photos, out = fill(tmp_path / "photos", 2), tmp_path / "out"
    whole = predict_files(Finder(), [photos], out, progress=False).lines.read_bytes()
    (out / "predictions.jsonl").write_text(f"{line}\n")
    assert predict_files(Finder(), [photos], out, progress=False).lines.read_bytes() == whole


@pytest.mark.parametrize(
    "line", ['{"path": null}', '{"path": 1.5}', '{"path": ["a"]}', "[]", '{"path": "a", "deep": ' + "[" * 100_000]
)
def test_a_run_goes_on_before_a_line_that_cannot_be_one_of_its_own(tmp_path, line):
    photos, out = fill(tmp_path / "photos", 3), tmp_path / "out"
    whole = predict_files(Finder(), [photos], out, progress=False).lines.read_bytes()
    first = whole.splitlines(keepends=True)[0]
    (out / "predictions.jsonl").rename(out / "predictions.part.jsonl")
    (out / "predictions.part.jsonl").write_bytes(first + line.encode() + b"\n")
    found = predict_files(Finder(), [photos], out, progress=False)
    assert found.before == 1 and found.lines.read_bytes() == whole


def test_a_run_that_is_complete_asks_nothing_and_takes_new_pictures(tmp_path):
    photos, out = fill(tmp_path / "photos", 3), tmp_path / "out"
    before = predict_files(Finder(), [photos], out, progress=False).lines.read_bytes()
    again = Finder()
    predict_files(again, [photos], out, progress=False)
    assert (again.asked, (out / "predictions.jsonl").read_bytes()) == ([], before)
    write_image(photos / "new.png", np.zeros((9, 9), np.uint8))
    assert predict_files(again, [photos], out, progress=False).done == 1
    assert (out / "predictions.jsonl").read_bytes().startswith(before)


def test_results_within_the_folder_of_pictures_are_no_pictures_of_it(tmp_path):
    photos = fill(tmp_path / "photos", 3)
    for _ in range(2):
        found = predict_files(Finder(), [photos], photos / "out", progress=False)
    assert found.before == 3 and found.done == 0


def test_another_model_or_other_options_need_another_folder(tmp_path):
    photos, out = fill(tmp_path / "photos", 2), tmp_path / "out"
    predict_files(Finder(), [photos], out, progress=False)
    for model, options in ((Finder(2.0), {}), (Finder(), {"threshold": 0.1})):
        with pytest.raises(ArgumentError, match=r"out: holds predictions of another model .* give another folder"):
            predict_files(model, [photos], out, progress=False, **options)


def test_an_option_that_the_task_does_not_have_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"top: need an option of localize models \(threshold\)"):
        predict_files(Finder(), [fill(tmp_path / "photos", 1)], tmp_path / "out", top=3)


@pytest.mark.bad_input
def test_what_is_no_picture_is_refused_before_a_folder_is_made(tmp_path):
    address, out = "https://example.org/*.jpg", tmp_path / "out"
    for refused in (
        lambda: predict_files(Finder(), [address], out),
        lambda: list(explain_files(Finder(), [address], out, ["cam"])),
        lambda: stylize_folder(address, [tmp_path / "style.jpg"], out),
        lambda: cl.classifier("vgg16", classes=("dark", "light"), taps="conv1_2").predict(address),
    ):
        with pytest.raises(FileError, match=r"https://example.org/\*.jpg: need a file, got a pattern"):
            refused()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*passed over 1 .txt")
def test_files_folders_and_patterns_are_taken_in_order(tmp_path):
    fill(tmp_path / "a", 2)
    fill(tmp_path / "b", 2)
    (tmp_path / "a" / "notes.txt").write_text("")
    found = find_pictures([tmp_path / "b" / "01.png", tmp_path / "a", f"{tmp_path}/**/00.*"])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "b/01.png", "a/00.png", "a/01.png", "a/00.png", "b/00.png",
    ]  # fmt: skip
    for nothing in (tmp_path / "a" / "*.jpg", (tmp_path / "empty")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(FileError, match=r"need pictures \(\.png .*\), found none"):
            list(find_pictures([nothing]))


def test_pictures_of_one_name_in_two_folders_keep_apart(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, 1)
    predict_files(Finder(), [tmp_path / "a" / "00.png", tmp_path / "b" / "00.png"], tmp_path / "out", progress=False)
    drawn = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.jpg"))
    assert [str(path) for path in drawn] == ["pictures/a/00.jpg", "pictures/b/00.jpg"]


def test_few_pictures_are_held_at_a_time_whatever_the_batch(monkeypatch, tmp_path):
    monkeypatch.setattr("convolens.inference.predict.HELD_PIXELS", 2 * 20 * 30)
    finder = Finder()
    assert len(list(predictions(finder, sorted(fill(tmp_path, 6).iterdir()), batch=16))) == 6
    assert finder.asked == [2, 2, 2]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    cl.classifier("vgg16", classes=("dark", "light"), taps="conv1_2").save(path)
    return path


def test_the_command_line_prints_or_fills_a_folder_with_the_same_answers(classifier, tmp_path, capsys):
    photos = fill(tmp_path / "photos", 3)
    Image.new("CMYK", (20, 20)).save(photos / "ink.jpg")
    (photos / "03.png").write_text("no picture")
    assert cli.run(["predict", str(classifier), str(photos), "--json"]) == 2
    printed = capsys.readouterr()
    assert "03.png: need a picture" in printed.err
    arguments = ["predict", str(classifier), str(photos), "--out", str(tmp_path / "out")]
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""  # answers alone go to stdout
    error = printed.err.splitlines()[-1]
    assert err.splitlines() == [
        "4 done, 1 failed",
        error,
        f"wrote {tmp_path / 'out' / 'predictions.jsonl'}: annotated pictures are in {tmp_path / 'out' / 'pictures'}",
    ]
    assert lines(tmp_path / "out" / "predictions.jsonl") == [json.loads(line) for line in printed.out.splitlines()]
    assert cli.run(arguments) == 2  # it still fails
    assert capsys.readouterr().err.startswith("0 done, 1 failed, 4 before\n")
    model = cl.load(classifier, device="cpu")
    alone = model.predict(photos / "01.png", top=3)
    assert lines(tmp_path / "out" / "predictions.jsonl")[1]["labels"] == list(alone.labels)
    assert read_image(tmp_path / "out" / "pictures" / "ink.jpg").shape[0] > 20  # with its caption


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures(classifier, tmp_path):
    photos = fill(tmp_path / "photos", 1)
    for number in range(1, 6000):
        os.link(photos / "00.png", photos / f"{number:05}.png")
    program = (
        "import sys, resource, convolens as cl; from convolens.inference.predict import predict_files\n"
        "model = cl.load(sys.argv[1], device='cpu')\n"
        "predict_files(model, sys.argv[4:], sys.argv[2], pictures=sys.argv[3] == 'yes', progress=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )

    def megabytes(name, files):
        command = [sys.executable, "-c", program, str(classifier), str(tmp_path / name), "yes", *files]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    few, many = megabytes("few", [f"{photos}/000*.png"]), megabytes("many", [str(photos)])
    print(f"100 pictures: {few:.0f} MB, 6,000: {many:.0f} MB")
    assert many < few + 30


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with_and_ends_as_if_undisturbed(classifier, tmp_path):
    photos = fill(tmp_path / "photos", 20)
    command = [sys.executable, "-m", "convolens", "predict", str(classifier), str(photos), "--batch", "1", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    started = time.perf_counter()
    subprocess.run([*command, str(tmp_path / "again")], check=True, capture_output=True)
    usual = time.perf_counter() - started
    random = np.random.default_rng(0)
    for _ in range(8):
        running = subprocess.Popen([*command, str(tmp_path / "killed")], stdout=-3, stderr=-3)
        time.sleep(usual * random.uniform(0.5, 1.0))
        running.kill()
        running.wait()
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    assert (tmp_path / "killed/predictions.jsonl").read_bytes() == (tmp_path / "whole/predictions.jsonl").read_bytes()
