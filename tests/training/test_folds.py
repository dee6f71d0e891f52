"""Heads measured by folds: against scikit-learn's, nested choices against choices made one by one."""

import csv

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import convolens as cl
from convolens import cli
from convolens.data import Example
from convolens.errors import ArgumentError, DataError
from convolens.training.head_folds import by_folds
from tests.labels.test_checking import write_patterns


def samples(count=240, classes=3, features=12):
    random = np.random.default_rng(0)
    labels = np.arange(count) % classes
    x = random.normal(size=(classes, features))[labels] + 1.5 * random.normal(size=(count, features))
    examples = [Example(f"{number}.png", (int(label),)) for number, label in enumerate(labels)]
    return torch.from_numpy(x.astype(np.float32)), torch.eye(classes)[labels], examples, labels


def total(scores, targets):
    return torch.nn.functional.cross_entropy(scores, targets, reduction="sum")


def sklearn_scores(x, labels, train, test, decay):
    """scikit-learn's minimum of the same: its C is the inverse of the decay times the number of samples."""
    head = LogisticRegression(C=1 / (decay * len(train)), tol=1e-8, max_iter=2000).fit(x[train], labels[train])
    return head.predict_log_proba(x[test])


def test_each_fold_is_predicted_as_by_scikit_learn_on_the_others():
    x, targets, examples, labels = samples()
    found = by_folds(x, targets, total, examples, 4, seed=1, decays=(0.05,))
    standard = StandardScaler().fit_transform(x.numpy())
    for number in range(4):
        test, train = np.flatnonzero(found.fold == number), np.flatnonzero(found.fold != number)
        expected = sklearn_scores(standard, labels, train, test, 0.05)
        np.testing.assert_allclose(found.scores[test].log_softmax(dim=1), expected, atol=5e-3)


def test_decays_are_chosen_without_the_fold_that_they_are_measured_on():
    x, targets, examples, labels = samples(count=90)
    decays = (3.0, 0.3, 0.001)
    found = by_folds(x, targets, total, examples, 3, seed=2, decays=decays)
    standard = StandardScaler().fit_transform(x.numpy())

    def loss(train, test, decay):
        return -sklearn_scores(standard, labels, train, test, decay)[np.arange(len(test)), labels[test]].sum()

    folds = [np.flatnonzero(found.fold == number) for number in range(3)]
    for number in range(3):
        others = [fold for at, fold in enumerate(folds) if at != number]
        losses = [loss(others[0], others[1], decay) + loss(others[1], others[0], decay) for decay in decays]
        assert found.decays[number] == decays[int(np.argmin(losses))]
    everywhere = [sum(loss(np.setdiff1d(np.arange(90), fold), fold, decay) for fold in folds) for decay in decays]
    assert found.decay == decays[int(np.argmin(everywhere))]


def test_a_class_in_too_few_folds_is_refused():
    x, targets, examples, _ = samples(count=20, classes=10)
    with pytest.raises(DataError, match="in at least 3 of 5 folds, got class number 0 in 2"):
        by_folds(x, targets, total, examples, 5, seed=0)


def test_the_command_says_the_metric_with_its_spread_and_keeps_a_head_found_on_all(tmp_path, capsys):
    write_patterns(tmp_path / "data", {"lines": 10, "dots": 10, "noise": 10})
    trunk = {"trunk": "vgg16", "weights": "hed", "taps": "conv1_2", "progress": False}
    line = ["train", "classify", str(tmp_path / "data"), "--trunk", "vgg16", "--weights", "hed", "--tap", "conv1_2",
            "--out", str(tmp_path / "run"), "--folds", "3"]  # fmt: skip
    assert cli.run(line) == 0
    assert "30 pictures: " in (said := capsys.readouterr().out) and " ± " in said
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    assert [row["fold"] for row in rows] == ["1", "2", "3"] and sum(int(row["pictures"]) for row in rows) == 30
    with pytest.raises(ArgumentError, match="validation: need none beside folds"):
        cl.train("classify", tmp_path / "data", out=tmp_path / "a", folds=3, validation=0.3, **trunk)
    with pytest.raises(ArgumentError, match="folds: need finetune='head'"):
        cl.train("classify", tmp_path / "data", out=tmp_path / "a", folds=3, finetune="all", **trunk)
    with pytest.raises(ArgumentError, match="folds: need"):
        cl.train("classify", tmp_path / "data", out=tmp_path / "a", folds=2, **trunk)
