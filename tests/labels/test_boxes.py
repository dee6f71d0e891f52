"""Boxes that are wrong are found: invented, missing, shifted, confused; by a model given, or by detectors of folds."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from convolens import cli
from convolens.data import Box, Example, read_data
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.detections import Found
from convolens.labels import apply_changes, as_page, check_labels, detections
from convolens.labels.change_files import read_changes
from convolens.labels.changes import FIX
from convolens.labels.checking_boxes import check_boxes
from convolens.labels.confident_boxes import judge_boxes, moved_far
from convolens.labels.places import find_places
from convolens.media.images import write_image
from examples.many_digits_on_photos import write_many_digits
from tests.training.test_detect import write_squares

MODEL = Path(str(files("convolens.tour") / "digits" / "digits.safetensors"))
NAMES = ("a", "b", "c")
SIDE = 200


def seen_of(boxes, labels, scores):
    return Found(np.array(boxes, np.float64).reshape(-1, 4), np.array(labels, np.int64), np.array(scores, np.float64))


def example(*boxes):
    return Example(Path("x.png"), tuple({box.label for box in boxes}), boxes)


def scenes(count, seed=0):
    """Examples with three boxes each, and what a fair detector sees: scores, shaken corners, now and then nothing."""
    random = np.random.default_rng(seed)
    examples, found = [], []
    for number in range(count):
        boxes, seen, labels, scores = [], [], [], []
        for column in range(3):
            x, y = 10 + 65 * column + random.uniform(0, 15), random.uniform(10, 150)
            corners = np.array([x, y, x + 35, y + 35])
            label = int(random.integers(3))
            boxes.append(Box(label, tuple(corners)))
            if random.random() < 0.995:
                sure = random.beta(12, 1)
                for name, score in ((label, sure), ((label + 1) % 3, (1 - sure) * 0.8)):
                    seen.append(corners + random.normal(0, 1, 4))
                    labels.append(name)
                    scores.append(score)
        for _ in range(4):  # what is nothing gets low scores
            x, y = random.uniform(0, 160, 2)
            seen.append([x, y, x + 30, y + 30])
            labels.append(int(random.integers(3)))
            scores.append(random.beta(1, 12))
        examples.append(replace(example(*boxes), path=Path(f"{number}.png")))
        found.append(seen_of(seen, labels, scores))
    return examples, found


def spoiled(examples, kind, count, seed=1):
    """The examples with some boxes wrong, one a picture, and which."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(examples), count, replace=False)
    made = list(examples)
    for number in chosen:
        first, *rest = examples[number].boxes
        x1, y1, x2, y2 = first.xyxy
        new = {
            "missing": (),
            "invented": (first, Box(int(random.integers(3)), (x1, (y1 + 90) % 150, x2, (y1 + 90) % 150 + 35))),
            "shifted": (Box(first.label, (x1 + 14, y1 + 12, x2 + 14, y2 + 12)),),
            "confused": (Box((first.label + 1) % 3, first.xyxy),),
        }[kind]
        made[number] = replace(examples[number], boxes=(*new, *rest))
    return made, set(chosen.tolist())


@pytest.mark.parametrize("kind", ["missing", "invented", "shifted", "confused"])
def test_boxes_that_were_spoiled_come_first_and_are_told_apart(kind, tmp_path):
    examples, found = scenes(150)
    made, wrong = spoiled(examples, kind, 20)
    data = replace(read_data(write_squares(tmp_path / "any", 6)), class_names=NAMES)
    checked = check_boxes(data.having(made), found, made, (), folds=5, at_least=0.0, seed=0)
    first = [one for one in checked.suspects if one.kind == kind][:20]
    assert sum(int(one.path.stem) in wrong for one in first) >= 17
    assert sum(one.kind == kind for one in checked.suspects[:20]) >= 16
    assert 10 <= checked.expected <= 60
    before = {one.path: one for one in examples}
    for one in first[:10]:
        if kind in ("missing", "shifted"):
            assert np.abs(np.array(one.suggested_box) - before[one.path].boxes[0].xyxy).max() < 6
        if kind in ("missing", "confused"):
            assert one.suggested == NAMES[before[one.path].boxes[0].label]
        if kind == "confused":
            assert one.suggested_box == one.box_xyxy


def test_what_the_detector_takes_for_an_object_everywhere_is_its_own_mistake():
    """A shape that is never labelled, and always seen as class 0 with another score than objects get."""
    examples, found = scenes(150)
    fooled = [seen_of([*one.boxes_xyxy, (0, 165, 30, 195)], [*one.labels, 0], [*one.scores, 0.6]) for one in found]
    places = find_places(examples, fooled, 3)
    verdicts = judge_boxes(places, 3, 5, seed=0)
    eyes = (places.box < 0) & (places.seen_xyxy[:, 1] == 165)
    assert eyes.sum() > 140 and verdicts.wrong[eyes].mean() < 0.2


def test_a_place_has_the_scores_of_all_detections_there_and_belongs_to_one_box():
    one = example(Box(0, (0, 0, 10, 10)), Box(1, (1, 0, 11, 10)), Box(1, (50, 50, 60, 60)))
    seen = seen_of([(0, 0, 10, 10), (0, 1, 10, 10), (80, 80, 90, 90)], [0, 1, 2], [0.9, 0.4, 0.5])
    places = find_places([one], [seen], 3)
    assert places.box.tolist() == [0, 1, 2, -1] and places.said.tolist() == [0, 1, 1, 3]
    assert np.allclose(places.scores[0], [0.9 / 1.3, 0.4 / 1.3, 0])
    assert places.scores[1].sum() == places.scores[2].sum() == 0 and places.iou.tolist() == [1, 0, 0, 0]
    assert places.seen_xyxy[3].tolist() == [80, 80, 90, 90]


def test_crowds_are_no_places_nor_what_is_found_in_them_and_difficult_boxes_are_not_judged():
    one = example(Box(0, (0, 0, 100, 100), crowd=True), Box(1, (120, 0, 140, 20), difficult=True))
    seen = seen_of([(10, 10, 30, 30), (120, 0, 140, 20), (150, 150, 160, 160)], [0, 1, 0], [0.9, 0.9, 0.3])
    places = find_places([one], [seen], 2)
    assert places.said.tolist() == [2] and places.seen_xyxy[0].tolist() == [150, 150, 160, 160]
    assert len(find_places([example()], [Found.nothing()], 2).said) == 0


def test_overlaps_below_the_usual_ones_are_far_and_no_others():
    random = np.random.default_rng(0)
    usual = 1 / (1 + np.exp(-random.normal(2, 0.5, 500)))
    far = moved_far(np.concatenate([usual, [0.2, 0.35, 0.95, 0.0]]), np.arange(504) < 503)
    assert far[:500].mean() < 0.05
    assert far[500] > 0.95 and far[501] > 0.5 and far[502] == 0 and far[503] == 0
    assert not moved_far(np.array([0.1, 0.2]), np.zeros(2, bool)).any()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Forty pictures of digits of which one box is missing, and one each is confused, shifted and invented."""
    folder = tmp_path_factory.mktemp("digits")
    write_many_digits(folder, train=0, test=40, side=128, seed=3)
    file = folder / "test" / "annotations.json"
    told = json.loads(file.read_text())
    rows = told["annotations"]
    large = [row for row in rows if row["bbox"][2] * row["bbox"][3] > 400]
    gone, confused, shifted = large[0], large[5], large[10]
    rows.remove(gone)
    confused["category_id"] = next(one["id"] for one in told["categories"] if one["id"] != confused["category_id"])
    shifted["bbox"][0] = max(0, shifted["bbox"][0] - 0.5 * shifted["bbox"][2])
    shifted["bbox"][1] += 0.4 * shifted["bbox"][3]
    used = {row["image_id"] for row in rows}
    empty = next(one["id"] for one in told["images"] if one["id"] not in used)
    rows.append({**large[15], "id": 10_000, "image_id": empty, "bbox": [3, 3, 20, 28]})
    file.write_text(json.dumps(told))
    name = {one["id"]: one["file_name"] for one in told["images"]}
    return folder / "test", {
        "missing": name[gone["image_id"]], "confused": name[confused["image_id"]],
        "shifted": name[shifted["image_id"]], "invented": name[empty],
    }  # fmt: skip


def test_the_command_finds_them_by_a_model_and_apply_mends_them(digits, tmp_path, capsys):
    data, wrong = digits
    out, table, page = tmp_path / "labels.changes.csv", tmp_path / "rows.csv", tmp_path / "page.html"
    line = ["doctor", str(data), "--labels", "--model", str(MODEL), "--json", "--out", str(out), "--table", str(table)]
    assert cli.run([*line, "--html", str(page), "--accept", "0.5"]) == 1
    told = json.loads(capsys.readouterr().out)
    named = {(one["kind"], Path(one["path"]).name) for one in told["suspects"]}
    assert {(kind, Path(name).name) for kind, name in wrong.items()} <= named
    assert table.read_text().startswith("path,label,suggested,probability,kind,box,suggested_box\n")
    assert page.read_text().count('<article class="card"') == len(told["suspects"])
    changes = read_changes(out)
    assert {one.decision for one in changes} == {FIX}
    mended = apply_changes(out, data, to=tmp_path / "new", progress=False)
    assert mended.fixed == len(changes) and not mended.gone
    again = check_labels(tmp_path / "new", model=MODEL, progress=False)
    assert len(again.suspects) < len(changes) / 2


def test_detectors_of_folds_never_learned_from_the_pictures_that_they_judge(tmp_path, monkeypatch):
    data = write_squares(tmp_path / "data", 12)
    listed, real = [], detections.train

    def noted(task, path, *, validation, **options):
        listed.append({Path(line).name for line in Path(validation).read_text().splitlines()})
        return real(task, path, validation=validation, **options)

    monkeypatch.setattr(detections, "train", noted)
    asked = []
    monkeypatch.setattr(detections, "detect_all", lambda model, examples, detect=detections.detect_all, **options: (
        asked.append({one.path.name for one in examples}), detect(model, examples, **options))[1])  # fmt: skip
    found = check_labels(data, trunk="resnet18", size=64, folds=2, epochs=1, at_least=0.0, progress=False, device="cpu")
    assert listed == asked and not listed[0] & listed[1]
    assert {one.path.name for one in read_data(data).examples} == listed[0] | listed[1]
    assert found.judged == sum(len(one.boxes) for one in read_data(data).examples)
    assert any("detector finds" in note for note in found.notes)


def test_what_cannot_be_is_refused_by_name(tmp_path):
    data = write_squares(tmp_path / "data", 4)
    with pytest.raises(DataError, match=r"need a detector of classes of .* \(red, green\), got one of 0, 1"):
        check_labels(data, model=MODEL, progress=False)
    with pytest.raises(ArgumentError, match="epochs: need boxes to be judged by detectors trained for it, got a model"):
        check_labels(data, model=MODEL, epochs=3, progress=False)
    (tmp_path / "labels/a").mkdir(parents=True)
    write_image(tmp_path / "labels/a/1.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(ArgumentError, match="minutes: need data with boxes for it"):
        check_labels(tmp_path / "labels", minutes=3, progress=False)


def test_the_page_shows_what_is_said_and_what_is_likely_of_each_kind(tmp_path):
    examples, found = scenes(30)
    made = examples
    for seed, kind in enumerate(("missing", "invented", "shifted", "confused")):
        made, _ = spoiled(made, kind, 2, seed)
    made = [replace(one, path=tmp_path / one.path) for one in made]
    for one in made:
        write_image(one.path, np.full((SIDE, SIDE, 3), 90, np.uint8))
    data = replace(read_data(write_squares(tmp_path / "any", 6)), class_names=NAMES)
    checked = check_boxes(data.having(made), found, made, (), folds=3, at_least=0.1, seed=0)
    page = as_page(checked)
    for words in ("Remove <kbd>R", "Add <kbd>R", "Move <kbd>R", "Relabel <kbd>R", "close up"):
        assert words in page
    assert page.count('data-decision="fix"') == len(checked.suspects)
    assert page.count('<select aria-label="New label"') == sum(one.kind != "invented" for one in checked.suspects)
