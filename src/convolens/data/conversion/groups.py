"""A split into train, validation and test that is alike in every class, and divides no group of pictures.

Groups are dealt out one by one, the largest first and of those alike the ones with the rarest classes: each to the
split that lacks most of what the group shows (after Sechidis, Tsoumakas and Vlahavas, "On the stratification of
multi-label data", 2011, there without groups).
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convolens.arrays import as_real
from convolens.data.dataset import SPLIT_NAMES, DataSet, Example
from convolens.errors import ArgumentError, DataError

NOTHING = -1  # the class of pictures that show none


COLUMN = "column:"  # before the name of one
Columns = Callable[[str], Mapping[Path, str]]


def split_into(
    data: DataSet, fractions: Sequence[float] | None, group_by: str | None, seed: int, columns: Columns
) -> DataSet:
    """The data with a split for every example.

    Args:
        data: without splits, or of one alone.
        fractions: for train, validation and perhaps test, which make 1.
        group_by: as for `convert`.
        seed: of the choice among what is alike.
        columns: what a column says of each picture, by its name.

    Raises:
        ArgumentError: the fractions are none, or the grouping is none, or the data has no columns.
        DataError: the data has splits already, or too few groups.
    """
    if fractions is None:
        raise ArgumentError("group_by: need split too, the fractions for train, validation and test")
    _check(fractions)
    if len(data.splits) > 1:
        raise DataError(f"{data.root}: need data without splits to split it, got {', '.join(data.splits)}")
    groups = _groups(data, _key(data, group_by, columns))
    if len(groups) < len(fractions):
        raise DataError(f"{data.root}: need at least {len(fractions)} groups of pictures to split, got {len(groups)}")
    chosen = _dealt(groups, fractions, seed)
    examples = tuple(
        replace(example, split=SPLIT_NAMES[number]) for example, number in zip(data.examples, chosen, strict=True)
    )
    return data.having(examples)


def _check(fractions: Sequence[float]) -> None:
    if not isinstance(fractions, Sequence) or isinstance(fractions, str | bytes):
        raise ArgumentError(f"split: need two or three fractions that make 1, got {fractions!r:.100}")
    numbers = [as_real(one, "split") for one in fractions]
    right = len(numbers) in (2, 3) and all(0 < one < 1 for one in numbers) and abs(sum(numbers) - 1) < 1e-6
    if not right:
        got = ", ".join(f"{one:g}" for one in fractions)
        raise ArgumentError(f"split: need two or three fractions that make 1, such as 0.8,0.1,0.1, got {got}")


@dataclass
class _Group:
    """Pictures that stay together: their places among the examples, and how many show each class."""

    members: list[int]
    counts: Counter[int]


def _groups(data: DataSet, key: Callable[[Example], str]) -> list[_Group]:
    """In order of their names, which the order of the examples has no part in."""
    found: dict[str, _Group] = defaultdict(lambda: _Group([], Counter()))
    for at, example in enumerate(data.examples):
        group = found[key(example)]
        group.members.append(at)
        group.counts.update(example.labels or (NOTHING,))
    return [found[name] for name in sorted(found)]


def _key(data: DataSet, group_by: str | None, columns: Columns) -> Callable[[Example], str]:
    if group_by is None:
        return lambda example: str(example.file)
    if group_by == "folder":
        return lambda example: str(example.file.parent)
    if group_by == "prefix":
        return lambda example: str(example.file.parent / re.split(r"[_\-. ](?=[^_\-. ]*$)", example.file.stem)[0])
    if group_by.startswith(COLUMN):
        values = columns(group_by.removeprefix(COLUMN))
        return lambda example: values[example.file]
    return _matched(group_by, data.folder)


def _matched(pattern: str, root: Path) -> Callable[[Example], str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ArgumentError(
            f"group_by: need folder, prefix, column:NAME or a regular expression, got {pattern!r}: {error}"
        ) from None
    if compiled.groups != 1:
        raise ArgumentError(
            "group_by: need folder, prefix, column:NAME or a regular expression with one group, as in '(patient\\d+)', "
            f"got {pattern!r}"
        )

    def key(example: Example) -> str:
        path = os.path.relpath(example.file, root).replace(os.sep, "/")
        found = compiled.search(path)
        if found is None or found[1] is None:
            raise DataError(f"{example.file}: need a path that {pattern!r} is found in, to group by, got {path!r}")
        return found[1]

    return key


def _dealt(groups: list[_Group], fractions: Sequence[float], seed: int) -> list[int]:
    """The number of the split of each example."""
    totals = sum((group.counts for group in groups), Counter[int]())
    random = np.random.default_rng(seed).permutation(len(groups))
    rarest = [min(totals[label] for label in group.counts) for group in groups]
    order = sorted(range(len(groups)), key=lambda at: (-len(groups[at].members), rarest[at], random[at]))
    size = sum(len(group.members) for group in groups)
    lacking = [{label: fraction * count for label, count in totals.items()} for fraction in fractions]
    room = [fraction * size for fraction in fractions]
    empty = set(range(len(fractions)))
    chosen = [0] * size
    for left, at in zip(range(len(order), 0, -1), order, strict=True):
        group = groups[at]
        splits = empty if left <= len(empty) else range(len(fractions))
        best = max(splits, key=lambda split: (_lack(lacking[split], group, totals), room[split], -split))
        empty.discard(best)
        room[best] -= len(group.members)
        for label, count in group.counts.items():
            lacking[best][label] -= count
        for member in group.members:
            chosen[member] = best
    return chosen


def _lack(lacking: dict[int, float], group: _Group, totals: Counter[int]) -> float:
    """How much a split lacks of what a group shows, the rarest classes counting most."""
    return sum(count * lacking[label] / totals[label] for label, count in group.counts.items())
