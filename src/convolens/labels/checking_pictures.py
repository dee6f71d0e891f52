"""The labels of pictures looked through: features once, heads of other folds, and the doubtful labels ranked.

Cost: one pass of the trunk over all pictures, then seconds. Memory: 16 bytes × features of the taps × pictures, and the
folds' probabilities; pictures are read one batch at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convolens.data import DataSet, Example
from convolens.errors import DataError
from convolens.labels.confident import Confidence, judge
from convolens.labels.descriptions import describe, main_directions, taps_by_scale
from convolens.labels.found import AT_LEAST, LabelCheck, Suspect
from convolens.labels.leaks import near_across_splits
from convolens.labels.little import FEW, mistaken_pairs, wilson
from convolens.labels.neighbors import nearest_of_class
from convolens.models.classify import classifier
from convolens.training.chosen import input_size, suited_tap
from convolens.trunks import Trunk


def check_pictures(
    data: DataSet,
    trunk: Trunk,
    taps: Sequence[str] | str | None,
    *,
    folds: int,
    at_least: float,
    seed: int,
    progress: bool,
) -> LabelCheck:
    """Ranks labels that are likely wrong. Arguments and errors as of `checking.check_labels`."""
    if taps is None and (shown := input_size(trunk.preprocessing, data)) is not None:
        deepest = suited_tap(trunk, *shown)
        taps = None if deepest is None else taps_by_scale(trunk, deepest, *shown)
    names = data.class_names if len(data.class_names) > 1 else (*data.class_names, "anything else")
    features, used, skipped = describe(classifier(trunk, classes=names, taps=taps, seed=seed), data, progress)
    labels = np.array([example.labels[0] for example in used])
    judgeable = _of_classes_with_two(labels, data)
    examples = [used[number] for number in np.flatnonzero(judgeable)]
    x = main_directions(features if judgeable.all() else features[torch.from_numpy(judgeable)])
    present, own = np.unique(labels[judgeable], return_inverse=True)
    class_names = [data.class_names[number] for number in present]
    verdicts = judge(x, own, len(present), min(folds, len(own)), seed)
    suspects = _suspects(x, own, verdicts, examples, class_names, at_least)
    interval = wilson(verdicts.agreement, len(own))
    return LabelCheck(
        data, len(own), verdicts.agreement, interval, float(verdicts.wrong.sum()), suspects,
        mistaken_pairs(verdicts.mistaken, np.bincount(own), class_names),
        tuple(_notes(labels, judgeable, data, own, class_names, verdicts.agreement, interval)),
        tuple(dict.fromkeys(skipped)),
        tuple((examples[one].path, examples[other].path)
              for one, other in near_across_splits(x, [example.split for example in examples], own)),
    )  # fmt: skip


def _of_classes_with_two(labels: NDArray[Any], data: DataSet) -> NDArray[Any]:
    """Which pictures can be judged: those of classes that have another picture to learn from."""
    counts = np.bincount(labels, minlength=len(data.class_names))
    if (counts > 1).sum() < 2:
        raise DataError(
            f"{data.root}: need two classes with at least two pictures that can be used, to tell them apart, got "
            f"{(counts > 1).sum()}"
        )
    found: NDArray[Any] = counts[labels] > 1
    return found


def _suspects(
    x: Any, labels: NDArray[Any], verdicts: Confidence, examples: Sequence[Example], names: Sequence[str], least: float
) -> tuple[Suspect, ...]:
    order = np.argsort(-verdicts.wrong, kind="stable")
    chosen = [int(number) for number in order if verdicts.wrong[number] >= least]
    trusted = verdicts.wrong < AT_LEAST
    likely = verdicts.likely
    ones = nearest_of_class(x, chosen, [int(labels[number]) for number in chosen], labels, trusted)
    others = nearest_of_class(x, chosen, [int(likely[number]) for number in chosen], labels, trusted)
    return tuple(
        Suspect(
            examples[number].path, names[labels[number]], names[likely[number]], float(verdicts.wrong[number]),
            None if one is None else examples[one].path, None if other is None else examples[other].path,
        )
        for number, one, other in zip(chosen, ones, others, strict=True)
    )  # fmt: skip


def _notes(
    labels: NDArray[Any],
    judgeable: NDArray[Any],
    data: DataSet,
    own: NDArray[Any],
    names: Sequence[str],
    agreement: float,
    interval: tuple[float, float],
) -> list[str]:
    """How little can be told, in sentences."""
    notes = []
    alone = [data.class_names[number] for number in np.unique(labels[~judgeable])]
    empty = [name for number, name in enumerate(data.class_names) if not (labels == number).any()]
    if alone:
        notes.append(f"classes with one picture, which cannot be judged: {', '.join(alone)}")
    if empty:
        notes.append(f"classes without pictures: {', '.join(empty)}")
    counts = Counter(own.tolist())
    few = [f"{names[number]} {count:,}" for number, count in sorted(counts.items()) if count < FEW]
    if few:
        notes.append(
            f"little can be told of classes with fewer than {FEW} pictures ({', '.join(few)}): heads are right in "
            f"{interval[0]:.0%} to {interval[1]:.0%} of all labels, so look at each suspect yourself"
        )
    commonest = max(counts.values()) / len(own)
    if interval[0] <= commonest:
        notes.append(
            f"these features hardly tell the classes apart: {agreement:.0%} of the labels are predicted, and "
            f"{commonest:.0%} have the commonest class; suspects mean little; try another tap, trunk or size"
        )
    return notes
