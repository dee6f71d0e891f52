"""Wrong labels that were put there are found; what little data cannot tell is said."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError, DataError, FormatError
from convolens.labels import check_labels
from convolens.labels.change_files import read_changes, write_changes
from convolens.labels.changes import Change, Object
from convolens.labels.confident import confident_errors, judge, posterior
from convolens.labels.neighbors import nearest_of_class
from convolens.media.images import write_image
from convolens.tour.pictures import photo
from convolens.training.fold_fit import assign_folds, fit_heads, scores_of, standardized

TRUNK = {"trunk": "vgg16", "weights": "hed", "taps": "conv1_2", "progress": False}
WRONG = {"lines/dots-1.png", "dots/lines-2.png"}


def write_patterns(folder, counts, seed=0):
    """Pictures of lines, dots and plain noise, 24 pixels a side."""
    random = np.random.default_rng(seed)
    for name, count in counts.items():
        Path(folder, name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = random.integers(90, 110, (24, 24, 3)).astype(np.uint8)
            if name == "lines":
                pixels[:, random.integers(3) :: 4] = 230
            elif name == "dots":
                pixels[random.integers(3) :: 4, random.integers(3) :: 4] = 230
            write_image(Path(folder, name, f"{name}-{number}.png"), pixels)


@pytest.fixture
def patterns(tmp_path):
    """20 pictures each of lines, dots and noise, of which two are in the other's folder."""
    data = tmp_path / "data"
    write_patterns(data, {"lines": 20, "dots": 20, "noise": 20})
    (data / "dots" / "dots-1.png").rename(data / "lines" / "dots-1.png")
    (data / "lines" / "lines-2.png").rename(data / "dots" / "lines-2.png")
    return data


def test_labels_that_were_exchanged_are_named_first_with_evidence_of_both_classes(patterns):
    found = check_labels(patterns, **TRUNK)
    assert {one.path.relative_to(patterns).as_posix() for one in found.suspects} == WRONG
    for one in found.suspects:
        assert one.path.name.startswith(one.suggested) and one.like_suggested.parent.name == one.suggested
        assert one.like_label.parent.name == one.label and one.like_label != one.path
    assert found.judged == 60 and found.interval[0] < found.agreement < found.interval[1]
    assert "2 labels are likely wrong" in str(found)


def test_the_command_writes_what_apply_takes_and_says_so_by_its_exit_code(patterns, tmp_path, capsys):
    out, table, page = tmp_path / "labels.changes.csv", tmp_path / "rows.csv", tmp_path / "page.html"
    line = ["doctor", str(patterns), "--labels", "--trunk", "vgg16", "--weights", "hed", "--tap", "conv1_2", "--json"]
    assert cli.run([*line, "--out", str(out), "--table", str(table), "--html", str(page), "--accept", "0.5"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert len(told["suspects"]) == 2 and told["judged"] == 60
    assert {(one.path, one.decision) for one in read_changes(out)} == {(path, "fix") for path in WRONG}
    assert ",relabel\n" in out.read_text()
    assert table.read_text().startswith("path,label,suggested,probability,like_label,like_suggested")
    assert page.read_text().count('<article class="card"') == 2


def test_options_of_labels_are_refused_without_it(patterns, capsys):
    assert cli.run(["doctor", str(patterns), "--folds", "3"]) == 2
    assert "--folds: need --labels for it" in capsys.readouterr().err
    assert cli.run(["doctor", str(patterns), "--labels", "--accept", "0.9"]) == 2
    assert "--accept: need --out" in capsys.readouterr().err
    assert cli.run(["doctor", str(patterns), "--labels", "--accept", "7", "--out", "c.csv"]) == 2
    assert "--accept: need a probability from 0 to 1, got 7" in capsys.readouterr().err


def test_thirty_pictures_of_three_classes_say_how_little_can_be_told(tmp_path):
    write_patterns(tmp_path, {"lines": 15, "dots": 14, "noise": 1})
    (tmp_path / "nothing").mkdir()
    found = check_labels(tmp_path, **TRUNK)
    assert found.judged == 29
    told = " ".join(found.notes)
    assert "one picture, which cannot be judged: noise" in told
    assert "little can be told of classes with fewer than 20 pictures (dots 14, lines 15)" in told


def test_features_that_tell_nothing_are_named(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(12):
            write_image(tmp_path / name / f"{number}.png", random.integers(0, 255, (24, 24, 3)).astype(np.uint8))
    assert any("hardly tell the classes apart" in note for note in check_labels(tmp_path, **TRUNK).notes)


def test_what_cannot_be_judged_is_refused(tmp_path):
    write_patterns(tmp_path / "one", {"lines": 3})
    with pytest.raises(DataError, match=r"need two classes with at least two pictures that can be used.* got 1"):
        check_labels(tmp_path / "one", **TRUNK)
    (tmp_path / "several.csv").write_text("path,label\none/lines/lines-0.png,a\none/lines/lines-0.png,b\n")
    with pytest.raises(DataError):
        check_labels(tmp_path / "several.csv", **TRUNK)
    with pytest.raises(ArgumentError, match="folds: need"):
        check_labels(tmp_path / "one", folds=1, **TRUNK)


def clusters(count, classes, seed=0, features=16):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centers = random.normal(size=(classes, features)) * 2
    return torch.from_numpy((centers[labels] + random.normal(size=(count, features))).astype(np.float32)), labels


def test_flipped_labels_of_clusters_come_first_and_their_number_is_estimated():
    features, truth = clusters(1000, 5)
    random = np.random.default_rng(1)
    flipped = random.choice(1000, 80, replace=False)
    labels = truth.copy()
    labels[flipped] = (truth[flipped] + random.integers(1, 5, 80)) % 5
    found = judge(standardized(features).values, labels, 5, 5, seed=0)
    first = np.argsort(-found.wrong, kind="stable")[:80]
    assert np.isin(first, flipped).mean() >= 0.97
    assert abs(found.wrong.sum() - 80) < 12
    right = found.likely[flipped] == truth[flipped]
    assert right.mean() >= 0.97


def test_a_class_that_is_nowhere_changes_nothing():
    chances = np.array([[0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.1, 0.9, 0.0]])
    labels = np.array([0, 0, 1])
    assert not confident_errors(chances, labels)[0]
    true = posterior(chances, labels, np.zeros((3, 3), np.int64))
    assert np.isfinite(true).all() and np.allclose(true.sum(axis=1), 1)


def test_heads_found_together_are_those_found_one_by_one():
    features, labels = clusters(300, 3)
    targets = torch.from_numpy(labels)
    made = standardized(features)
    parts = [np.arange(300) % 3 != 0, np.arange(300) % 2 == 0]

    def loss(scores, rows):
        return torch.nn.functional.cross_entropy(scores, targets[rows], reduction="sum")

    heads = fit_heads(made.values, loss, 3, parts, [0.1, 0.03])
    for part, decay, head in zip(parts, (0.1, 0.03), heads, strict=True):
        rows = torch.from_numpy(np.flatnonzero(part))
        penalty = decay / 2 * head[:-1].square().sum()
        ours = loss(scores_of(made.values[rows], head), rows) / len(rows) + penalty
        # An independent solver, on the same standardized values: it cannot reach less.
        double = made.values[rows].double()
        weight = torch.zeros(3, 16, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        solver = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

        def step(double=double, rows=rows, weight=weight, bias=bias, solver=solver, decay=decay):
            solver.zero_grad()
            value = loss(double @ weight.T + bias, rows) / len(rows) + decay / 2 * weight.square().sum()
            value.backward()
            return value

        solver.step(step)
        assert float(ours) == pytest.approx(float(step().detach()), rel=1e-4)


def test_every_class_is_spread_over_the_folds():
    labels = np.repeat([0, 1, 2], [50, 7, 5])
    fold = assign_folds(labels, 5, seed=3)
    for number in range(3):
        counts = np.bincount(fold[labels == number], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(fold, assign_folds(labels, 5, seed=3)) and not np.array_equal(
        fold, assign_folds(labels, 5, 4)
    )


def test_the_nearest_picture_is_of_the_class_trusted_and_another():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [1.0, 0.01], [0.0, 1.0]])
    labels, trusted = np.array([0, 0, 1, 1]), np.array([True, True, False, True])
    assert nearest_of_class(x, [0, 0], [0, 1], labels, trusted) == [1, 3]
    assert nearest_of_class(x, [0], [2], labels, trusted) == [None]


def test_a_file_of_changes_is_read_as_written_and_as_spreadsheets_write_it(tmp_path):
    odd = Change('a, "b"\n/caf\udce9.png', "set aside", (Object("=x"),), (Object("é"),), "0.9000")
    write_changes(tmp_path / "c.csv", [odd])
    assert read_changes(tmp_path / "c.csv") == (odd,)
    spreadsheet = "\ufeffpath;label;suggested;probability;decision\r\na.png;x;y;0,9; Relabel \r\n"
    (tmp_path / "s.csv").write_text(spreadsheet, newline="")
    assert read_changes(tmp_path / "s.csv") == (Change("a.png", "fix", (Object("x"),), (Object("y"),), "0,9"),)
    for text, error, words in (
        ("path,label\n", FormatError, "none called 'suggested'"),
        ("path,label,suggested,probability,decision\na,x,y,1,maybe\n", DataError, "got 'maybe'"),
        ("path,label,suggested,probability,decision\na,x,y,1,keep\na,x,y,1,relabel\n", DataError, "one decision for a"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(error, match=words):
            read_changes(tmp_path / "bad.csv")


@pytest.mark.slow
def test_fifty_thousand_features_take_less_than_a_minute():
    import time

    features, labels = clusters(50_000, 10, features=512)
    start = time.perf_counter()
    found = judge(standardized(features).values, labels, 10, 5, seed=0)
    assert time.perf_counter() - start < 60
    assert found.agreement > 0.99


def test_pictures_that_are_nearly_one_of_another_split_are_told(tmp_path):
    random = np.random.default_rng(0)
    places = {}
    for split in ("train", "val"):
        for name in ("coffee.png", "chelsea.png"):
            (tmp_path / split / name[:4]).mkdir(parents=True)
            for number in range(14):
                places[split, number] = y, x = random.integers(0, 200, 2)
                write_image(
                    tmp_path / split / name[:4] / f"{number}.png", cl.read_image(photo(name))[y : y + 64, x : x + 64]
                )
    y, x = places["train", 5]
    write_image(tmp_path / "val/chel/moved.png", cl.read_image(photo("chelsea.png"))[y + 1 : y + 65, x + 1 : x + 65])
    found = check_labels(tmp_path, **{**TRUNK, "taps": "conv3_3"})
    assert [(one.name, other.name) for one, other in found.leaks[:1]] == [("moved.png", "5.png")]
    assert len(found.leaks) <= 4 and "nearly one of another split" in str(found)
    assert found.to_dict()["leaks"][0][1].endswith("5.png")
