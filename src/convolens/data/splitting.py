"""Cutting data into a training set and a validation set: by the data's own splits, by a fraction, or by a list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from convolens.data.dataset import DataSet, Example
from convolens.data.files import read_text
from convolens.data.reading import read_data
from convolens.errors import ArgumentError, DataError
from convolens.media.files import AnyPath

FRACTION = 0.2  # to validate on, where neither the caller nor the data says


def split(data: DataSet, validation: float | AnyPath | None = None, seed: int = 0) -> tuple[DataSet, DataSet]:
    """Cuts data into a training set and a validation set.

    Args:
        data: to be cut.
        validation: a fraction of every class; or a `.txt` file with the path of one picture a line, relative to that
            file's folder; or other data in any format, whose classes are among these. None takes the data's own split
            `validation` where it has one, else a fraction of 0.2. A split `test` is left alone: what was chosen by it
            could not be measured on it.
        seed: of a fraction.

    A fraction is drawn class by class, each by another generator, so that a new class leaves the others as they were.
    An example of several classes counts for the rarest of them; those without any are a class, too. A class keeps at
    least one example on each side, or, having only one, keeps it for training. Data that has splits gives a fraction
    of its `train`; the rest of it is left alone.

    Raises:
        ArgumentError: the fraction is not between 0 and 1.
        DataError: a side would be empty, or the list names a picture that the data has not.
        FileError: the list or the other data is not there.

    >>> examples = [Example(Path(f"{n}.png"), (n % 2,)) for n in range(10)]
    >>> train, validation = split(DataSet(Path("."), ("even", "odd"), tuple(examples), "label"), 0.2)
    >>> len(train), sorted(example.labels[0] for example in validation.examples)
    (8, [0, 1])
    """
    if isinstance(validation, int | float | None) and data.splits and "train" not in data.splits:
        raise DataError(f"{data.root}: need a split train, got {', '.join(data.splits)}; give validation= other data")
    own = data.split("train") if "train" in data.splits else data
    if validation is None and "validation" in data.splits:
        return own, data.split("validation")
    if isinstance(validation, int | float) or validation is None:
        return _by_fraction(own, FRACTION if validation is None else validation, seed)
    if Path(validation).suffix.lower() == ".txt":
        train, listed = _by_list(data, Path(validation))
        return train.split("train") if "train" in data.splits else train, listed
    return own, read_data(validation, class_names=data.class_names)


def _by_fraction(data: DataSet, fraction: float, seed: int) -> tuple[DataSet, DataSet]:
    if not 0 < fraction < 1:
        raise ArgumentError(f"validation: need a fraction between 0 and 1, got {fraction}")
    strata = _strata(data.examples)
    chosen = np.zeros(len(strata), dtype=bool)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        # Streams are numbered from 0; examples without a class, -1, take the one that no class will reach.
        random = np.random.default_rng([seed, stratum % 2**32])
        chosen[random.permutation(members)[:count]] = True
    return _cut(data, chosen)


def _strata(examples: tuple[Example, ...]) -> np.ndarray:
    """Finds the rarest class of each example, -1 without any."""
    counts = Counter(label for example in examples for label in example.labels)
    rarest = [min(example.labels, key=lambda label: (counts[label], label), default=-1) for example in examples]
    return np.array(rarest, dtype=np.int64)


def _by_list(data: DataSet, path: Path) -> tuple[DataSet, DataSet]:
    lines = (line.strip() for line in read_text(path, "a list of pictures").splitlines())
    named = {(path.parent / line).resolve(): line for line in lines if line}
    chosen = np.array([example.file.resolve() in named for example in data.examples], dtype=bool)
    found = {example.file.resolve() for example, out in zip(data.examples, chosen, strict=True) if out}
    unknown = [line for target, line in named.items() if target not in found]
    if unknown:
        raise DataError(f"{path}: need paths of pictures in {data.root}, got {unknown[0]!r}")
    return _cut(data, chosen)


def _cut(data: DataSet, chosen: np.ndarray) -> tuple[DataSet, DataSet]:
    train = [example for example, out in zip(data.examples, chosen, strict=True) if not out]
    validation = [example for example, out in zip(data.examples, chosen, strict=True) if out]
    if not validation:
        raise DataError(f"{data.root}: need at least two pictures of a class to validate on one, got one of each")
    if not train:
        raise DataError(f"{data.root}: need pictures to train on, got all of them to validate on")
    return data.having(train), data.having(validation)
