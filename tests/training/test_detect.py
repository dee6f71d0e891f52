import json
import re

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import boxes, cli
from convolens.data import read_data
from convolens.data.augment_objects import ObjectAugmentation
from convolens.data.doctor import diagnose
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.detections import Found, coco_metrics
from convolens.media.images import write_image
from convolens.models.detect import DetectionLoss
from convolens.training.detect import DetectObjective
from convolens.training.fit_boxes import fitted_shapes, object_sides
from convolens.training.pictures import PictureCache, Pictures

SIDE = 64
GENERATOR = np.random.default_rng(0)
QUICK = {"trunk": "resnet18", "weights": None, "width": 0.125, "size": SIDE, "batch": 8, "zoom_out": 1.0,
         "color_jitter": 0.3, "progress": False, "device": "cpu", "lr": 4e-3, "workers": 1}  # fmt: skip


def write_squares(folder, count, seed=0, extra=()):
    """Pictures with up to three squares, red or green, every fifth without; as COCO's JSON. `extra`: more boxes."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(count):
        pixels = random.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
        for _ in range(random.integers(1, 4) if number % 5 else 0):
            side, label = int(random.integers(14, 28)), int(random.integers(2))
            x, y = (int(random.integers(0, SIDE - side)) for _ in range(2))
            pixels[y : y + side, x : x + side] = 0
            pixels[y : y + side, x : x + side, label] = 250
            annotations.append({"image_id": number, "category_id": label, "bbox": [x, y, side, side]})
        write_image(folder / f"{number}.png", pixels)
        images.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
    annotations += [{"image_id": at, "category_id": 0, "bbox": box} for at, box in extra]
    write(folder, images, annotations)
    return folder


def write(folder, images, annotations, names=("red", "green")):
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares") / "data", 80)


@pytest.fixture(scope="module")
def run(squares, tmp_path_factory):
    return cl.train("detect", squares, out=tmp_path_factory.mktemp("run"), epochs=12, fit_boxes=True, **QUICK)


def test_it_learns_what_is_where(run, squares):
    assert run.metrics["ap50"] >= 0.5
    model = run.load(device="cpu")
    found = cl.evaluate(model, squares, progress=False)
    assert found["count"] == 80
    assert found["ap50"] >= 0.6
    assert set(found["per_class"]) == {"red", "green"}
    assert {"ap", "ap50", "voc07", "voc10", "count"} == set(found["per_class"]["red"])
    empty = np.random.default_rng(9).integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
    assert len(model.predict(empty)) == 0


def test_its_folder_holds_the_parts_of_the_loss_and_what_was_requested(run):
    head, *rows = (run.folder / "metrics.csv").read_text().splitlines()
    assert {"loss_class", "loss_box", "ap", "ap50", "ap75"} <= set(head.split(","))
    assert len(rows) == 12
    assert json.loads((run.folder / "config.json").read_text())["settings"]["box_loss"] == "smooth_l1"


def test_a_page_shows_curves_confusion_and_mistakes(run, squares, tmp_path):
    cl.evaluate(run.load(device="cpu"), squares, progress=False, html=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "average precision, over overlaps of .5 to .95" in page
    assert "How much is found, and how much of it is right" in page
    assert ">Confusion<" in page and ">nothing<" in page
    assert "Worst mistakes" in page


@pytest.mark.parametrize(("objectness", "box_loss"), [("softmax", "giou"), ("binary", "l1")])
def test_every_loss_takes_a_step_and_stays_finite(squares, tmp_path, objectness, box_loss):
    options = {**QUICK, "width": 0.0625}
    run = cl.train("detect", squares, out=tmp_path, epochs=1, objectness=objectness, box_loss=box_loss, **options)
    last = json.loads((run.folder / "log.jsonl").read_text().splitlines()[-2])
    assert np.isfinite(last["loss"])
    assert ("loss_object" in last) == (objectness == "binary")
    assert run.load(device="cpu").objectness == objectness


def test_a_run_is_resumed(squares, tmp_path):
    for epochs in (1, 2):
        options = {**QUICK, "width": 0.0625, "fit_boxes": True, "epochs": epochs}
        run = cl.train("detect", squares, out=tmp_path, resume=epochs == 2, **options)
    assert len((run.folder / "metrics.csv").read_text().splitlines()) == 3


def objective(folder, augmentation=None):
    """What a detector would learn from a folder, and samples of some of its pictures, by number."""
    data = read_data(folder)
    model = cl.detector(cl.trunk("resnet18", width=0.0625), size=SIDE, classes=data.class_names)
    learned = DetectObjective(model, augmentation or ObjectAugmentation(), DetectionLoss())
    pictures = Pictures(data, learned, PictureCache())
    return learned, lambda numbers: [pictures.sample(at, np.random.default_rng(at)) for at in numbers]


def test_a_batch_without_any_object_has_a_loss_and_gradients(squares):
    learned, samples = objective(squares)
    empty = [at for at, one in enumerate(read_data(squares).examples) if not one.objects][:4]
    batch = learned.prepare(learned.collate(samples(empty)), GENERATOR)
    losses = learned.losses(learned.model, batch)
    sum(losses.values()).backward()
    assert learned.counts(batch)["class"] > 0
    assert losses["class"] > 0 and losses["box"] == 0
    assert learned.model.heads.classes[0].bias.grad.abs().sum() > 0


def test_a_batch_is_filled_up_with_boxes_of_no_class(squares):
    learned, samples = objective(squares, ObjectAugmentation(1.0, False, False, 0.0))
    found = samples(range(12))
    batch = learned.collate(found)
    most = max(len(one["labels"]) for one in found)
    assert batch["boxes"].shape == (12, most, 4) and batch["labels"].shape == (12, most)
    for row, one in zip(batch["labels"], found, strict=True):
        assert row.tolist() == one["labels"].tolist() + [-1] * (most - len(one["labels"]))


def test_five_hundred_objects_in_one_picture_and_one_of_a_pixel_are_trained_on(tmp_path):
    random = np.random.default_rng(0)
    write_image(tmp_path / "a.png", random.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8))
    write_image(tmp_path / "b.png", random.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8))
    images = [{"id": at, "file_name": name} for at, name in enumerate(("a.png", "b.png"))]
    boxes = [[float(x), float(y), 4, 5] for x, y in random.integers(0, 59, (500, 2))]
    annotations = [{"image_id": 0, "category_id": 1, "bbox": box} for box in boxes]
    annotations += [{"image_id": 1, "category_id": 0, "bbox": [30, 30, 1, 1]}] * 2
    write(tmp_path, images, annotations)
    run = cl.train("detect", tmp_path, out=tmp_path / "run", epochs=1, validation=tmp_path, **QUICK)
    assert np.isfinite(run.metrics["ap"])


def test_gray_transparent_and_very_long_pictures_are_trained_on(tmp_path):
    random = np.random.default_rng(0)
    for name, shape in (("grey", (60, 60)), ("clear", (60, 60, 4)), ("long", (30, 600, 3)), ("high", (600, 30))):
        write_image(tmp_path / f"{name}.png", random.integers(0, 255, shape).astype(np.uint8))
    names = ("grey", "clear", "long", "high")
    images = [{"id": at, "file_name": f"{name}.png"} for at, name in enumerate(names)]
    annotations = [{"image_id": at, "category_id": 0, "bbox": [5, 6, 20, 20]} for at in range(4)]
    write(tmp_path, images, annotations)
    run = cl.train("detect", tmp_path, out=tmp_path / "run", epochs=2, validation=tmp_path, **QUICK)
    assert run.skipped == ()
    assert run.metrics["count"] == 4


def test_a_class_without_examples_is_kept_and_has_no_figure(squares, tmp_path):
    content = json.loads((squares / "annotations.json").read_text())
    write_squares(tmp_path / "data", 10)
    write(tmp_path / "data", content["images"][:10], [one for one in content["annotations"] if one["image_id"] < 10],
          ("red", "green", "blue"))  # fmt: skip
    run = cl.train("detect", tmp_path / "data", out=tmp_path / "run", epochs=1, **QUICK)
    assert run.load(device="cpu").class_names == ("red", "green", "blue")
    assert "blue" not in run.metrics["per_class"]


@pytest.mark.bad_input
def test_boxes_that_cannot_be_are_named_with_their_file_and_never_trained_on(tmp_path):
    wrong = {
        3: ([20, 20, -10, 5], "inverted box"),
        4: ([20, 20, 0, 5], "box without area"),
        6: ([float("nan"), 20, 5, 5], "box without numbers"),
        7: ([200, 200, 5, 5], "need boxes in the picture of 64×64 pixels"),
    }
    folder = write_squares(tmp_path / "data", 16, extra=[(at, box) for at, (box, _) in wrong.items()])
    run = cl.train("detect", folder, out=tmp_path / "run", epochs=1, **QUICK)
    reasons = {one.path.name: one.reason for one in run.skipped}
    assert set(reasons) == {f"{at}.png" for at in wrong}
    for at, (_, reason) in wrong.items():
        assert reason in reasons[f"{at}.png"]
    assert np.isfinite(json.loads((run.folder / "log.jsonl").read_text().splitlines()[-2])["loss"])
    found = {finding.kind for finding in diagnose(folder, progress=False).findings}
    assert {"inverted box", "box without area", "box without numbers", "box outside"} <= found


@pytest.mark.bad_input
def test_data_without_objects_is_refused_in_a_sentence(tmp_path):
    folder = write_squares(tmp_path / "data", 8)
    content = json.loads((folder / "annotations.json").read_text())
    write(folder, content["images"], [])
    with pytest.raises(
        DataError, match=r"data: need objects to train and to validate on, got \d+ pictures without any"
    ):
        cl.train("detect", folder, out=tmp_path / "run", **QUICK)
    write(folder, content["images"], [one | {"iscrowd": 1} for one in content["annotations"]])
    with pytest.raises(DataError, match="need objects to train and to validate on"):
        cl.train("detect", folder, out=tmp_path / "run", **QUICK)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_loss": "iou"}, "box_loss: need one of "),
        ({"objectness": "maybe"}, "objectness: need one of softmax, binary, got 'maybe'"),
        ({"negatives": -1.0}, "negatives: need a number of at least 0, got -1"),
        ({"zoom_out": 0.5}, "zoom_out: need a number of at least 1, got 0.5"),
        ({"finetune": "layer9"}, "finetune: need all or a tap up to layer4"),
        ({"size": 0}, "size: need "),
    ],
)
def test_options_that_cannot_be_are_refused(squares, tmp_path, options, message):
    with pytest.raises(ArgumentError, match=message):
        cl.train("detect", squares, out=tmp_path, **{**QUICK, **options})


def test_a_whole_detector_is_trained_on_with_other_classes(run, squares, tmp_path):
    options = {**QUICK, "weights": run.best, "width": 1.0}
    again = cl.train("detect", squares, out=tmp_path / "run", epochs=1, **{**options, "lr": 1e-6})
    before, after = run.load(device="cpu"), again.load(device="cpu")
    assert after.defaults.shapes == before.defaults.shapes
    assert torch.allclose(before.heads.boxes[0].weight, after.heads.boxes[0].weight, atol=1e-4)
    other = write_squares(tmp_path / "data", 8, extra=[(1, [0, 0, 40, 20]), (2, [0, 0, 40, 20])])
    with pytest.raises(ArgumentError, match="fit_boxes: need a detector made anew"):
        cl.train("detect", other, out=tmp_path / "other", epochs=1, fit_boxes=True, **options)
    with pytest.raises(ArgumentError, match="size: need the 64×64 pixels of these weights, got 300"):
        cl.train("detect", squares, out=tmp_path / "other", epochs=1, **{**options, "size": 300})


def test_shapes_stand_on_the_map_of_their_size():
    small, large = np.array([0.1, 0.2]), np.array([0.7, 0.5])
    random = np.random.default_rng(0)
    sides = np.concatenate([one * np.exp(random.normal(0, 0.02, (40, 2))) for one in (large, small)])
    fine, coarse = fitted_shapes(sides, [(16, 16), (3, 3)], 2)
    np.testing.assert_allclose([fine[0], coarse[0]], [sides[40:].mean(axis=0), sides[:40].mean(axis=0)])


def test_a_map_that_suits_no_object_has_the_shape_nearest_to_it_and_few_sizes_are_enough():
    sides = np.array([[0.1, 0.1], [0.12, 0.12], [0.14, 0.14]])
    fine, coarse = fitted_shapes(sides, [(16, 16), (2, 2)], 12)
    assert [round(width, 2) for width, _ in fine] == [0.1, 0.12, 0.14]
    assert [round(width, 2) for width, _ in coarse] == [0.14]


def test_sides_are_fractions_of_each_objects_own_picture(squares):
    examples = read_data(squares).examples[:6]
    sides = object_sides(examples)
    assert len(sides) == sum(len(one.objects) for one in examples)
    first = next(one for one in examples if one.objects).objects[0].xyxy
    np.testing.assert_allclose(sides[0], [(first[2] - first[0]) / SIDE, (first[3] - first[1]) / SIDE])


def test_the_commands_train_measure_predict_and_write_cocos_results(run, squares, tmp_path, capsys):
    line = f"train detect {squares} --trunk resnet18 --width 0.0625 --size {SIDE} --fit-boxes --no-crop --epochs 1"
    assert cli.run([*line.split(), "--out", str(tmp_path / "run")]) == 0
    assert re.search(r"^16 pictures, \d+ objects: AP 0\.\d{3}, at IoU \.5 0\.\d{3}, ", capsys.readouterr().out)
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert float(dict(zip(*(row.split(",") for row in rows[:2]), strict=True))["validation_loss"]) > 0
    found = cl.evaluate(run.load(device="cpu"), squares, progress=False)
    assert cli.run(["evaluate", str(run.best), str(squares)]) == 0
    said = capsys.readouterr().out
    assert f"80 pictures, {found['objects']} objects: AP {found['ap']:.3f}, at IoU .5 {found['ap50']:.3f}" in said
    assert said.splitlines()[-1].split()[:2] == ["green", f"{found['per_class']['green']['ap']:.3f}"]
    truth = squares / "annotations.json"
    line = ["predict", str(run.best), str(squares), "--out", str(tmp_path / "found"), "--threshold", "0.01"]
    assert cli.run([*line, "--coco", str(truth)]) == 0
    assert len(list((tmp_path / "found" / "pictures").iterdir())) == 80
    results = json.loads((tmp_path / "found" / "results.json").read_text())
    examples = read_data(squares).examples
    again = coco_metrics(examples, [as_found(results, number) for number in range(80)], ("red", "green"))
    assert again["ap"] == pytest.approx(found["ap"], abs=1e-6)


def as_found(results, number):
    mine = [one for one in results if one["image_id"] == number]
    boxes = np.array([one["bbox"] for one in mine], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = np.array([one["category_id"] for one in mine], np.int64)
    return Found(boxes, labels, np.array([one["score"] for one in mine], np.float64))


def test_tiles_find_what_is_small_in_a_large_picture(run, squares, tmp_path):
    large = np.random.default_rng(1).integers(0, 60, (3 * SIDE, 3 * SIDE, 3)).astype(np.uint8)
    large[100:120, 130:150] = (250, 0, 0)
    write_image(tmp_path / "large.png", large)
    line = ["predict", str(run.best), str(tmp_path / "large.png"), "--tile", str(SIDE), "--threshold", "0.3"]
    assert cli.run([*line, "--out", str(tmp_path / "found")]) == 0
    (found,) = map(json.loads, (tmp_path / "found" / "predictions.jsonl").read_text().splitlines())
    overlap = boxes.overlap(np.array(found["boxes_xyxy"], np.float64), np.array([130.0, 100.0, 150.0, 120.0]))
    assert overlap.max() > 0.5
    assert found["labels"][int(overlap.argmax())] == "red"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--coco", "truth.json"], "error: --coco: need a detector and --out, which results.json goes into"),
        (["--top", "3"], "error: --top: need an option of detect models (threshold, "),
        (["--tile", "0"], "error: --tile: need a side of at least 1 pixel, got 0"),
    ],
)
def test_options_of_predicting_that_cannot_be_are_one_sentence(run, squares, capsys, options, message):
    assert cli.run(["predict", str(run.best), str(squares / "1.png"), *options]) == 2
    assert message in capsys.readouterr().err
