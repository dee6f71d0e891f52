"""Explanations of many files, and how far they can be trusted."""

import copy
import json
import re

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import cli, progress
from convolens.errors import ArgumentError
from convolens.evaluation import explanations as measuring
from convolens.evaluation.explanations import BASELINES, THRESHOLDS, box_thresholds, measure_explanations
from convolens.explanation import METHODS
from convolens.inference import explanation_page
from convolens.media.images import read_image, write_image

SQUARES = {"dark": (30, 30, 30), "orange": (250, 120, 40)}


@pytest.fixture(scope="module")
def model():
    """Scores how orange a picture is, from what the first layer's random features make of it."""
    model = cl.classifier("vgg11", classes=tuple(SQUARES), taps="conv1_1", seed=0)
    with torch.no_grad():
        patches = [np.full((16, 16, 3), color, np.uint8) for color in SQUARES.values()]
        dark, orange = (model.features(model.preprocess(patch))[0] for patch in patches)
        towards = (orange - dark) / (orange - dark).square().sum() * 20
        model.head.linear.weight.copy_(torch.stack([-towards, towards]))
        model.head.linear.bias.copy_(-model.head.linear.weight @ (0.95 * dark + 0.05 * orange))
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    """The model, six pictures of an orange square at places that a CSV tells, and one that is no picture."""
    folder = tmp_path_factory.mktemp("data")
    model.save(folder / "model.safetensors")
    random = np.random.default_rng(0)
    rows = ["path,label,x1,y1,x2,y2"]
    for number in range(6):
        picture = random.integers(20, 50, (40, 48, 3)).astype(np.uint8)
        x, y = random.integers(0, 34), random.integers(0, 26)
        picture[y : y + 14, x : x + 14] = SQUARES["orange"]
        write_image(folder / f"{number}.png", picture)
        rows.append(f"{number}.png,orange,{x},{y},{x + 14},{y + 14}")
    (folder / "boxes.csv").write_text("\n".join(rows))
    (folder / "broken.jpg").write_text("not a picture")
    return folder


def run(folder, *arguments):
    return cli.run(["explain", str(folder / "model.safetensors"), *map(str, arguments)])


def test_a_folder_gets_overlays_maps_and_a_line_for_each_picture(folder, tmp_path, capsys):
    out = tmp_path / "why"
    files = [folder / "0.png", folder / "broken.jpg", folder / "1.png"]
    assert run(folder, *files, "--out", out, "--target", "orange", "--maps") == 2
    shown, errors = capsys.readouterr()
    assert errors.startswith(f"error: {folder / 'broken.jpg'}: ") and errors.endswith(f"\nwrote {out}\n")
    lines = [json.loads(line) for line in (out / "explanations.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(file) for file in files]
    assert "error" in lines[1]
    written = {f"{name}{suffix}" for name in "01" for suffix in (".png", ".npy", ".heat.png")}
    assert {path.name for path in out.iterdir()} == {*written, "explanations.jsonl"}
    found = cl.explain(cl.load(folder / "model.safetensors"), files[0], target="orange")
    np.testing.assert_array_equal(np.load(out / "0.npy"), found.heatmap[None])
    np.testing.assert_array_equal(read_image(out / "0.png"), found.drawn())
    heat = read_image(out / "0.heat.png").sum(axis=2, dtype=int)
    assert heat.shape == found.heatmap.shape
    assert heat[found.heatmap <= 0].max() < heat[found.heatmap == found.heatmap.max()].min()
    (one,) = lines[0]["explanations"]
    assert one == {"method": "cam", "label": "orange", "score": found.score, "probability": found.probability,
                   "box_xyxy": list(found.box())}  # fmt: skip
    assert shown.splitlines()[0].startswith(f"{files[0]}  orange {found.probability:.1%}  x ")


def test_overlays_of_one_name_keep_apart(folder, tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    picture = read_image(folder / "0.png")
    for name in ("0.png", "0.jpg", "1.png", "a/1.png"):
        write_image(tmp_path / "data" / name, picture)
    assert run(folder, tmp_path / "data", "--out", tmp_path / "why") == 0
    overlays = sorted(path.relative_to(tmp_path / "why").as_posix() for path in (tmp_path / "why").rglob("*.png"))
    assert overlays == ["0-jpg.png", "0-png.png", "1.png", "a/1.png"]


def test_several_methods_stand_side_by_side(folder, tmp_path):
    options = ["--method", "cam", "--method", "hirescam", "--target", "orange"]
    assert run(folder, folder / "0.png", "--out", tmp_path / "one.png", "--method", "cam") == 0
    assert run(folder, folder / "0.png", "--out", tmp_path / "two.png", *options) == 0
    one, two = (read_image(tmp_path / name) for name in ("one.png", "two.png"))
    assert one.shape == (400, 480, 3)  # large enough to be looked at
    assert two.shape[1] > 2 * 240


def test_a_page_shows_the_worst_first_with_the_likeliest_classes_and_their_maps(folder, model, tmp_path, capsys):
    data = tmp_path / "data"
    for name, truth, color in (("sure", "dark", "dark"), ("wrong", "dark", "orange"), ("clear", "orange", "orange")):
        (data / truth).mkdir(parents=True, exist_ok=True)
        write_image(data / truth / f"{name}.png", np.full((30, 40, 3), SQUARES[color], np.uint8))
    (data / "dark" / "broken.png").write_text("nothing")
    page = tmp_path / "why.html"
    assert run(folder, data, "--html", page) == 2
    assert "broken.png" in capsys.readouterr().err
    html = page.read_text()
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)[:3]
    assert captions[0] == "<b>predicted as orange, is dark</b> wrong.png"
    assert set(captions[1:]) == {"<b>is dark</b> sure.png", "<b>is orange</b> clear.png"}
    first = re.search(r"<figure.*?</figure>", html, re.DOTALL)[0]
    likely = model.predict(data / "dark" / "wrong.png")
    names = [f"{name} {share:.0%}" for name, share in zip(likely.labels, likely.scores, strict=True)]
    assert re.findall(r'<li tabindex="0">(.*?)<img', first) == names
    assert first.count("<img") == 3
    assert "3 pictures, of 3 of which the class is known; 2 of these are right." in html
    assert "<td>" in html and "broken.png" in html
    outside = re.sub(r"data:[^\"]*", "", html)
    assert "http" not in outside and "<script" not in outside


def test_of_more_pictures_than_a_page_has_the_worst_are_shown_and_decoded_once_while_memory_lasts(
    folder, tmp_path, monkeypatch
):
    pages, again = [], []
    read = explanation_page.as_pixels
    monkeypatch.setattr(explanation_page, "MOST", 2)
    monkeypatch.setattr(explanation_page, "as_pixels", lambda path: again.append(path.name) or read(path))
    for held in (explanation_page.HELD_BYTES, 2 * 40 * 48 * 3 - 1, 0):
        monkeypatch.setattr(explanation_page, "HELD_BYTES", held)
        assert run(folder, *(folder / f"{number}.png" for number in range(6)), "--html", tmp_path / "why.html") == 0
        pages.append((tmp_path / "why.html").read_text())
    assert pages[0] == pages[1] == pages[2]
    assert "The worst 2 of 6, worst first." in pages[0] and pages[0].count('class="layered"') == 2
    worst = re.findall(r"([0-9]\.png)</figcaption>", pages[0])
    assert len(worst) == 2 and again == [worst[1], *worst]


def test_a_page_of_one_target_has_each_methods_map_of_it(folder, tmp_path):
    page = tmp_path / "why.html"
    options = ["--target", "orange", "--method", "cam", "--method", "layercam", "--html", page]
    assert run(folder, folder / "0.png", folder / "1.png", *options) == 0
    for figure in re.findall(r'<div class="layered">.*?</div>', page.read_text(), re.DOTALL):
        assert [name.split(" ")[0] for name in re.findall(r'<li tabindex="0">(.*?)<img', figure)] == ["orange"] * 2
        assert re.findall(r"· (\w+)<", figure) == ["cam", "layercam"]


def test_smoothing_and_positive_features_are_passed_on(folder, tmp_path):
    asked = {"relu_weights": True, "flip": True, "noise_samples": 2, "seed": 3}
    options = ["--relu-weights", "--flip", "--noise-samples", 2, "--seed", 3, "--maps", "--target", "orange"]
    assert run(folder, folder / "2.png", "--out", tmp_path / "why", *options) == 0
    found = cl.explain(cl.load(folder / "model.safetensors"), folder / "2.png", target="orange", **asked)
    np.testing.assert_array_equal(np.load(tmp_path / "why" / "2.npy")[0], found.heatmap)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0.png"], "error: --out: need a folder or a picture's name to write, or --html a page's, got none"),
        (["0.png", "--out", "why.pdf"], "error: --out: need a folder or a picture's name (.png, .jpg, .webp, .tif), "),
        (
            ["0.png", "1.png", "--out", "why.png"],
            "error: --out: need a folder for several pictures, got",
        ),
        (["0.png", "1.png", "--measure"], "error: files: need one data set to measure on, got 2"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    before = set(folder.iterdir())
    assert run(folder, *arguments) == 2
    assert capsys.readouterr().err.startswith(message)
    assert set(folder.iterdir()) == before


def test_methods_that_look_at_the_class_beat_those_that_know_nothing(folder, model):
    measured = measure_explanations(model, folder / "boxes.csv", ("cam", "gradcam", "layercam"), count=6)
    assert list(measured) == ["cam", "gradcam", "layercam", *BASELINES]
    assert " ".join(measured["cam"]) == (
        "deletion insertion road drop increase model_randomization compared pointing box_iou box_error seconds"
    )
    for method in ("cam", "gradcam", "layercam"):
        mine = measured[method]
        assert mine["pointing"] == 1
        assert mine["box_error"] == 0
        assert mine["box_iou"] > 0.7
        for blind in BASELINES:
            assert mine["road"] > measured[blind]["road"] + 0.1
            assert mine["deletion"] < measured[blind]["deletion"]
            assert mine["box_iou"] > measured[blind]["box_iou"]
        assert 0 < mine["model_randomization"] < 1
        assert mine["compared"] == 1
    lines = measured.summary().splitlines()
    assert lines[0].split()[:4] == ["method", "deletion", "insertion", "road"]
    assert [line.split()[0] for line in lines[1:]] == list(measured)


def test_a_map_that_is_empty_with_shuffled_weights_does_not_pass_for_one_that_changed(folder, model, monkeypatch):
    def emptied(model, *, seed):
        other = copy.deepcopy(model)
        torch.nn.init.zeros_(other.head.linear.weight)
        return other

    monkeypatch.setattr(measuring, "randomized", emptied)
    measured = measure_explanations(model, folder / "boxes.csv", ("cam", "gradcam"), count=2, faithful=False)
    for method in ("cam", "gradcam"):
        assert measured[method]["compared"] == 0
        assert "model_randomization" not in measured[method]
    first, cam, *_ = measured.summary().splitlines()
    assert first.split() == ["method", "compared", "pointing", "box_iou", "box_error", "seconds"]
    assert cam.split()[1] == "0.000"


def test_measuring_says_how_far_it_is(folder, model, monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "GROWTH", 0.0)
    options = {"count": 2, "faithful": False}
    measure_explanations(model, folder / "boxes.csv", ("cam",), **options)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("explanations: ")]
    assert [line.split("  ")[:2] for line in lines] == [
        [f"explanations: {share}%", f"picture {number} of 2, {method}"]
        for share, number, method in zip(
            (17, 33, 50, 67, 83, 100), (1, 1, 1, 2, 2, 2), ("cam", *BASELINES) * 2, strict=True
        )
    ]
    assert " left" in lines[0]
    measure_explanations(model, folder / "boxes.csv", ("cam",), **options, progress=False)
    assert "explanations:" not in capsys.readouterr().err


def test_the_threshold_is_the_one_at_which_most_boxes_fit(folder, model, monkeypatch):
    monkeypatch.setattr(measuring, "randomized", lambda model, **_: model)  # not asked for here, and takes seconds
    methods = ("cam", "layercam")
    chosen = box_thresholds(model, folder / "boxes.csv", methods, count=6)
    assert list(chosen) == [*methods, *BASELINES]
    options = {"count": 6, "faithful": False}

    def good(method, threshold):
        found = measure_explanations(model, folder / "boxes.csv", (method,), thresholds={method: threshold}, **options)
        assert "road" not in found[method]
        return 1 - found[method]["box_error"], found[method]["box_iou"]

    tried = {threshold: good("cam", threshold) for threshold in THRESHOLDS[::3]}
    assert good("cam", chosen["cam"]) >= max(tried.values())
    assert min(tried.values()) < max(tried.values())


def test_a_threshold_needs_pictures_with_boxes(folder, model, tmp_path):
    (tmp_path / "orange").mkdir()
    write_image(tmp_path / "orange" / "0.png", np.full((20, 20, 3), SQUARES["orange"], np.uint8))
    (tmp_path / "dark").mkdir()
    write_image(tmp_path / "dark" / "0.png", np.full((20, 20, 3), SQUARES["dark"], np.uint8))
    with pytest.raises(ArgumentError, match="need pictures with boxes to choose thresholds on, got none"):
        box_thresholds(model, tmp_path, ("cam",))


def test_the_command_prints_the_table_or_json(folder, capsys):
    assert run(folder, folder / "boxes.csv", "--measure", "--count", 2, "--method", "cam", "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    assert list(measured) == ["cam", *BASELINES]
    assert run(folder, folder / "boxes.csv", "--measure", "--count", 2, "--method", "cam") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "cam"
    options = ["--measure", "--count", 2, "--method", "cam", "--thresholds-on", folder / "boxes.csv", "--json"]
    assert run(folder, folder / "boxes.csv", *options) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert fitted["center"]["box_iou"] > measured["center"]["box_iou"]
    assert fitted["cam"]["deletion"] == measured["cam"]["deletion"]
    assert run(folder, folder / "boxes.csv", "--measure", "--method", "came") == 2
    assert f"error: --method: need one of {', '.join(METHODS)}, got 'came'" in capsys.readouterr().err
    assert run(folder, folder / "boxes.csv", "--measure", "--count", 0) == 2
    assert "error: --count: need at least 1 picture, got 0" in capsys.readouterr().err


def test_a_detectors_objects_are_drawn_each_with_its_box(tmp_path, capsys):
    model = cl.detector("resnet18", size=(64, 64), classes=("cat", "dog"), width=0.25, seed=1)
    picture = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    with torch.no_grad():
        for head in model.heads.classes:
            head.weight *= 2
        while len(model.predict(picture)) > 3:
            for head in model.heads.classes:
                head.bias.view(-1, 3)[:, 0] += 0.4
    found = model.predict(picture)
    assert len(found) >= 1
    model.save(tmp_path / "model.safetensors")
    write_image(tmp_path / "photo.png", picture)
    assert run(tmp_path, tmp_path / "photo.png", "--out", tmp_path / "why", "--maps") == 0
    (line,) = (tmp_path / "why" / "explanations.jsonl").read_text().splitlines()
    told = json.loads(line)["explanations"]
    assert [one["label"] for one in told] == list(found.labels)
    np.testing.assert_allclose([one["found_xyxy"] for one in told], found.boxes_xyxy, rtol=1e-4)
    assert np.load(tmp_path / "why" / "photo.npy").shape == (len(found), 40, 60)
    with torch.no_grad():
        for head in model.heads.classes:
            head.bias.view(-1, 3)[:, 0] += 100
    model.save(tmp_path / "model.safetensors")
    capsys.readouterr()
    assert run(tmp_path, tmp_path / "photo.png", "--out", tmp_path / "blank") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'photo.png'}  nothing\n"
    assert run(tmp_path, tmp_path / "photo.png", "--html", tmp_path / "why.html") == 2
    assert "need a classifier or a localizer, got a detector" in capsys.readouterr().err
