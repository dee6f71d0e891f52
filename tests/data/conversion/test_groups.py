"""Splits that divide no group, are alike in every class, and are the same each time."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from convolens.data import DataSet, Example
from convolens.data.conversion import groups
from convolens.errors import ArgumentError, DataError

THREE = (0.8, 0.1, 0.1)
COLUMNS = {"patient": {Path(f"{name}.png"): value for name, value in zip("abcd", "1212", strict=True)}}


def split_into(data, fractions, group_by, seed):
    return groups.split_into(data, fractions, group_by, seed, COLUMNS.__getitem__)


def data_of(paths_and_labels, classes=3, root="."):
    examples = tuple(Example(Path(path), labels) for path, labels in paths_and_labels)
    return DataSet(Path(root), tuple("abcde"[:classes]), examples, "labels")


def counts_of(data):
    """Of each split: how many pictures show each class."""
    found = {}
    for example in data.examples:
        found.setdefault(example.split, Counter()).update(example.labels)
    return found


def test_every_class_is_divided_alike():
    data = data_of([(f"{n}.png", (0,) if n % 10 else (1,) if n % 20 else (2,)) for n in range(1000)])
    found = counts_of(split_into(data, THREE, None, 0))
    assert found == {
        "train": {0: 720, 1: 40, 2: 40},
        "validation": {0: 90, 1: 5, 2: 5},
        "test": {0: 90, 1: 5, 2: 5},
    }


def test_no_group_is_divided_and_classes_are_still_nearly_alike():
    random = np.random.default_rng(1)
    rows = [(f"p{n // 7}_{n}.png", (int(random.integers(3)),)) for n in range(2100)]
    found = split_into(data_of(rows), THREE, "prefix", 0)
    splits = {}
    for example in found.examples:
        splits.setdefault(example.path.name.split("_")[0], set()).add(example.split)
    assert all(len(one) == 1 for one in splits.values())
    counts, totals = counts_of(found), Counter(labels[0] for _, labels in rows)
    for split, fraction in zip(("train", "validation", "test"), THREE, strict=True):
        for label, total in totals.items():
            assert counts[split][label] == pytest.approx(fraction * total, abs=8)


def test_the_seed_and_the_names_alone_decide():
    rows = [(f"{n}.png", (n % 3,)) for n in range(90)]
    where = [{e.path: e.split for e in split_into(data_of(r), THREE, None, s).examples}
             for r, s in ((rows, 0), (rows[::-1], 0), (rows, 1))]  # fmt: skip
    assert where[0] == where[1] != where[2]


@pytest.mark.parametrize(
    ("group_by", "names", "together"),
    [
        ("prefix", ["a_1", "a-2", "a 3", "a.4", "b_1_2", "b_1_3", "c"], ["aaaa", "bb", "c"]),
        ("folder", ["x/1", "x/2", "y/1", "y/2"], ["xx", "yy"]),
        (r"(p\d+)", ["x/p1a", "y/p1b", "z/p2"], ["xy", "z"]),
        ("column:patient", ["a", "b", "c", "d"], ["ac", "bd"]),
    ],
)
def test_what_belongs_together(group_by, names, together):
    data = data_of([(f"{name}.png", (0,)) for name in names])
    found = groups._groups(data, groups._key(data, group_by, COLUMNS.__getitem__))
    assert ["".join(names[at][0] for at in group.members) for group in found] == together


def test_a_split_is_never_empty():
    data = data_of([(f"g{n}/{m}.png", (0,)) for n, size in enumerate((50, 1, 1)) for m in range(size)])
    assert set(counts_of(split_into(data, THREE, "folder", 0))) == {"train", "validation", "test"}
    with pytest.raises(DataError, match="need at least 3 groups of pictures to split, got 1"):
        split_into(data_of([("g/1.png", (0,)), ("g/2.png", (0,))]), THREE, "folder", 0)


@pytest.mark.parametrize(
    ("fractions", "group_by", "message"),
    [
        ((0.8, 0.3), None, "need two or three fractions that make 1, such as 0.8,0.1,0.1, got 0.8, 0.3"),
        ((1.0,), None, "need two or three fractions"),
        (None, "folder", "need split too"),
        ((0.5, 0.5), "(a", r"need folder, prefix, column:NAME or a regular expression, got '\(a'"),
        ((0.5, 0.5), "a", "need folder, prefix, column:NAME or a regular expression with one group"),
    ],
)
def test_what_is_no_split_is_refused(fractions, group_by, message):
    with pytest.raises(ArgumentError, match=message):
        split_into(data_of([("a.png", (0,)), ("ab.png", (0,))]), fractions, group_by, 0)


def test_a_path_without_the_pattern_is_named():
    with pytest.raises(DataError, match=r"b.png: need a path that '\(a\)' is found in"):
        split_into(data_of([("a.png", (0,)), ("b.png", (0,))]), (0.5, 0.5), "(a)", 0)


def test_data_with_splits_keeps_them():
    data = DataSet(Path(), ("a",), tuple(Example(Path(f"{s}.png"), (0,), split=s) for s in ("train", "test")), "label")
    with pytest.raises(DataError, match="need data without splits to split it, got train, test"):
        split_into(data, (0.5, 0.5), None, 0)
